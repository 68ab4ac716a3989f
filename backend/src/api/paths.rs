//! What a path names. An id that was never given out names nothing, whatever its
//! shape.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use platform::error::ApiError;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Object, Required};
use uuid::Uuid;

use super::texts;
use crate::store::{StoreError, Thing};
use crate::todos::{AttachmentId, ListId, TodoId};

/// `inbox` or a UUID.
const LIST: &str = "^(inbox|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$";

/// The list that a path names.
pub(super) struct OfList(pub(super) ListId);

/// The todo that a path names, and its list.
pub(super) struct OfTodo(pub(super) ListId, pub(super) TodoId);

/// The attachment that a path names, and its list.
pub(super) struct OfAttachment(pub(super) ListId, pub(super) AttachmentId);

impl<S: Send + Sync> FromRequestParts<S> for OfList {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(list) = path.map_err(|_| StoreError::NotThere(Thing::List))?;
        Ok(Self(parse_list(&list)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfTodo {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let (list, id) = within_list(parts, state, Thing::Todo).await?;
        Ok(Self(list, TodoId(id)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfAttachment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let (list, id) = within_list(parts, state, Thing::Attachment).await?;
        Ok(Self(list, AttachmentId(id)))
    }
}

async fn within_list<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    thing: Thing,
) -> Result<(ListId, Uuid), StoreError> {
    let path = Path::<(String, String)>::from_request_parts(parts, state).await;
    let Path((list, id)) = path.map_err(|_| StoreError::NotThere(thing))?;
    let list = parse_list(&list)?;
    let id = parse_uuid(&id).ok_or(StoreError::NotThere(thing))?;
    Ok((list, id))
}

fn parse_list(text: &str) -> Result<ListId, StoreError> {
    ListId::parse(text).map_err(|_| StoreError::NotThere(Thing::List))
}

/// A UUID as this API writes them: there is one way to name a thing.
pub(super) fn parse_uuid(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text)
        .ok()
        .filter(|id| id.to_string() == text)
}

impl IntoParams for OfList {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let list = texts::matching(LIST);
        vec![segment("list", "The list's id: `inbox`, or a UUID.", list)]
    }
}

impl IntoParams for OfTodo {
    fn into_params(within: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = OfList::into_params(within);
        parameters.push(segment("todo", "The todo's id.", texts::uuid()));
        parameters
    }
}

impl IntoParams for OfAttachment {
    fn into_params(within: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = OfList::into_params(within);
        parameters.push(segment("attachment", "The attachment's id.", texts::uuid()));
        parameters
    }
}

fn segment(name: &str, description: &str, schema: Object) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}
