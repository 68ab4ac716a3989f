//! Attachments: announced here, before the frontend uploads their bytes, so that
//! no blob is ever without an owner; looked at by the worker.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use platform::error::ApiError;
use serde::Deserialize;
use uuid::Uuid;

use super::Api;
use super::extract::{Body, OfAttachment, OfTodo, invalid};
use super::views::AttachmentView;
use crate::instant;
use crate::store::StoreError;
use crate::todos::{Attachment, AttachmentId, ContentType, EventKind, FileName, Outcome};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewAttachment {
    name: String,
    content_type: String,
}

/// Announces an attachment: pending until the worker has seen its bytes.
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn announce(
    State(api): State<Api>,
    OfTodo(list, todo): OfTodo,
    Body(new): Body<NewAttachment>,
) -> Result<(StatusCode, Json<AttachmentView>), ApiError> {
    let name = FileName::parse(&new.name).map_err(invalid)?;
    let content_type = ContentType::parse(&new.content_type).map_err(invalid)?;
    match api.store.todo(&list, todo).await? {
        Some(todo) if !todo.deleted => {}
        _ => return Err(StoreError::NotThere("todo").into()),
    }
    let attachment = Attachment::new(
        AttachmentId(Uuid::new_v4()),
        (list.clone(), todo),
        (name, content_type),
        instant::now(),
    );

    let committed = api
        .store
        .change(&list, attachment.id.0, |before| match before {
            None => Ok(Outcome::Changed {
                now: attachment.clone(),
                event: EventKind::AttachmentAdded,
            }),
            Some(_) => Ok(Outcome::Unchanged),
        })
        .await?;

    api.announce(&committed);
    Ok((StatusCode::CREATED, Json(committed.subject.value.into())))
}

/// An attachment as it is.
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn show(
    State(api): State<Api>,
    OfAttachment(list, id): OfAttachment,
) -> Result<Json<AttachmentView>, ApiError> {
    let attachment = api.store.attachment(&list, id).await?;
    let attachment = attachment.ok_or(StoreError::NotThere("attachment"))?;
    Ok(Json(attachment.into()))
}
