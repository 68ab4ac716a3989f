//! The activity of a list, read from Cosmos DB by this pod itself. The worker
//! writes it; it is a published read model with a schema of its own, so a reader
//! takes what it knows and passes over the rest.

use async_trait::async_trait;
use azure_data_cosmos::{FeedScope, Query};
use futures::TryStreamExt as _;
use platform::azure::{AzureFailure, Clients};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::id::ListId;

/// The version of the read model that is understood here.
const SCHEMA: u32 = 1;

/// The order is that of the list's sequence, which its changes carry: the order
/// in which the queue delivered them does not matter.
const NEWEST: &str = "SELECT TOP 30 * FROM c WHERE c.listId = @list ORDER BY c.sequence DESC";

/// Something that happened in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Entry {
    schema: u32,
    /// What happened, for example `todo.added`.
    pub(crate) r#type: String,
    /// To what: a todo's title or a file's name, as somebody chose it.
    pub(crate) text: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
}

/// Where activity is read.
#[async_trait]
pub(crate) trait Feed: Send + Sync {
    /// The newest entries of a list, the newest first.
    async fn newest(&self, list: &ListId) -> Result<Vec<Entry>, AzureFailure>;
}

/// Access: identity `frontend`, Cosmos DB Built-in Data Reader on
/// `cosmos/databases/todolist/containers/activity`.
#[async_trait]
impl Feed for Clients {
    async fn newest(&self, list: &ListId) -> Result<Vec<Entry>, AzureFailure> {
        let container = self.activity().await?;
        let documents = async {
            let query = Query::from(NEWEST).with_parameter("@list", list.as_str())?;
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

    /// An entry as a fake feed gives it.
    pub(crate) fn entry(r#type: &str, text: &str, at: OffsetDateTime) -> Entry {
        Entry {
            schema: SCHEMA,
            r#type: r#type.to_owned(),
            text: text.to_owned(),
            at,
        }
    }

    #[test]
    fn a_reader_passes_over_what_it_does_not_know() {
        let document = json!({ "id": "e", "listId": "inbox", "schema": 1, "sequence": 4,
            "type": "todo.added", "text": "Milk", "subject": "t",
            "at": "2026-11-23T10:00:00Z", "recordedAt": "2026-11-23T10:00:01Z" });
        let mut newer = document.clone();
        newer["schema"] = json!(2);

        let entry = understood(document).expect("an entry");

        assert_eq!(
            (entry.r#type.as_str(), entry.text.as_str()),
            ("todo.added", "Milk")
        );
        assert_eq!(understood(newer), None);
        assert_eq!(understood(json!({ "schema": 1 })), None);
    }
}
