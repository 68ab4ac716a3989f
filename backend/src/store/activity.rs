//! The activity of lists: the container `activity`, a read model that the worker
//! writes and the frontend reads.

use platform::azure::AzureFailure;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Store, StoreError, partition};
use crate::instant;
use crate::todos::Event;

/// The version of the read model: that of its readers, and not of the messages.
/// A new type of entry needs no new version, a reader passes over what it does
/// not know.
const SCHEMA: u64 = 1;

/// An entry: the event under its own id, and when it was written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    schema: u64,
    id: String,
    list_id: &'a str,
    sequence: u64,
    r#type: &'static str,
    subject: Uuid,
    text: &'a str,
    #[serde(with = "instant")]
    at: OffsetDateTime,
    #[serde(with = "instant")]
    recorded_at: OffsetDateTime,
}

impl<'a> Entry<'a> {
    fn of(event: &'a Event, recorded_at: OffsetDateTime) -> Self {
        Self {
            schema: SCHEMA,
            id: event.id.to_string(),
            list_id: event.list.as_str(),
            sequence: event.sequence,
            r#type: event.kind.as_str(),
            subject: event.subject,
            text: &event.text,
            at: event.at,
            recorded_at,
        }
    }
}

impl Store {
    /// Opens the container of activity, and is done when this identity may use it.
    // Identity worker, Cosmos DB Built-in Data Contributor on container activity.
    pub(crate) async fn open_activity(&self) -> Result<(), AzureFailure> {
        self.clients.activity().await.map(drop)
    }

    /// Records an event. False when it was there already: the event's id is the
    /// entry's, so that a message that comes twice has one effect.
    // Identity worker, Cosmos DB Built-in Data Contributor on container activity.
    pub(crate) async fn record(&self, event: &Event) -> Result<bool, StoreError> {
        let container = self.clients.activity().await;
        let container = container.map_err(|source| StoreError::CosmosDb {
            operation: "open the container of activity",
            source,
        })?;
        let entry = Entry::of(event, instant::now());
        let created = container
            .create_item(partition(&event.list), &event.id.to_string(), entry, None)
            .await;
        match created {
            Ok(_) => Ok(true),
            Err(error) if error.status().is_conflict() => Ok(false),
            Err(error) => Err(StoreError::during("record an event")(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use serde_json::json;
    use time::macros::datetime;

    #[test]
    fn an_entry_is_the_event_with_the_time_of_its_recording() {
        let event = messages::tests::event();

        let entry = Entry::of(&event, datetime!(2026-11-23 22:05:08 UTC));

        assert_eq!(
            serde_json::to_value(entry).expect("JSON"),
            json!({
                "id": "00000000-0000-0000-0000-000000000007",
                "listId": "inbox",
                "schema": 1,
                "sequence": 3,
                "type": "attachment.ready",
                "text": "cat.png",
                "subject": "00000000-0000-0000-0000-000000000002",
                "at": "2026-11-23T22:05:07.000000Z",
                "recordedAt": "2026-11-23T22:05:08.000000Z"
            })
        );
    }
}
