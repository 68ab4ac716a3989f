//! What goes through the queues, as JSON with a schema number: events in
//! `todo-events`, jobs in `attachment-jobs`. A reader refuses a schema that it
//! does not know, so that a new writer needs new readers first.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::instant;
use crate::todos::{AttachmentId, Event, EventId, EventKind, Invalid, ListId};

/// The schema of events, and of jobs.
const SCHEMA: u64 = 1;

/// An event as it is written: the body of its message, and part of its documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventBody {
    schema: u64,
    pub(crate) id: String,
    list_id: String,
    sequence: u64,
    r#type: String,
    subject: Uuid,
    text: String,
    #[serde(with = "instant")]
    at: OffsetDateTime,
    /// The trace that it belongs to: what made the change, and not what sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

impl From<&Event> for EventBody {
    fn from(event: &Event) -> Self {
        Self {
            schema: SCHEMA,
            id: event.id.to_string(),
            list_id: event.list.to_string(),
            sequence: event.sequence,
            r#type: event.kind.as_str().to_owned(),
            subject: event.subject,
            text: event.text.clone(),
            at: event.at,
            traceparent: event.trace.clone(),
        }
    }
}

impl EventBody {
    /// The same under another id: that of its document in the outbox.
    pub(crate) fn with_id(self, id: String) -> Self {
        Self { id, ..self }
    }
}

impl TryFrom<EventBody> for Event {
    type Error = Invalid;

    fn try_from(body: EventBody) -> Result<Self, Invalid> {
        Ok(Self {
            id: EventId(parse_uuid(&body.id)?),
            list: ListId::parse(&body.list_id)?,
            sequence: body.sequence,
            kind: EventKind::parse(&body.r#type)?,
            subject: body.subject,
            text: body.text,
            at: body.at,
            trace: body.traceparent,
        })
    }
}

/// An attachment whose blob has been uploaded, and is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) list: ListId,
    pub(crate) attachment: AttachmentId,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobBody {
    list_id: String,
    attachment_id: Uuid,
}

/// Why a message can never be understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It is not the JSON that it should be.
    #[error("the message cannot be read")]
    Json(#[from] serde_json::Error),
    /// It is of another schema.
    #[error("the message has schema {0}, and schema {SCHEMA} is the one known here")]
    Schema(u64),
    /// A field has no sense.
    #[error("the message makes no sense")]
    Field(#[from] Invalid),
}

impl Unreadable {
    /// The reason of the dead letter.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Json(_) => "UnreadableMessage",
            Self::Schema(_) => "UnknownSchema",
            Self::Field(_) => "InvalidMessage",
        }
    }
}

/// The body of an event's message.
pub(crate) fn write_event(event: &Event) -> Vec<u8> {
    serde_json::to_vec(&EventBody::from(event)).expect("texts and numbers are JSON")
}

/// Reads the body of an event's message.
pub(crate) fn read_event(body: &[u8]) -> Result<Event, Unreadable> {
    check_schema(body)?;
    Ok(serde_json::from_slice::<EventBody>(body)?.try_into()?)
}

/// Reads the body of a job's message.
pub(crate) fn read_job(body: &[u8]) -> Result<Job, Unreadable> {
    check_schema(body)?;
    let job: JobBody = serde_json::from_slice(body)?;
    Ok(Job {
        list: ListId::parse(&job.list_id)?,
        attachment: AttachmentId(job.attachment_id),
    })
}

/// Looks at the schema alone: nothing else of a foreign one can be relied upon.
fn check_schema(body: &[u8]) -> Result<(), Unreadable> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: u64,
    }
    match serde_json::from_slice(body)? {
        Versioned { schema: SCHEMA } => Ok(()),
        Versioned { schema } => Err(Unreadable::Schema(schema)),
    }
}

fn parse_uuid(text: &str) -> Result<Uuid, Invalid> {
    Uuid::parse_str(text).map_err(|_| Invalid("the id is not a UUID"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::{Value, json};
    use time::macros::datetime;

    pub(crate) fn event() -> Event {
        Event {
            id: EventId(Uuid::from_u128(7)),
            list: ListId::parse("inbox").expect("a list"),
            sequence: 3,
            kind: EventKind::AttachmentReady,
            subject: Uuid::from_u128(2),
            text: "cat.png".to_owned(),
            at: datetime!(2026-11-23 22:05:07 UTC),
            trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        }
    }

    fn event_json() -> Value {
        json!({
            "schema": 1,
            "id": "00000000-0000-0000-0000-000000000007",
            "listId": "inbox",
            "sequence": 3,
            "type": "attachment.ready",
            "subject": "00000000-0000-0000-0000-000000000002",
            "text": "cat.png",
            "at": "2026-11-23T22:05:07.000000Z",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        })
    }

    #[test]
    fn an_event_without_a_trace_is_read_too() {
        let mut body = event_json();
        body.as_object_mut()
            .expect("an object")
            .remove("traceparent");

        let event = read_event(body.to_string().as_bytes()).expect("an event");

        assert_eq!(event.trace, None);
    }

    #[test]
    fn an_event_is_read_as_it_is_written() {
        let body = write_event(&event());

        let written: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(written, event_json());
        assert_eq!(read_event(&body).expect("an event"), event());
    }

    #[test]
    fn a_job_names_a_list_and_an_attachment() {
        let body = json!({ "schema": 1, "listId": "inbox",
            "attachmentId": "00000000-0000-0000-0000-000000000002" });

        let job = read_job(body.to_string().as_bytes()).expect("a job");

        assert_eq!(job.list.as_str(), "inbox");
        assert_eq!(job.attachment, AttachmentId(Uuid::from_u128(2)));
    }

    #[test]
    fn what_can_never_be_understood_has_a_reason() {
        let with = |field: &str, value: Value| {
            let mut event = event_json();
            event[field] = value;
            event.to_string()
        };
        for (body, reason, words) in [
            (
                "nonsense".to_owned(),
                "UnreadableMessage",
                "the message cannot be read",
            ),
            (
                "{}".to_owned(),
                "UnreadableMessage",
                "the message cannot be read",
            ),
            (
                with("subject", json!("not a uuid")),
                "UnreadableMessage",
                "the message cannot be read",
            ),
            (
                json!({ "schema": 2, "anything": [] }).to_string(),
                "UnknownSchema",
                "the message has schema 2, and schema 1 is the one known here",
            ),
            (
                with("type", json!("todo.eaten")),
                "InvalidMessage",
                "the message makes no sense",
            ),
            (
                with("listId", json!("../x")),
                "InvalidMessage",
                "the message makes no sense",
            ),
        ] {
            let refusal = read_event(body.as_bytes()).expect_err("a refusal");

            assert_eq!(refusal.reason(), reason, "{body}");
            assert_eq!(refusal.to_string(), words, "{body}");
        }
    }
}
