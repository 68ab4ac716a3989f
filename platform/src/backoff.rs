//! Pauses between attempts: each twice the last, up to a most, and half of each
//! is chance, so that replicas do not come back as one.

use std::time::Duration;

use uuid::Uuid;

/// A row of pauses.
#[derive(Debug, Clone)]
pub struct Backoff {
    least: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    /// From `least`, up to `most`.
    pub fn new(least: Duration, most: Duration) -> Self {
        Self {
            least,
            most,
            next: least,
        }
    }

    /// How long to wait now.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.most);
        pause.mul_f64(0.5 + 0.5 * chance())
    }

    /// After a success, the pauses begin anew.
    pub fn reset(&mut self) {
        self.next = self.least;
    }
}

/// From 0 up to, and not including, 1.
fn chance() -> f64 {
    let [high, low, ..] = Uuid::new_v4().into_bytes();
    f64::from(u16::from_be_bytes([high, low])) / 65536.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_most_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));

        for longest in [1, 2, 4, 5, 5] {
            let longest = Duration::from_secs(longest);
            let pause = backoff.pause();
            assert!(longest / 2 <= pause && pause < longest, "{pause:?}");
        }

        backoff.reset();
        assert!(backoff.pause() < Duration::from_secs(1));
    }
}
