//! How long kubelet waits before it starts a container again: `CrashLoopBackOff`
//! (Kubernetes, `client-go/util/flowcontrol/backoff.go`).

use std::time::Duration;

/// The waits of one container.
#[derive(Clone, Copy, Debug)]
pub struct BackOff {
    first: Duration,
    longest: Duration,
    /// The next wait; none before the first end.
    next: Option<Duration>,
}

impl Default for BackOff {
    /// What kubelet has: 10 s, twice as long each time, 5 minutes at most.
    fn default() -> Self {
        Self::new(Duration::from_secs(10), Duration::from_mins(5))
    }
}

impl BackOff {
    /// Other bounds, for a test that has no ten seconds.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: None,
        }
    }

    /// A container ended that had run so long: how long to wait from then on.
    /// Nothing at the first time, and nothing after it ran for twice the longest
    /// wait.
    pub fn after(&mut self, ran: Duration) -> Duration {
        let wait = match self.next {
            Some(next) if ran <= self.longest * 2 => next,
            _ => Duration::ZERO,
        };
        self.next = Some(if wait.is_zero() {
            self.first
        } else {
            (wait * 2).min(self.longest)
        });
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_fails_again_and_again_waits_ever_longer_up_to_five_minutes() {
        let mut back_off = BackOff::default();
        let waits: Vec<_> = (0..8)
            .map(|_| back_off.after(Duration::from_secs(1)).as_secs())
            .collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn ten_good_minutes_make_it_forget() {
        let mut back_off = BackOff::default();
        for _ in 0..4 {
            back_off.after(Duration::from_secs(1));
        }
        assert_eq!(back_off.after(Duration::from_mins(10)).as_secs(), 80);
        assert_eq!(back_off.after(Duration::from_secs(601)).as_secs(), 0);
        assert_eq!(back_off.after(Duration::from_secs(1)).as_secs(), 10);
    }
}
