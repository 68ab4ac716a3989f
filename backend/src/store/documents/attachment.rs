//! An attachment as a document: what is known of the file, not its bytes.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Document, Kept, Subject};
use crate::instant;
use crate::store::Thing;
use crate::store::place::{Place, Placed};
use crate::todos::{
    Attachment, AttachmentId, ContentType, Contents, FileName, Invalid, ListId, Status, TodoId,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttachmentDocument {
    id: Uuid,
    list_id: String,
    todo_id: Uuid,
    /// For the order of pages.
    place: String,
    name: String,
    content_type: String,
    #[serde(with = "instant")]
    created_at: OffsetDateTime,
    #[serde(flatten)]
    status: StatusFields,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Uuid>,
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

impl Placed for Attachment {
    fn place(&self) -> Place {
        Place::new(self.created_at, self.id.0)
    }
}

impl Subject for Attachment {
    fn subject(&self) -> Uuid {
        self.id.0
    }

    fn text(&self) -> &str {
        self.name.as_str()
    }
}

impl Kept for Attachment {
    const THING: Thing = Thing::Attachment;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn document(&self) -> Document {
        Document::Attachment(AttachmentDocument {
            id: self.id.0,
            list_id: self.list.to_string(),
            todo_id: self.todo.0,
            place: self.place().to_string(),
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
            fingerprint: self.fingerprint,
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
            fingerprint: document.fingerprint,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stored;
    use super::*;
    use crate::todos::tests::{attachment, contents};
    use serde_json::json;

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
                "place": "000660f8c9610ac000000000000000000000000000000002",
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
    fn an_attachment_is_read_as_it_is_written() {
        for status in [
            Status::Pending,
            Status::Ready(contents()),
            Status::Failed("why".to_owned()),
        ] {
            let written = attachment(status);

            let stored = stored(&written.document());

            assert_eq!(
                Attachment::from_document(stored.document),
                Some(Ok(written))
            );
        }
    }
}
