//! Links to a list for whoever has them: signed, and kept nowhere. A link says
//! which list and until when; the version of its key can be disabled.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use platform::error::ApiError;
use platform::signing::SigningError;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::Api;
use super::body::Body;
use super::paging::{AskedPage, PageView};
use super::paths::OfList;
use super::problems::{LINK_EXPIRED, LINK_WITHDRAWN, NO_SUCH_LINK, NO_SUCH_LIST, problems};
use super::share_link::ShareLink;
use crate::instant;
use crate::store::{StoreError, Versioned};
use crate::todos::{ListId, Todo};

/// The days that a link is good for, when nobody says.
const USUAL_DAYS: f64 = 7.0;

/// The most days.
const MOST_DAYS: f64 = 30.0;

/// For how long a list is to be shared.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLink {
    /// A whole number, which in JSON may be written with a fraction of zero.
    #[serde(default = "usual_days")]
    #[schema(schema_with = days)]
    days: f64,
}

/// A link to a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LinkView {
    /// What the header `Share-Link` is to say.
    link: String,
    #[serde(with = "instant")]
    expires_at: OffsetDateTime,
}

/// What whoever has a link sees.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SharedView {
    list: SharedList,
    todos: PageView<SharedTodo>,
    #[serde(with = "instant")]
    expires_at: OffsetDateTime,
}

/// A list, without what it could be changed by.
#[derive(Debug, Serialize, ToSchema)]
struct SharedList {
    name: String,
}

/// A todo, without what it could be changed by.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SharedTodo {
    title: String,
    notes: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date, nullable = false)]
    due_on: Option<String>,
    done: bool,
}

/// What a link says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    list: String,
    #[serde(with = "time::serde::timestamp")]
    until: OffsetDateTime,
}

problems!(ListMayBeUnknown: NO_SUCH_LIST);
problems!(MayBeNoLink: NO_SUCH_LINK, LINK_EXPIRED, LINK_WITHDRAWN);

fn usual_days() -> f64 {
    USUAL_DAYS
}

fn days() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(MOST_DAYS))
        .default(Some(USUAL_DAYS.into()))
        .build()
}

impl From<Versioned<Todo>> for SharedTodo {
    fn from(todo: Versioned<Todo>) -> Self {
        let todo = todo.value;
        Self {
            title: todo.title.as_str().to_owned(),
            notes: todo.notes.as_str().to_owned(),
            due_on: todo.due_on.map(|day| day.to_string()),
            done: todo.done,
        }
    }
}

/// Makes a link to a list, for whoever is given it.
#[utoipa::path(
    post,
    path = "/lists/{list}/share-links",
    operation_id = "createShareLink",
    tag = "sharing",
    params(OfList),
    request_body = NewLink,
    responses(
        (
            status = 201,
            description = "The link. It is not kept here.",
            body = LinkView,
            links(("read" = (
                operation_id = "readShared",
                parameters(("Share-Link" = "$response.body#/link")),
            ))),
        ),
        ListMayBeUnknown,
    ),
)]
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
// Identity backend, Key Vault Secrets User on secret share-link-key.
pub(super) async fn create(
    State(api): State<Api>,
    OfList(list): OfList,
    Body(new): Body<NewLink>,
) -> Result<(StatusCode, Json<LinkView>), ApiError> {
    if !(1.0..=MOST_DAYS).contains(&new.days) || new.days.fract() != 0.0 {
        let why = format!("a link is good for 1 to {MOST_DAYS} whole days");
        return Err(ApiError::invalid("days", why));
    }
    let list = api.store.list(&list).await?.value;

    let until = whole_second(instant::now()) + Duration::DAY * new.days;
    let claims = Claims {
        list: list.id.to_string(),
        until,
    };
    let link = api.links.sign(&claims, until).await.map_err(refusal)?;

    let expires_at = until;
    Ok((StatusCode::CREATED, Json(LinkView { link, expires_at })))
}

/// The list that a link leads to, to be read only.
#[utoipa::path(
    get,
    path = "/shared",
    operation_id = "readShared",
    tag = "sharing",
    params(ShareLink, AskedPage),
    responses(
        (status = 200, description = "The list, and a page of its todos.", body = SharedView),
        MayBeNoLink,
    ),
)]
// Identity backend, Key Vault Secrets User on secret share-link-key.
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn read(
    State(api): State<Api>,
    ShareLink(link): ShareLink,
    AskedPage(paging): AskedPage,
) -> Result<Json<SharedView>, ApiError> {
    let claims: Claims = api.links.verify(&link).await.map_err(refusal)?;
    let list = ListId::parse(&claims.list).map_err(ApiError::internal)?;

    let found = tokio::try_join!(api.store.list(&list), api.store.todos(&list, paging));
    let (list, todos) = found.map_err(|error| match error {
        StoreError::NotThere(_) => no_such_link(),
        error => error.into(),
    })?;

    Ok(Json(SharedView {
        list: SharedList {
            name: list.value.name.as_str().to_owned(),
        },
        todos: PageView::new(todos, SharedTodo::from),
        expires_at: claims.until,
    }))
}

fn refusal(error: SigningError) -> ApiError {
    match error {
        SigningError::Forged => no_such_link(),
        SigningError::Expired => ApiError::new(LINK_EXPIRED, "the link's time is over"),
        SigningError::Withdrawn => ApiError::new(LINK_WITHDRAWN, "the link was withdrawn"),
        SigningError::Unavailable(_) => ApiError::unavailable("Key Vault", error),
    }
}

pub(super) fn no_such_link() -> ApiError {
    ApiError::new(NO_SUCH_LINK, "there is no such link")
}

/// A link says its end in seconds.
fn whole_second(instant: OffsetDateTime) -> OffsetDateTime {
    instant
        .replace_nanosecond(0)
        .expect("zero is the nanosecond of any second")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_why_a_link_is_no_good_has_its_code() {
        for (error, status, code) in [
            (SigningError::Forged, 404, "no_such_link"),
            (SigningError::Expired, 410, "link_expired"),
            (SigningError::Withdrawn, 410, "link_withdrawn"),
        ] {
            let problem = refusal(error).problem();

            assert_eq!((problem.status, problem.code.as_str()), (status, code));
        }
    }
}
