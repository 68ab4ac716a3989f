//! Lists.

use axum::Json;
use axum::extract::State;
use platform::error::ApiError;
use platform::telemetry::error_chain;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa::openapi::link::{Link, LinkBuilder};

use super::answers::{Changed, Created, Shown, View};
use super::body::{Body, Patch, invalid};
use super::idempotency::{self, IdempotencyKey};
use super::if_match::IfMatch;
use super::paging::{AskedPage, PageView};
use super::paths::OfList;
use super::problems::{NO_SUCH_LIST, problems};
use super::{Api, BASE, texts};
use crate::instant;
use crate::store::{ListEntry, StoreError, Thing, Versioned};
use crate::todos::{EventKind, List, ListId, ListName, Outcome};

/// A list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListView {
    /// `inbox`, or a UUID.
    id: String,
    name: String,
    #[serde(with = "instant")]
    created_at: OffsetDateTime,
    /// What a later `If-Match` may name: only a rename changes it.
    etag: String,
}

/// A list to be made, or the name that one is to have.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedList {
    #[schema(schema_with = texts::list_name)]
    name: String,
}

problems!(MayBeUnknown: NO_SUCH_LIST);

impl From<ListEntry> for ListView {
    fn from(list: ListEntry) -> Self {
        Self {
            id: list.id.to_string(),
            name: list.name.as_str().to_owned(),
            created_at: list.created_at,
            etag: format!("\"{}\"", list.revision),
        }
    }
}

impl From<&List> for ListView {
    fn from(list: &List) -> Self {
        ListEntry::from(list).into()
    }
}

impl View for ListView {
    fn etag(&self) -> Option<&str> {
        Some(&self.etag)
    }

    fn location(&self) -> String {
        format!("{BASE}/lists/{}", self.id)
    }

    fn reading() -> LinkBuilder {
        Link::builder()
            .operation_id("readList")
            .parameter("list", "$response.body#/id")
    }
}

/// The lists: the inbox, and then the newest first.
#[utoipa::path(
    get,
    path = "/lists",
    operation_id = "listLists",
    tag = "lists",
    params(AskedPage),
    responses((status = 200, description = "A page of lists.", body = PageView<ListView>)),
)]
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn page(
    State(api): State<Api>,
    AskedPage(paging): AskedPage,
) -> Result<Json<PageView<ListView>>, ApiError> {
    let page = api.store.lists(paging).await?;
    Ok(Json(PageView::new(page, |found| found.value.into())))
}

/// Makes a list.
#[utoipa::path(
    post,
    path = "/lists",
    operation_id = "createList",
    tag = "lists",
    params(IdempotencyKey),
    request_body = NamedList,
    responses(Created<ListView>),
)]
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn create(
    State(api): State<Api>,
    key: IdempotencyKey,
    Body(new): Body<NamedList>,
) -> Result<Created<ListView>, ApiError> {
    let name = ListName::parse(&new.name).map_err(invalid("name"))?;
    let (id, fingerprint) = key.identify("lists", &new);
    let list = List {
        fingerprint,
        ..List::new(ListId::new(id), name, instant::now())
    };

    let committed = api
        .store
        .change_list(&list.id, |before| match before {
            None => Ok(Outcome::Changed {
                now: list.clone(),
                event: EventKind::ListCreated,
            }),
            Some(before) => {
                idempotency::check(before.value.fingerprint, fingerprint)?;
                Ok::<_, ApiError>(Outcome::Unchanged)
            }
        })
        .await?;

    api.announce(&committed);
    let list = committed.subject.value;
    record_in_catalogue(&api, &list).await;
    Ok(Created(ListView::from(&list)))
}

/// A list.
#[utoipa::path(
    get,
    path = "/lists/{list}",
    operation_id = "readList",
    tag = "lists",
    params(OfList),
    responses(Shown<ListView>, MayBeUnknown),
)]
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn read(
    State(api): State<Api>,
    OfList(id): OfList,
) -> Result<Shown<ListView>, ApiError> {
    let list = api.store.list(&id).await?.value;
    Ok(Shown(ListView::from(&list)))
}

/// Renames a list.
#[utoipa::path(
    patch,
    path = "/lists/{list}",
    operation_id = "renameList",
    tag = "lists",
    params(OfList, IfMatch),
    request_body(content(
        (NamedList = "application/merge-patch+json"),
        (NamedList = "application/json"),
    )),
    responses(Shown<ListView>, Changed<ListView>, MayBeUnknown),
)]
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn rename(
    State(api): State<Api>,
    OfList(id): OfList,
    if_match: IfMatch,
    Patch(new): Patch<NamedList>,
) -> Result<Shown<ListView>, ApiError> {
    let name = ListName::parse(&new.name).map_err(invalid("name"))?;

    let committed = api
        .store
        .change_list(&id, |before| {
            let before = before.ok_or(StoreError::NotThere(Thing::List))?;
            renamed(before, &name, &if_match)
        })
        .await?;

    api.announce(&committed);
    let list = committed.subject.value;
    record_in_catalogue(&api, &list).await;
    Ok(Shown(ListView::from(&list)))
}

/// A rename that is there already is one that was repeated, whatever version it
/// was made to.
fn renamed(
    before: &Versioned<List>,
    name: &ListName,
    if_match: &IfMatch,
) -> Result<Outcome<List>, ApiError> {
    let current = ListView::from(&before.value);
    let outcome = before.value.clone().rename(name.clone());
    if outcome != Outcome::Unchanged && !if_match.holds_for(&current.etag) {
        return Err(Changed(current).into());
    }
    Ok(outcome)
}

/// Right after the list's commit, for whoever looks next. The worker makes sure
/// of it, so that a failure is none of the caller's.
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
async fn record_in_catalogue(api: &Api, list: &List) {
    if let Err(error) = api.store.record_in_catalogue(list).await {
        let cause = error_chain(&error);
        tracing::warn!(cause, list = %list.id, "left the catalogue to the worker");
    }
}

#[cfg(test)]
mod tests {
    use super::super::problems::CHANGED;
    use super::*;
    use crate::todos::tests::list;
    use serde_json::json;

    #[test]
    fn a_list_is_shown_with_its_revision_and_without_its_count() {
        let view = ListView::from(&list().advanced());

        assert_eq!(
            serde_json::to_value(view).expect("JSON"),
            json!({
                "id": "inbox",
                "name": "Inbox",
                "createdAt": "2026-11-01T08:00:00.000000Z",
                "etag": "\"1\""
            })
        );
    }

    #[test]
    fn a_stale_rename_is_refused_unless_it_was_done_already() {
        let before = Versioned {
            value: list(),
            etag: "\"cosmos\"".into(),
        };
        let name = |text| ListName::parse(text).expect("a name");
        let stale = IfMatch::Version("\"9\"".to_owned());

        let refused = renamed(&before, &name("Home"), &stale).expect_err("stale");
        assert_eq!(refused.kind(), CHANGED);
        assert_eq!(refused.problem().extensions["current"]["name"], "Inbox");
        assert_eq!(
            renamed(&before, &name("Inbox"), &stale).expect("done already"),
            Outcome::Unchanged
        );
        let fresh = IfMatch::Version("\"1\"".to_owned());
        assert!(renamed(&before, &name("Home"), &fresh).is_ok());
        assert!(renamed(&before, &name("Home"), &IfMatch::Any).is_ok());
    }
}
