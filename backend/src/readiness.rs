//! What the pods of this program wait for before they are ready.

use platform::azure::Clients;
use platform::caller::CallerVerifier;
use platform::health::Readiness;
use platform::readiness::until_ready;
use platform::signing::SigningKeys;
use tokio::task::JoinSet;

use crate::store::Store;

/// What the API waits for, besides its relay: the container of todos, the list that
/// everybody starts with, the keys that callers' tokens are checked with, and the
/// key that links are signed with. Dropping what is returned ends the waiting.
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
// Identity backend, Key Vault Secrets User on secret share-link-key.
pub(crate) fn of_api(
    readiness: &Readiness,
    store: &Store,
    verifier: &CallerVerifier,
    links: &SigningKeys,
) -> JoinSet<()> {
    let mut waiting = JoinSet::new();
    let (check, todos) = (readiness.check("cosmos/todos"), store.clone());
    waiting.spawn(until_ready(check, move || {
        let store = todos.clone();
        async move { store.open().await }
    }));
    let (check, store) = (readiness.check("inbox"), store.clone());
    waiting.spawn(until_ready(check, move || {
        let store = store.clone();
        async move { store.ensure_inbox().await }
    }));
    let (check, links) = (readiness.check("share-link-key"), links.clone());
    waiting.spawn(until_ready(check, move || {
        let links = links.clone();
        async move { links.warm_up().await }
    }));
    let (check, verifier) = (readiness.check("cluster-issuer"), verifier.clone());
    waiting.spawn(until_ready(check, move || {
        let verifier = verifier.clone();
        async move { verifier.warm_up().await }
    }));
    waiting
}

/// What the worker waits for, besides its receivers: the containers of todos, of
/// activity and of attachments.
// Identity worker, Cosmos DB Built-in Data Contributor on container todos.
// Identity worker, Cosmos DB Built-in Data Contributor on container activity.
// Identity worker, Storage Blob Data Contributor on container attachments.
pub(crate) fn of_worker(readiness: &Readiness, clients: &Clients, store: &Store) -> JoinSet<()> {
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
    let (check, clients) = (readiness.check("attachments"), clients.clone());
    waiting.spawn(until_ready(check, move || {
        let clients = clients.clone();
        async move { clients.reach_attachments().await }
    }));
    waiting
}
