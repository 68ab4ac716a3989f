//! Events that were committed and may not have been sent yet.

use azure_data_cosmos::{FeedScope, Query};
use time::OffsetDateTime;

use super::documents::{Document, Stored, outbox_event, outbox_id};
use super::{Store, StoreError, Versioned, is_absent, only_if, partition};
use crate::instant;
use crate::todos::Event;

impl Store {
    /// Events of any list that happened before an instant and wait to be sent.
    /// Across partitions, for the relay's sweep alone: a plain filter, and a bound.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn unsent_events(
        &self,
        before: OffsetDateTime,
        most: usize,
    ) -> Result<Vec<Versioned<Event>>, StoreError> {
        let query = Query::from("SELECT * FROM c WHERE c.kind = 'event' AND c.at < @before")
            .with_parameter("@before", instant::text(before))
            .map_err(StoreError::during("ask for the outbox"))?;
        let stored: Vec<Stored> = self
            .query("query the outbox", query, FeedScope::full_container(), most)
            .await?;
        Ok(stored.into_iter().filter_map(event).collect())
    }

    /// Forgets an event that has been sent. That it is gone already is fine:
    /// another replica sent it too.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn forget_sent(&self, sent: &Versioned<Event>) -> Result<(), StoreError> {
        let Versioned { value: event, etag } = sent;
        let container = self.container().await?;
        let deleted = container
            .delete_item(
                partition(&event.list),
                &outbox_id(event),
                Some(only_if(etag.clone())),
            )
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(StoreError::during("take an event out of the outbox")(error)),
        }
    }
}

/// One that cannot be read must not hold up the others; it is said each time.
fn event(stored: Stored) -> Option<Versioned<Event>> {
    let Stored { etag, document } = stored;
    let Document::Event(body) = document else {
        return None;
    };
    let id = body.id.clone();
    match outbox_event(body) {
        Ok(value) => Some(Versioned { value, etag }),
        Err(error) => {
            tracing::error!(document.id = %id, %error, "cannot make sense of {id} in the outbox");
            None
        }
    }
}
