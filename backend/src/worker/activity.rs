//! Events become activity: one entry for each, under the event's id, so that an
//! event that comes twice has one.

use super::delivery::Handler;
use super::trouble::Trouble;
use crate::messages;
use crate::store::Store;

/// Records events.
#[derive(Debug)]
pub(crate) struct Recorder {
    store: Store,
}

impl Recorder {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Handler for Recorder {
    /// Records an event in the activity of its list.
    // Identity worker, Cosmos DB Built-in Data Contributor on container activity.
    async fn handle(&self, body: &[u8]) -> Result<(), Trouble> {
        let event = messages::read_event(body)?;
        let is_new = self.store.record(&event).await?;
        tracing::info!(
            list = %event.list,
            event.id = %event.id,
            event.kind = event.kind.as_str(),
            is_new,
            "recorded {}",
            event.kind.as_str()
        );
        Ok(())
    }
}
