//! What a pod waits for before it is ready: tried until it succeeds, with pauses,
//! saying each time what is missing. Afterwards nothing makes the pod unready but
//! its end: requests that fail say themselves which dependency failed.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::health::Check;
use crate::telemetry::{error_chain, redact};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Tries until it succeeds.
pub async fn until_ready<T, E>(check: Check, attempt: impl Fn() -> T)
where
    T: Future<Output = Result<(), E>>,
    E: Error + 'static,
{
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    while let Err(error) = attempt().await {
        waiting(&check, &error);
        tokio::time::sleep(backoff.pause()).await;
    }
    tracing::info!(check = check.name(), "ready");
    check.ready();
}

/// Says why it is not there, to the kubelet and to the log.
pub fn waiting(check: &Check, error: &(dyn Error + 'static)) {
    let why = redact(&error_chain(error)).into_owned();
    tracing::warn!(check = check.name(), why, "not ready yet");
    check.waiting(why);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Readiness;
    use crate::server::Shutdown;
    use std::io;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_pod_is_ready_once_what_it_waits_for_is_there() {
        let readiness = Readiness::new(&Shutdown::manual());
        let attempts = AtomicU32::new(0);

        until_ready(readiness.check("cosmos"), || async {
            match attempts.fetch_add(1, Ordering::Relaxed) {
                0..3 => Err(io::Error::other("not yet")),
                _ => Ok(()),
            }
        })
        .await;

        assert!(readiness.report().ready);
        assert_eq!(attempts.load(Ordering::Relaxed), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn meanwhile_the_pod_says_what_it_waits_for() {
        let readiness = Readiness::new(&Shutdown::manual());
        let forever = until_ready(readiness.check("cosmos"), || async {
            Err(io::Error::other("Cosmos DB 403/5301"))
        });

        let ended = tokio::time::timeout(Duration::from_mins(1), forever).await;

        assert!(ended.is_err());
        let report = readiness.report();
        assert!(!report.ready);
        assert_eq!(report.waiting_for[0].check, "cosmos");
        assert_eq!(report.waiting_for[0].why, "Cosmos DB 403/5301");
    }
}
