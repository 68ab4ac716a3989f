//! When something that is done again and again is done next: soon after a round
//! that succeeded, later after each that failed, and never at the same moment in
//! all replicas.

use std::error::Error;
use std::time::Duration;

use platform::backoff::Backoff;
use platform::server::Shutdown;
use platform::telemetry::error_chain;

/// The longest pause after rounds that failed.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The rounds of one task.
#[derive(Debug)]
pub(crate) struct Rounds {
    what: &'static str,
    backoff: Backoff,
}

impl Rounds {
    /// Rounds of `what`, at most `every` apart while they succeed.
    pub(crate) fn new(what: &'static str, every: Duration) -> Self {
        Self {
            what,
            backoff: Backoff::new(every, LONGEST_PAUSE.max(every)),
        }
    }

    /// Waits until the next round is due; false when the pod is asked to end.
    pub(crate) async fn next(&mut self, shutdown: &Shutdown) -> bool {
        pause(self.backoff.pause(), shutdown).await;
        !shutdown.is_requested()
    }

    /// Says what a round came to: a failure is logged, and the next comes later.
    pub(crate) fn ended<E: Error + 'static>(&mut self, outcome: Result<(), E>) {
        match outcome {
            Ok(()) => self.backoff.reset(),
            Err(error) => {
                let cause = error_chain(&error);
                tracing::warn!(cause, "a round of {} was cut short", self.what);
            }
        }
    }
}

/// Waits, unless the pod is asked to end.
pub(crate) async fn pause(time: Duration, shutdown: &Shutdown) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = shutdown.requested() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use tokio::time::Instant;

    const EVERY: Duration = Duration::from_secs(10);

    /// Timers round up to it.
    const TICK: Duration = Duration::from_millis(1);

    async fn waited(rounds: &mut Rounds) -> Duration {
        let begin = Instant::now();
        assert!(rounds.next(&Shutdown::manual()).await);
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn rounds_that_fail_come_ever_later_until_one_succeeds() {
        let mut rounds = Rounds::new("tests", EVERY);
        for longest in [10, 20, 40, 60, 60] {
            let longest = Duration::from_secs(longest);
            let waited = waited(&mut rounds).await;
            assert!(
                longest / 2 <= waited && waited <= longest + TICK,
                "{waited:?}"
            );
            rounds.ended(Err(io::Error::other("the dependency is down")));
        }

        rounds.ended::<io::Error>(Ok(()));

        assert!(waited(&mut rounds).await <= EVERY + TICK);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_ends_begins_no_round() {
        let shutdown = Shutdown::manual();
        shutdown.request("test");
        let begin = Instant::now();

        let another = Rounds::new("tests", EVERY).next(&shutdown).await;

        assert!(!another);
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
