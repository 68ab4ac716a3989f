//! The activity of lists, read from Cosmos DB by this pod itself. The worker
//! writes it; it is a published read model with a schema of its own, so a reader
//! takes what it knows and passes over the rest.

mod live;
mod seen;

use async_trait::async_trait;
use azure_data_cosmos::{FeedScope, Query};
use futures::TryStreamExt as _;
use platform::azure::{AzureFailure, Clients};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

pub(crate) use live::{Live, Subscription};
pub(crate) use seen::Seen;

use crate::id::ListId;

/// The version of the read model that is understood here.
const SCHEMA: u32 = 1;

/// As many of the newest entries as a page begins with.
pub(crate) const NEWEST: usize = 20;

/// The most entries of one answer.
pub(crate) const MOST: usize = 200;

/// The order is that of the list's sequence, which its changes carry: the order
/// in which the queue delivered them does not matter.
const AFTER: &str =
    "* FROM c WHERE c.listId = @list AND c.sequence > @after ORDER BY c.sequence DESC";

/// Something that happened in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(skip_serializing)]
    schema: u32,
    /// Its place in the list's history: each place is taken once.
    pub(crate) sequence: u64,
    /// What happened, for example `todo.added`.
    pub(crate) r#type: String,
    /// The id of the todo or the attachment.
    pub(crate) subject: String,
    /// To what: a todo's title or a file's name, as somebody chose it.
    pub(crate) text: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
}

/// Where activity is read.
#[async_trait]
pub(crate) trait Feed: Send + Sync {
    /// The entries of a list after a place, the newest first, at most so many.
    async fn after(
        &self,
        list: &ListId,
        place: u64,
        most: usize,
    ) -> Result<Vec<Entry>, AzureFailure>;
}

#[async_trait]
impl Feed for Clients {
    /// Asks Cosmos DB.
    // Identity frontend, Cosmos DB Built-in Data Reader on container activity.
    async fn after(
        &self,
        list: &ListId,
        place: u64,
        most: usize,
    ) -> Result<Vec<Entry>, AzureFailure> {
        let container = self.activity().await?;
        let documents = async {
            let query = Query::from(format!("SELECT TOP {most} {AFTER}"))
                .with_parameter("@list", list.as_str())?
                .with_parameter("@after", place)?;
            let partition = FeedScope::partition(list.as_str().to_owned());
            let items = container
                .query_items::<Value>(query, partition, None)
                .await?;
            items.try_collect::<Vec<Value>>().await
        };
        let documents = documents.await.map_err(AzureFailure::cosmos)?;
        Ok(documents.into_iter().filter_map(understood).collect())
    }
}

fn understood(document: Value) -> Option<Entry> {
    serde_json::from_value(document)
        .ok()
        .filter(|entry: &Entry| entry.schema == SCHEMA)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::datetime;

    /// An entry as a fake feed gives it.
    pub(crate) fn entry(sequence: u64, r#type: &str, text: &str) -> Entry {
        Entry {
            schema: SCHEMA,
            sequence,
            r#type: r#type.to_owned(),
            subject: "3b241101-e2bb-4255-8caf-4136c566a962".to_owned(),
            text: text.to_owned(),
            at: datetime!(2026-11-23 10:00 UTC),
        }
    }

    #[test]
    fn a_reader_passes_over_what_it_does_not_know() {
        let document = json!({ "id": "e", "listId": "inbox", "schema": 1, "sequence": 4,
            "type": "todo.added", "text": "Milk", "subject": "t", "traceparent": "00-…",
            "at": "2026-11-23T10:00:00Z", "recordedAt": "2026-11-23T10:00:01Z" });
        let mut newer = document.clone();
        newer["schema"] = json!(2);

        let entry = understood(document).expect("an entry");

        assert_eq!(
            (entry.sequence, entry.r#type.as_str(), entry.text.as_str()),
            (4, "todo.added", "Milk")
        );
        assert_eq!(understood(newer), None);
        assert_eq!(understood(json!({ "schema": 1 })), None);
    }
}
