//! What this pod needs before it is ready: each dependency has answered once.

use platform::azure::{Clients, QueueSender};
use platform::health::Readiness;
use platform::readiness::until_ready;
use platform::signing::SigningKeys;
use tokio::task::JoinSet;

use crate::backend::Backend;

/// Asks each dependency until it has answered. Dropping the tasks ends that.
// Identity frontend, call to backend.
// Identity frontend, Key Vault Secrets User on secret session-key.
// Identity frontend, Cosmos DB Built-in Data Reader on container activity.
// Identity frontend, Storage Blob Data Contributor on container attachments.
// Identity frontend, Azure Service Bus Data Sender on queue attachment-jobs.
pub(crate) fn watch(
    readiness: &Readiness,
    (clients, jobs): (&Clients, &QueueSender),
    session_keys: &SigningKeys,
    backend: &Backend,
) -> JoinSet<()> {
    let mut watching = JoinSet::new();
    let asked = backend.clone();
    watching.spawn(until_ready(readiness.check("backend"), move || {
        let backend = asked.clone();
        async move { backend.reach().await }
    }));
    let asked = session_keys.clone();
    watching.spawn(until_ready(readiness.check("session-key"), move || {
        let keys = asked.clone();
        async move { keys.warm_up().await }
    }));
    let asked = clients.clone();
    watching.spawn(until_ready(readiness.check("activity"), move || {
        let clients = asked.clone();
        async move { clients.activity().await.map(drop) }
    }));
    let asked = clients.clone();
    watching.spawn(until_ready(readiness.check("attachments"), move || {
        let clients = asked.clone();
        async move { clients.reach_attachments().await }
    }));
    let asked = jobs.clone();
    watching.spawn(until_ready(readiness.check("attachment-jobs"), move || {
        let jobs = asked.clone();
        async move { jobs.open().await }
    }));
    watching
}
