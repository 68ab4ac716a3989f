//! The only source of time inside the local cloud.
//!
//! It runs with the system's clock, plus whatever a test has advanced it by.
//! It never goes back.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;

/// A handle on the cloud's time; clones share it.
#[derive(Clone, Debug)]
pub struct Clock {
    ahead: Arc<watch::Sender<Duration>>,
}

impl Clock {
    /// The system's time, until it is advanced.
    pub fn system() -> Self {
        Self {
            ahead: Arc::new(watch::Sender::new(Duration::ZERO)),
        }
    }

    /// What time it is in the cloud (UTC).
    pub fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + *self.ahead.borrow()
    }

    /// Whole seconds since the Unix epoch, as tokens carry them.
    pub fn unix_now(&self) -> i64 {
        self.now().unix_timestamp()
    }

    /// Moves the time forward for everything in the cloud at once.
    pub fn advance(&self, by: Duration) {
        self.ahead.send_modify(|ahead| *ahead += by);
    }

    /// Waits until the cloud's time is `at`; an advance past it ends the wait.
    pub async fn sleep_until(&self, at: OffsetDateTime) {
        let mut changes = self.ahead.subscribe();
        loop {
            let left = at - self.now();
            let Ok(left) = Duration::try_from(left) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            // This handle keeps the sender alive, so `changed` cannot fail.
            let _elapsed_or_changed = tokio::time::timeout(left, changes.changed()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_advance_wakes_a_sleeper_whose_time_has_come() {
        let clock = Clock::system();
        let wake_at = clock.now() + Duration::from_hours(1);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(wake_at).await }
        });

        clock.advance(Duration::from_mins(30));
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1801));

        tokio::time::timeout(Duration::from_secs(5), sleeper)
            .await
            .expect("the sleeper wakes")
            .expect("the sleeper does not panic");
    }
}
