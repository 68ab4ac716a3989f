//! What handlers take from a request, with the one error that this workspace has.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use azure_core::http::Etag;
use platform::error::ApiError;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::todos::{AttachmentId, Invalid, ListId, TodoId};

/// A body of JSON.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Json(body) = Json::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// The list that a path names.
pub(super) struct OfList(pub(super) ListId);

/// The todo that a path names, and its list.
pub(super) struct OfTodo(pub(super) ListId, pub(super) TodoId);

/// The attachment that a path names, and its list.
pub(super) struct OfAttachment(pub(super) ListId, pub(super) AttachmentId);

impl<S: Send + Sync> FromRequestParts<S> for OfList {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(list) = Path::<String>::from_request_parts(parts, state).await?;
        Ok(Self(ListId::parse(&list).map_err(invalid)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfTodo {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let (list, id) = within_list(parts, state, "todo").await?;
        Ok(Self(list, TodoId(id)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfAttachment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let (list, id) = within_list(parts, state, "attachment").await?;
        Ok(Self(list, AttachmentId(id)))
    }
}

/// An id that was never given out names nothing, whatever its shape.
async fn within_list<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    what: &'static str,
) -> Result<(ListId, Uuid), ApiError> {
    let Path((list, id)) = Path::<(String, String)>::from_request_parts(parts, state).await?;
    let list = ListId::parse(&list).map_err(invalid)?;
    let id = Uuid::parse_str(&id)
        .map_err(|_| ApiError::not_found(format!("there is no such {what}")))?;
    Ok((list, id))
}

/// The version that the caller knows, when it says so: `If-Match`.
pub(super) struct OnlyIf(Option<Etag>);

impl OnlyIf {
    /// Whether this is the version that the caller knows.
    pub(super) fn holds_for(&self, etag: &Etag) -> bool {
        self.0.as_ref().is_none_or(|known| known == etag)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OnlyIf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(IF_MATCH) else {
            return Ok(Self(None));
        };
        match value.to_str() {
            Ok("*") => Ok(Self(None)),
            Ok(etag) => Ok(Self(Some(Etag::from(etag.to_owned())))),
            Err(_) => Err(ApiError::invalid("If-Match is not an ETag")),
        }
    }
}

/// A text that makes no sense is the caller's business.
pub(super) fn invalid(why: Invalid) -> ApiError {
    ApiError::invalid(why.to_string())
}
