//! The documents of the container `todos`. All of a list's are in its partition,
//! so that one transaction can hold a change, its event and the list's count.

use azure_core::http::Etag;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::instant;
use crate::messages::EventBody;
use crate::todos::{
    Attachment, AttachmentId, ContentType, Contents, Event, FileName, Invalid, List, ListId,
    Status, Title, Todo, TodoId,
};

/// The id of the document that counts a list's events.
pub(crate) const LIST: &str = "list";

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
}

/// A document that was read, with the version that it was.
#[derive(Debug, Deserialize)]
pub(crate) struct Stored {
    #[serde(rename = "_etag")]
    pub(crate) etag: Etag,
    #[serde(flatten)]
    pub(crate) document: Document,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListDocument {
    id: String,
    list_id: String,
    name: String,
    sequence: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TodoDocument {
    id: Uuid,
    list_id: String,
    title: String,
    done: bool,
    #[serde(with = "instant")]
    created_at: OffsetDateTime,
    #[serde(default)]
    deleted: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttachmentDocument {
    id: Uuid,
    list_id: String,
    todo_id: Uuid,
    name: String,
    content_type: String,
    #[serde(with = "instant")]
    created_at: OffsetDateTime,
    #[serde(flatten)]
    status: StatusFields,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "status",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum StatusFields {
    Pending,
    Ready {
        size_bytes: u64,
        sha256: String,
        detected_type: String,
    },
    Failed {
        reason: String,
    },
}

/// What of the domain has a document of its own, and events when it changes.
pub(crate) trait Subject: Sized {
    /// The document's id, and the events' subject.
    fn id(&self) -> Uuid;

    /// What the events say it is called.
    fn text(&self) -> &str;

    /// The document to write.
    fn document(&self) -> Document;

    /// Reads the document. `None` when it is that of something else.
    fn from_document(document: Document) -> Option<Result<Self, Invalid>>;
}

impl Subject for Todo {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn text(&self) -> &str {
        self.title.as_str()
    }

    fn document(&self) -> Document {
        Document::Todo(TodoDocument {
            id: self.id.0,
            list_id: self.list.to_string(),
            title: self.title.as_str().to_owned(),
            done: self.done,
            created_at: self.created_at,
            deleted: self.deleted,
        })
    }

    fn from_document(document: Document) -> Option<Result<Self, Invalid>> {
        match document {
            Document::Todo(document) => Some(document.try_into()),
            _ => None,
        }
    }
}

impl TryFrom<TodoDocument> for Todo {
    type Error = Invalid;

    fn try_from(document: TodoDocument) -> Result<Self, Invalid> {
        Ok(Self {
            id: TodoId(document.id),
            list: ListId::parse(&document.list_id)?,
            title: Title::parse(&document.title)?,
            done: document.done,
            created_at: document.created_at,
            deleted: document.deleted,
        })
    }
}

impl Subject for Attachment {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn text(&self) -> &str {
        self.name.as_str()
    }

    fn document(&self) -> Document {
        Document::Attachment(AttachmentDocument {
            id: self.id.0,
            list_id: self.list.to_string(),
            todo_id: self.todo.0,
            name: self.name.as_str().to_owned(),
            content_type: self.content_type.as_str().to_owned(),
            created_at: self.created_at,
            status: match self.status.clone() {
                Status::Pending => StatusFields::Pending,
                Status::Ready(Contents {
                    size_bytes,
                    sha256,
                    detected_type,
                }) => StatusFields::Ready {
                    size_bytes,
                    sha256,
                    detected_type,
                },
                Status::Failed(reason) => StatusFields::Failed { reason },
            },
        })
    }

    fn from_document(document: Document) -> Option<Result<Self, Invalid>> {
        match document {
            Document::Attachment(document) => Some(document.try_into()),
            _ => None,
        }
    }
}

impl TryFrom<AttachmentDocument> for Attachment {
    type Error = Invalid;

    fn try_from(document: AttachmentDocument) -> Result<Self, Invalid> {
        Ok(Self {
            id: AttachmentId(document.id),
            list: ListId::parse(&document.list_id)?,
            todo: TodoId(document.todo_id),
            name: FileName::parse(&document.name)?,
            content_type: ContentType::parse(&document.content_type)?,
            created_at: document.created_at,
            status: match document.status {
                StatusFields::Pending => Status::Pending,
                StatusFields::Ready {
                    size_bytes,
                    sha256,
                    detected_type,
                } => Status::Ready(Contents {
                    size_bytes,
                    sha256,
                    detected_type,
                }),
                StatusFields::Failed { reason } => Status::Failed(reason),
            },
        })
    }
}

impl From<&List> for Document {
    fn from(list: &List) -> Self {
        Self::List(ListDocument {
            id: LIST.to_owned(),
            list_id: list.id.to_string(),
            name: list.name.clone(),
            sequence: list.sequence,
        })
    }
}

impl TryFrom<ListDocument> for List {
    type Error = Invalid;

    fn try_from(document: ListDocument) -> Result<Self, Invalid> {
        Ok(Self {
            id: ListId::parse(&document.list_id)?,
            name: document.name,
            sequence: document.sequence,
        })
    }
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
mod tests {
    use super::*;
    use crate::messages;
    use crate::todos::INBOX;
    use crate::todos::tests::{attachment, contents, todo};
    use serde_json::{Value, json};

    fn stored(document: &Document) -> Stored {
        let mut json = serde_json::to_value(document).expect("JSON");
        json["_etag"] = json!("\"0000-1\"");
        json["_ts"] = json!(1);
        serde_json::from_value(json).expect("a stored document")
    }

    #[test]
    fn a_todo_is_written_with_its_kind_and_its_partition() {
        let document = serde_json::to_value(todo().document()).expect("JSON");

        assert_eq!(
            document,
            json!({
                "kind": "todo",
                "id": "00000000-0000-0000-0000-000000000001",
                "listId": "inbox",
                "title": "Buy milk",
                "done": false,
                "createdAt": "2026-11-23T22:05:07.000000Z",
                "deleted": false
            })
        );
    }

    #[test]
    fn a_ready_attachment_is_written_flat() {
        let ready = Status::Ready(contents());

        let document = serde_json::to_value(attachment(ready).document()).expect("JSON");

        assert_eq!(
            document,
            json!({
                "kind": "attachment",
                "id": "00000000-0000-0000-0000-000000000002",
                "listId": "inbox",
                "todoId": "00000000-0000-0000-0000-000000000001",
                "name": "cat.png",
                "contentType": "image/png",
                "createdAt": "2026-11-23T22:05:07.000000Z",
                "status": "ready",
                "sizeBytes": 3,
                "sha256": "ba78",
                "detectedType": "image/png"
            })
        );
    }

    #[test]
    fn a_subject_is_read_as_it_is_written_with_its_version() {
        for status in [Status::Pending, Status::Failed("why".to_owned())] {
            let written = attachment(status);

            let stored = stored(&written.document());

            assert_eq!(stored.etag.to_string(), "\"0000-1\"");
            assert_eq!(
                Attachment::from_document(stored.document),
                Some(Ok(written))
            );
        }
        assert_eq!(
            Todo::from_document(stored(&todo().document()).document),
            Some(Ok(todo()))
        );
    }

    #[test]
    fn a_todo_that_was_never_deleted_may_lack_the_field() {
        let mut json = serde_json::to_value(todo().document()).expect("JSON");
        json.as_object_mut().expect("an object").remove("deleted");

        let document = serde_json::from_value(json).expect("a document");

        assert_eq!(Todo::from_document(document), Some(Ok(todo())));
    }

    #[test]
    fn an_attachment_is_no_todo() {
        let document = attachment(Status::Pending).document();

        assert_eq!(Todo::from_document(document), None);
    }

    #[test]
    fn a_document_that_somebody_else_wrote_is_not_believed() {
        let Document::Todo(document) = todo().document() else {
            panic!("a todo has a todo's document");
        };
        let document = Document::Todo(TodoDocument {
            title: String::new(),
            ..document
        });

        assert_eq!(
            Todo::from_document(document),
            Some(Err(Invalid("a title must not be empty")))
        );
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

    #[test]
    fn a_list_is_read_as_it_is_written() {
        let list = List::new(ListId::parse(INBOX).expect("a list")).advanced();

        let Document::List(document) = stored(&Document::from(&list)).document else {
            panic!("a list has a list's document");
        };

        assert_eq!(List::try_from(document), Ok(list));
    }
}
