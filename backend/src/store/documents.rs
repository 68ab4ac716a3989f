//! The documents of the container `todos`. All of a list's are in its partition,
//! so that one transaction can hold a change, its event and the list's count.

mod attachment;
mod list;
mod todo;

use azure_core::http::Etag;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use attachment::AttachmentDocument;
pub(crate) use list::{CATALOGUE, EntryDocument, LIST, ListDocument};
pub(crate) use todo::TodoDocument;

use super::Thing;
use crate::messages::EventBody;
use crate::todos::{Event, Invalid};

/// What the id of an event's document begins with.
const EVENT: &str = "event-";

/// Any document of the container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(crate) enum Document {
    List(ListDocument),
    Todo(TodoDocument),
    Attachment(AttachmentDocument),
    Event(EventBody),
    /// An entry of the catalogue of lists.
    Entry(EntryDocument),
}

/// A document that was read, with the version that it was.
#[derive(Debug, Deserialize)]
pub(crate) struct Stored {
    #[serde(rename = "_etag")]
    pub(crate) etag: Etag,
    #[serde(flatten)]
    pub(crate) document: Document,
}

/// What of the domain has a document of its own.
pub(crate) trait Kept: Sized {
    const THING: Thing;

    /// The document's id within its partition.
    fn id(&self) -> String;

    /// The document to write.
    fn document(&self) -> Document;

    /// Reads the document. `None` when it is that of something else.
    fn from_document(document: Document) -> Option<Result<Self, Invalid>>;
}

/// What of the domain has events when it changes.
pub(crate) trait Subject: Kept {
    /// The events' subject: nil for a list, whose events all name it anyway.
    fn subject(&self) -> Uuid;

    /// What the events say it is called.
    fn text(&self) -> &str;
}

/// The document that makes an event part of its change's transaction.
pub(crate) fn outbox_document(event: &Event) -> Document {
    Document::Event(EventBody::from(event).with_id(outbox_id(event)))
}

/// The id of an event's document.
pub(crate) fn outbox_id(event: &Event) -> String {
    format!("{EVENT}{}", event.id)
}

/// Reads an event's document.
pub(crate) fn outbox_event(body: EventBody) -> Result<Event, Invalid> {
    let id = body
        .id
        .strip_prefix(EVENT)
        .ok_or(Invalid("the id is not that of an event's document"))?
        .to_owned();
    body.with_id(id).try_into()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::messages;
    use crate::todos::Todo;
    use crate::todos::tests::attachment;
    use serde_json::{Value, json};

    /// The document as Cosmos DB gives it back.
    pub(crate) fn stored(document: &Document) -> Stored {
        let mut json = serde_json::to_value(document).expect("JSON");
        json["_etag"] = json!("\"0000-1\"");
        json["_ts"] = json!(1);
        serde_json::from_value(json).expect("a stored document")
    }

    #[test]
    fn a_document_is_read_with_its_version() {
        let document = attachment(crate::todos::Status::Pending).document();

        assert_eq!(stored(&document).etag.to_string(), "\"0000-1\"");
    }

    #[test]
    fn an_attachment_is_no_todo() {
        let document = attachment(crate::todos::Status::Pending).document();

        assert_eq!(Todo::from_document(document), None);
    }

    #[test]
    fn an_event_waits_in_the_outbox_under_an_id_of_its_own() {
        let event = messages::tests::event();

        let json: Value = serde_json::to_value(outbox_document(&event)).expect("JSON");

        assert_eq!(json["kind"], "event");
        assert_eq!(json["id"], format!("event-{}", event.id));
        assert_eq!(json["listId"], "inbox");
        let Document::Event(body) = serde_json::from_value(json).expect("a document") else {
            panic!("an event has an event's document");
        };
        assert_eq!(outbox_event(body), Ok(event));
    }
}
