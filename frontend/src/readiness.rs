//! What this pod needs before it is ready: each dependency has answered once.
//! Until then it is asked again, less and less often, and `/readyz` says what it
//! said last.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use platform::azure::{AzureFailure, Clients};
use platform::health::{Check, Readiness};
use platform::telemetry::{error_chain, redact};
use service_bus::Direction;
use tokio::task::JoinSet;

use crate::backend::Backend;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Asks each dependency until it has answered. Dropping the tasks ends that.
///
/// Access: identity `frontend`, Cosmos DB Built-in Data Reader on
/// `cosmos/databases/todolist/containers/activity`, Storage Blob Data Contributor
/// on `storage/containers/attachments`, Azure Service Bus Data Sender on
/// `bus/queues/attachment-jobs`; the backend as this pod's service account.
pub(crate) fn watch(readiness: &Readiness, clients: &Clients, backend: &Backend) -> JoinSet<()> {
    let mut watching = JoinSet::new();
    let asked = backend.clone();
    watching.spawn(until_ready(readiness.check("backend"), move || {
        let backend = asked.clone();
        async move { backend.reach().await }
    }));
    let asked = clients.clone();
    watching.spawn(until_ready(readiness.check("activity"), move || {
        let clients = asked.clone();
        async move { clients.activity().await.map(drop) }
    }));
    let asked = clients.clone();
    watching.spawn(until_ready(readiness.check("attachments"), move || {
        attachments_answer(asked.clone())
    }));
    let asked = clients.clone();
    watching.spawn(until_ready(readiness.check("attachment-jobs"), move || {
        jobs_can_be_sent(asked.clone())
    }));
    watching
}

/// There is no such blob, and this pod may know: the role is there.
async fn attachments_answer(clients: Clients) -> Result<(), AzureFailure> {
    let blob = clients.attachments().blob_client("readiness");
    blob.exists().await.map(drop).map_err(AzureFailure::blob)
}

/// A link for sending is granted; nothing is sent.
async fn jobs_can_be_sent(clients: Clients) -> Result<(), AzureFailure> {
    let queue = &clients.estate().bus.attachment_jobs;
    let granted = clients.bus().probe(queue, Direction::Send).await;
    granted.map_err(AzureFailure::service_bus)
}

async fn until_ready<E, Answer>(check: Check, mut ask: impl FnMut() -> Answer)
where
    Answer: Future<Output = Result<(), E>>,
    E: Error + 'static,
{
    let mut pause = FIRST_PAUSE;
    while let Err(failure) = ask().await {
        let why = redact(&error_chain(&failure)).into_owned();
        tracing::info!(why, retry_in = ?pause, "not ready yet");
        check.waiting(why);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    check.ready();
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::server::Shutdown;
    use std::io;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_dependency_is_asked_until_it_answers_and_its_words_are_told() {
        let readiness = Readiness::new(&Shutdown::manual());
        let asked = AtomicU32::new(0);
        let check = readiness.check("backend");

        let seen = readiness.clone();
        let begin = tokio::time::Instant::now();
        until_ready(check, || async {
            match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Err(io::Error::other("the backend is away")),
                1 => {
                    let waiting = seen.report().waiting_for;
                    assert_eq!(waiting[0].check, "backend");
                    assert_eq!(waiting[0].why, "the backend is away");
                    Err(io::Error::other("still"))
                }
                _ => Ok(()),
            }
        })
        .await;

        assert!(readiness.report().ready);
        assert_eq!(begin.elapsed(), Duration::from_millis(600));
    }
}
