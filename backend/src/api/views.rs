//! Todos and attachments as the caller sees them.

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::instant;
use crate::store::Versioned;
use crate::todos::{Attachment, Contents, Status, Todo};

/// A todo with its attachments.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TodoView {
    id: Uuid,
    list_id: String,
    title: String,
    done: bool,
    #[serde(with = "instant")]
    created_at: OffsetDateTime,
    attachments: Vec<AttachmentView>,
    /// What a later `If-Match` may name.
    etag: String,
}

impl TodoView {
    pub(super) fn new(todo: Versioned<Todo>, attachments: Vec<AttachmentView>) -> Self {
        let Versioned { value, etag } = todo;
        Self {
            id: value.id.0,
            list_id: value.list.to_string(),
            title: value.title.as_str().to_owned(),
            done: value.done,
            created_at: value.created_at,
            attachments,
            etag: etag.to_string(),
        }
    }
}

/// An attachment, and what was found out about it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttachmentView {
    id: Uuid,
    todo_id: Uuid,
    name: String,
    content_type: String,
    #[serde(flatten)]
    status: StatusView,
}

#[derive(Debug, Serialize)]
#[serde(
    tag = "status",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum StatusView {
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

impl From<Attachment> for AttachmentView {
    fn from(attachment: Attachment) -> Self {
        Self {
            id: attachment.id.0,
            todo_id: attachment.todo.0,
            name: attachment.name.as_str().to_owned(),
            content_type: attachment.content_type.as_str().to_owned(),
            status: match attachment.status {
                Status::Pending => StatusView::Pending,
                Status::Ready(Contents {
                    size_bytes,
                    sha256,
                    detected_type,
                }) => StatusView::Ready {
                    size_bytes,
                    sha256,
                    detected_type,
                },
                Status::Failed(reason) => StatusView::Failed { reason },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::todos::tests::{attachment, contents, todo};
    use serde_json::json;

    #[test]
    fn a_todo_is_shown_with_its_attachments_and_its_version() {
        let view = TodoView::new(
            Versioned {
                value: todo(),
                etag: "\"1\"".into(),
            },
            vec![attachment(Status::Ready(contents())).into()],
        );

        assert_eq!(
            serde_json::to_value(view).expect("JSON"),
            json!({
                "id": "00000000-0000-0000-0000-000000000001",
                "listId": "inbox",
                "title": "Buy milk",
                "done": false,
                "createdAt": "2026-11-23T22:05:07.000000Z",
                "attachments": [{
                    "id": "00000000-0000-0000-0000-000000000002",
                    "todoId": "00000000-0000-0000-0000-000000000001",
                    "name": "cat.png",
                    "contentType": "image/png",
                    "status": "ready",
                    "sizeBytes": 3,
                    "sha256": "ba78",
                    "detectedType": "image/png"
                }],
                "etag": "\"1\""
            })
        );
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        let pending = AttachmentView::from(attachment(Status::Pending));
        let failed = AttachmentView::from(attachment(Status::Failed("why".to_owned())));

        let pending = serde_json::to_value(pending).expect("JSON");
        let failed = serde_json::to_value(failed).expect("JSON");

        assert_eq!(pending["status"], "pending");
        assert_eq!(pending.get("sha256"), None);
        assert_eq!(failed["status"], "failed");
        assert_eq!(failed["reason"], "why");
    }
}
