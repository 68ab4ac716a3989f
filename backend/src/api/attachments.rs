//! What is known of attachments: announced here, before the frontend uploads
//! their bytes, so that no blob is ever without an owner; looked at by the worker.

use axum::Json;
use axum::extract::State;
use platform::error::ApiError;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa::openapi::link::{Link, LinkBuilder};
use uuid::Uuid;

use super::answers::{Created, Shown, View};
use super::body::{Body, invalid};
use super::idempotency::{self, IdempotencyKey};
use super::paging::{AskedAttachments, PageView};
use super::paths::{OfAttachment, OfList, OfTodo};
use super::problems::{
    NO_SUCH_ATTACHMENT, NO_SUCH_LIST, NO_SUCH_TODO, TOO_MANY_ATTACHMENTS, problems,
};
use super::{Api, BASE, texts};
use crate::instant;
use crate::store::{StoreError, Thing};
use crate::todos::{
    Attachment, AttachmentId, ContentType, Contents, EventKind, FileName, MOST_ATTACHMENTS,
    Outcome, Status,
};

/// An attachment, and what was found out about it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttachmentView {
    id: Uuid,
    #[serde(skip)]
    list_id: String,
    todo_id: Uuid,
    name: String,
    content_type: String,
    #[serde(with = "instant")]
    created_at: OffsetDateTime,
    #[serde(flatten)]
    status: StatusView,
}

/// How far an attachment is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(
    tag = "status",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(super) enum StatusView {
    /// Announced: whether its bytes are there is not known yet.
    Pending,
    /// Its bytes were read.
    Ready {
        size_bytes: u64,
        sha256: String,
        /// The media type that the bytes themselves show.
        detected_type: String,
    },
    /// Its bytes could not be read.
    Failed { reason: String },
}

/// An attachment to be announced.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewAttachment {
    #[schema(schema_with = texts::file_name)]
    name: String,
    #[schema(schema_with = texts::content_type)]
    content_type: String,
}

problems!(ListMayBeUnknown: NO_SUCH_LIST);
problems!(MayBeUnknown: NO_SUCH_LIST, NO_SUCH_ATTACHMENT);
problems!(MayNotBeAttached: NO_SUCH_LIST, NO_SUCH_TODO, TOO_MANY_ATTACHMENTS);

impl From<Attachment> for AttachmentView {
    fn from(attachment: Attachment) -> Self {
        Self {
            id: attachment.id.0,
            list_id: attachment.list.to_string(),
            todo_id: attachment.todo.0,
            name: attachment.name.as_str().to_owned(),
            content_type: attachment.content_type.as_str().to_owned(),
            created_at: attachment.created_at,
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

impl View for AttachmentView {
    fn etag(&self) -> Option<&str> {
        None
    }

    fn location(&self) -> String {
        format!("{BASE}/lists/{}/attachments/{}", self.list_id, self.id)
    }

    fn reading() -> LinkBuilder {
        Link::builder()
            .operation_id("readAttachment")
            .parameter("list", "$request.path.list")
            .parameter("attachment", "$response.body#/id")
    }
}

/// The attachments of a list, the newest first, or only those of a todo.
#[utoipa::path(
    get,
    path = "/lists/{list}/attachments",
    operation_id = "listAttachments",
    tag = "attachments",
    params(OfList, AskedAttachments),
    responses(
        (status = 200, description = "A page of attachments.", body = PageView<AttachmentView>),
        ListMayBeUnknown,
    ),
)]
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn page(
    State(api): State<Api>,
    OfList(list): OfList,
    AskedAttachments { todo, paging }: AskedAttachments,
) -> Result<Json<PageView<AttachmentView>>, ApiError> {
    let page = api.store.attachments(&list, todo, paging).await?;
    Ok(Json(PageView::new(page, |found| found.value.into())))
}

/// Announces an attachment: pending until the worker has seen its bytes.
#[utoipa::path(
    post,
    path = "/lists/{list}/todos/{todo}/attachments",
    operation_id = "announceAttachment",
    tag = "attachments",
    params(OfTodo, IdempotencyKey),
    request_body = NewAttachment,
    responses(Created<AttachmentView>, MayNotBeAttached),
)]
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn announce(
    State(api): State<Api>,
    OfTodo(list, todo): OfTodo,
    key: IdempotencyKey,
    Body(new): Body<NewAttachment>,
) -> Result<Created<AttachmentView>, ApiError> {
    let path = format!("lists/{list}/todos/{todo}/attachments");
    let (id, fingerprint) = key.identify(&path, &new);
    let name = FileName::parse(&new.name).map_err(invalid("name"))?;
    let content_type = ContentType::parse(&new.content_type).map_err(invalid("contentType"))?;
    let attachment = Attachment {
        fingerprint,
        ..Attachment::new(
            AttachmentId(id),
            (list.clone(), todo),
            (name, content_type),
            instant::now(),
        )
    };

    let committed = api
        .store
        .attach((&list, todo), attachment.id, |before, others| {
            if let Some(before) = before {
                idempotency::check(before.value.fingerprint, fingerprint)?;
                return Ok(Outcome::Unchanged);
            }
            if others >= MOST_ATTACHMENTS {
                return Err(ApiError::new(
                    TOO_MANY_ATTACHMENTS,
                    format!("a todo has at most {MOST_ATTACHMENTS} attachments"),
                ));
            }
            Ok(Outcome::Changed {
                now: attachment.clone(),
                event: EventKind::AttachmentAdded,
            })
        })
        .await?;

    api.announce(&committed);
    Ok(Created(committed.subject.value.into()))
}

/// An attachment as it is.
#[utoipa::path(
    get,
    path = "/lists/{list}/attachments/{attachment}",
    operation_id = "readAttachment",
    tag = "attachments",
    params(OfAttachment),
    responses(Shown<AttachmentView>, MayBeUnknown),
)]
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn read(
    State(api): State<Api>,
    OfAttachment(list, id): OfAttachment,
) -> Result<Shown<AttachmentView>, ApiError> {
    let attachment = api.store.attachment(&list, id).await?;
    let attachment = attachment.ok_or(StoreError::NotThere(Thing::Attachment))?;
    Ok(Shown(attachment.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::todos::tests::{attachment, contents};
    use serde_json::json;

    #[test]
    fn an_attachment_is_shown_with_what_was_found_out() {
        let ready = AttachmentView::from(attachment(Status::Ready(contents())));

        assert_eq!(
            serde_json::to_value(ready).expect("JSON"),
            json!({
                "id": "00000000-0000-0000-0000-000000000002",
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
    fn what_is_not_known_is_not_shown() {
        let view =
            |status| serde_json::to_value(AttachmentView::from(attachment(status))).expect("JSON");

        let pending = view(Status::Pending);
        let failed = view(Status::Failed("why".to_owned()));

        assert_eq!(pending["status"], "pending");
        assert_eq!(pending.get("sha256"), None);
        assert_eq!(failed["status"], "failed");
        assert_eq!(failed["reason"], "why");
    }
}
