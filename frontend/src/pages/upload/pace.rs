//! How slowly a file may come. Its place is one of few, so whoever takes one has to
//! send: a file that comes a byte at a time never stands still, and would keep its
//! place for days.
//!
//! Only the time counts in which we wait for the browser, not what Blob Storage
//! takes: that is nothing that the browser could do about.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// What a body may take before any of it has come, as with other forms.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// What earns another second.
pub(super) const BYTES_OF_A_SECOND: u64 = 16 * 1024;

/// The patience that is left with a body.
#[derive(Debug)]
pub(super) struct Pace {
    left: Duration,
    /// Since when the body is waited for, if it is.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            left: GRACE,
            waiting: None,
        }
    }

    /// This many bytes came: as much longer may the rest take.
    pub(super) fn came(&mut self, bytes: u64) {
        if let Some((since, _)) = self.waiting.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        let nanos = bytes.saturating_mul(1_000_000_000) / BYTES_OF_A_SECOND;
        self.left += Duration::from_nanos(nanos);
    }

    /// Nothing is there: ready when patience has ended.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let left = self.left;
        let (_, end) = self
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        end.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    /// How long nothing is waited for until patience ends.
    async fn patience(pace: &mut Pace) -> Duration {
        let begin = Instant::now();
        poll_fn(|cx| pace.poll_end(cx)).await;
        begin.elapsed()
    }

    /// Waits a while for bytes, and gets them.
    async fn came_after(pace: &mut Pace, wait: Duration, bytes: u64) {
        let waiting = tokio::time::timeout(wait, patience(pace)).await;
        assert!(waiting.is_err(), "patience ended within {wait:?}");
        pace.came(bytes);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_a_byte_at_a_time_is_not_waited_for() {
        let mut pace = Pace::new();
        let begin = Instant::now();

        for _ in 0..99 {
            came_after(&mut pace, Duration::from_millis(100), 1).await;
        }

        patience(&mut pace).await;
        let took = begin.elapsed();
        assert!(
            GRACE <= took && took < GRACE + Duration::from_secs(1),
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_keeps_the_pace_may_take_as_long_as_it_is() {
        let mut pace = Pace::new();

        for _ in 0..3600 {
            came_after(&mut pace, Duration::from_secs(1), BYTES_OF_A_SECOND).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_that_we_take_ourselves_does_not_count() {
        let mut pace = Pace::new();
        came_after(&mut pace, Duration::from_secs(1), 0).await;

        sleep(Duration::from_hours(1)).await;

        let left = patience(&mut pace).await;
        let expected = GRACE.saturating_sub(Duration::from_secs(1));
        assert!(
            expected <= left && left < expected + Duration::from_millis(10),
            "{left:?}"
        );
    }
}
