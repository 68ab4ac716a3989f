//! What follows from an event: an entry in the activity, under the event's id, so
//! that an event that comes twice has one; and what the change itself left to be
//! done later.

use platform::azure::Clients;

use super::delivery::Handler;
use super::removal::Remover;
use super::trouble::Trouble;
use crate::messages;
use crate::store::Store;
use crate::todos::{EventKind, TodoId};

/// Follows events.
pub(super) struct Follower {
    store: Store,
    remover: Remover,
}

impl Follower {
    pub(super) fn new(store: Store, clients: &Clients) -> Self {
        Self {
            remover: Remover::new(store.clone(), clients),
            store,
        }
    }
}

impl Handler for Follower {
    // Identity worker, Cosmos DB Built-in Data Contributor on containers activity and todos; then
    // Storage Blob Data Contributor on container attachments.
    async fn handle(&self, body: &[u8]) -> Result<(), Trouble> {
        let event = messages::read_event(body)?;
        let kind = event.kind.as_str();
        let is_new = self.store.record(&event).await?;
        if event.kind == EventKind::TodoDeleted {
            let todo = TodoId(event.subject);
            self.remover.attachments_of(&event.list, todo).await?;
        }
        tracing::info!(
            list = %event.list,
            event.id = %event.id,
            event.kind = kind,
            is_new,
            "recorded {kind}"
        );
        Ok(())
    }
}
