//! What follows from an event: an entry in the activity, under the event's id, so
//! that an event that comes twice has one; and what the change itself left to be
//! done later.

use platform::azure::Clients;

use super::delivery::Handler;
use super::removal::Remover;
use super::trouble::Trouble;
use crate::messages;
use crate::store::{Store, StoreError};
use crate::todos::{Event, EventKind, TodoId};

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

    /// Makes sure that the catalogue shows the list as it is.
    // Identity worker, Cosmos DB Built-in Data Contributor on container todos.
    async fn catalogue(&self, event: &Event) -> Result<(), Trouble> {
        let list = match self.store.list(&event.list).await {
            Ok(list) if list.value.sequence >= event.sequence => list.value,
            // The list was written with its event: what is older is a replica.
            Ok(_) | Err(StoreError::NotThere(_)) => {
                return Err(Trouble::Passing("the store is behind the event".into()));
            }
            Err(error) => return Err(error.into()),
        };
        Ok(self.store.record_in_catalogue(&list).await?)
    }
}

impl Handler for Follower {
    /// Records an event as activity, and does what follows from it.
    // Identity worker, Cosmos DB Built-in Data Contributor on container activity.
    // Identity worker, Cosmos DB Built-in Data Contributor on container todos.
    // Identity worker, Storage Blob Data Contributor on container attachments.
    async fn handle(&self, body: &[u8]) -> Result<(), Trouble> {
        let event = messages::read_event(body)?;
        let kind = event.kind.as_str();
        let is_new = self.store.record(&event).await?;
        match event.kind {
            EventKind::ListCreated | EventKind::ListRenamed => self.catalogue(&event).await?,
            EventKind::TodoDeleted => {
                let todo = TodoId(event.subject);
                self.remover.attachments_of(&event.list, todo).await?;
            }
            _ => {}
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
