//! What a pod waits for before it is ready: tried until it succeeds, with pauses,
//! saying each time what is missing. Afterwards nothing makes the pod unready but
//! its end: requests that fail say themselves which dependency failed.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use platform::caller::CallerVerifier;
use platform::health::{Check, Readiness};
use platform::telemetry::{error_chain, redact};
use tokio::task::JoinSet;

use crate::backoff::Backoff;
use crate::store::Store;

/// What the API waits for, besides its relay: the container of todos, and the keys
/// that callers' tokens are checked with. Dropping what is returned ends the
/// waiting.
pub(crate) fn of_api(
    readiness: &Readiness,
    store: &Store,
    verifier: &CallerVerifier,
) -> JoinSet<()> {
    let mut waiting = JoinSet::new();
    let (check, store) = (readiness.check("cosmos/todos"), store.clone());
    waiting.spawn(until_ready(check, move || {
        let store = store.clone();
        async move { store.open().await }
    }));
    let (check, verifier) = (readiness.check("cluster-issuer"), verifier.clone());
    waiting.spawn(until_ready(check, move || {
        let verifier = verifier.clone();
        async move { verifier.warm_up().await }
    }));
    waiting
}

/// What the worker waits for, besides its receivers: the containers of todos and
/// of activity.
pub(crate) fn of_worker(readiness: &Readiness, store: &Store) -> JoinSet<()> {
    let mut waiting = JoinSet::new();
    let (check, todos) = (readiness.check("cosmos/todos"), store.clone());
    waiting.spawn(until_ready(check, move || {
        let store = todos.clone();
        async move { store.open().await }
    }));
    let (check, activity) = (readiness.check("cosmos/activity"), store.clone());
    waiting.spawn(until_ready(check, move || {
        let store = activity.clone();
        async move { store.open_activity().await }
    }));
    waiting
}

/// Tries until it succeeds.
pub(crate) async fn until_ready<T, E: Error + 'static>(check: Check, attempt: impl Fn() -> T)
where
    T: Future<Output = Result<(), E>>,
{
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));
    while let Err(error) = attempt().await {
        waiting(&check, &error);
        tokio::time::sleep(backoff.pause()).await;
    }
    check.ready();
}

/// Says why it is not there: in short to the kubelet, in full to the log.
pub(crate) fn waiting(check: &Check, error: &(dyn Error + 'static)) {
    let cause = error_chain(error);
    tracing::warn!(cause, "not ready yet");
    check.waiting(redact(&error.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::server::Shutdown;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_pod_is_ready_once_what_it_waits_for_is_there() {
        let readiness = Readiness::new(&Shutdown::manual());
        let attempts = AtomicU32::new(0);

        until_ready(readiness.check("cosmos"), || async {
            match attempts.fetch_add(1, Ordering::Relaxed) {
                0..3 => Err(std::io::Error::other("not yet")),
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
            Err(std::io::Error::other("Cosmos DB 403/5301"))
        });

        let ended = tokio::time::timeout(Duration::from_mins(1), forever).await;

        assert!(ended.is_err());
        let report = readiness.report();
        assert!(!report.ready);
        assert_eq!(report.waiting_for[0].why, "Cosmos DB 403/5301");
    }
}
