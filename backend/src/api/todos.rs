//! The todos of a list.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use platform::error::ApiError;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa::openapi::link::{Link, LinkBuilder};
use uuid::Uuid;

use super::answers::{Changed, Created, Shown, View};
use super::body::{Body, Patch, Sent, invalid};
use super::idempotency::{self, IdempotencyKey};
use super::if_match::IfMatch;
use super::paging::{AskedPage, PageView};
use super::paths::{OfList, OfTodo};
use super::problems::{NO_SUCH_LIST, NO_SUCH_TODO, problems};
use super::{Api, BASE, texts};
use crate::instant;
use crate::store::{StoreError, Thing, Versioned};
use crate::todos::{DueDate, Edit, EventKind, NewDueDate, Notes, Outcome, Title, Todo, TodoId};

/// A todo.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TodoView {
    id: Uuid,
    list_id: String,
    title: String,
    /// Empty when there are none.
    notes: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date, nullable = false)]
    due_on: Option<String>,
    done: bool,
    #[serde(with = "instant")]
    created_at: OffsetDateTime,
    #[serde(with = "instant")]
    updated_at: OffsetDateTime,
    /// What a later `If-Match` may name.
    etag: String,
}

/// A todo to be made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewTodo {
    #[schema(schema_with = texts::title)]
    title: String,
    #[serde(default)]
    #[schema(schema_with = texts::notes)]
    notes: String,
    #[schema(schema_with = texts::due_date_or_null, required = false)]
    due_on: Option<String>,
}

/// What is to be otherwise about a todo: a JSON merge patch. What may be missing
/// is taken away by `null`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TodoPatch {
    #[serde(default)]
    #[schema(schema_with = texts::title, required = false)]
    title: Sent<String>,
    #[serde(default)]
    #[schema(schema_with = texts::notes_or_null, required = false)]
    notes: Sent<String>,
    #[serde(default)]
    #[schema(schema_with = texts::due_date_or_null, required = false)]
    due_on: Sent<String>,
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    done: Sent<bool>,
}

problems!(ListMayBeUnknown: NO_SUCH_LIST);
problems!(EitherMayBeUnknown: NO_SUCH_LIST, NO_SUCH_TODO);

impl From<Versioned<Todo>> for TodoView {
    fn from(Versioned { value, etag }: Versioned<Todo>) -> Self {
        Self {
            id: value.id.0,
            list_id: value.list.to_string(),
            title: value.title.as_str().to_owned(),
            notes: value.notes.as_str().to_owned(),
            due_on: value.due_on.map(|day| day.to_string()),
            done: value.done,
            created_at: value.created_at,
            updated_at: value.updated_at,
            etag: etag.to_string(),
        }
    }
}

impl View for TodoView {
    fn etag(&self) -> Option<&str> {
        Some(&self.etag)
    }

    fn location(&self) -> String {
        format!("{BASE}/lists/{}/todos/{}", self.list_id, self.id)
    }

    fn reading() -> LinkBuilder {
        Link::builder()
            .operation_id("readTodo")
            .parameter("list", "$response.body#/listId")
            .parameter("todo", "$response.body#/id")
    }
}

impl TodoPatch {
    fn parse(self) -> Result<Edit, ApiError> {
        let title = self.title.or_refuse_null("title")?;
        let title = title.map(|title| Title::parse(&title));
        let notes = match self.notes {
            Sent::Absent => None,
            Sent::Null => Some(Notes::default()),
            Sent::Value(notes) => Some(Notes::parse(&notes).map_err(invalid("notes"))?),
        };
        let due_on = match self.due_on {
            Sent::Absent => NewDueDate::Same,
            Sent::Null => NewDueDate::Never,
            Sent::Value(day) => NewDueDate::On(DueDate::parse(&day).map_err(invalid("dueOn"))?),
        };
        Ok(Edit {
            title: title.transpose().map_err(invalid("title"))?,
            notes,
            due_on,
            done: self.done.or_refuse_null("done")?,
        })
    }
}

/// The todos of a list, the newest first.
#[utoipa::path(
    get,
    path = "/lists/{list}/todos",
    operation_id = "listTodos",
    tag = "todos",
    params(OfList, AskedPage),
    responses(
        (status = 200, description = "A page of todos.", body = PageView<TodoView>),
        ListMayBeUnknown,
    ),
)]
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn page(
    State(api): State<Api>,
    OfList(list): OfList,
    AskedPage(paging): AskedPage,
) -> Result<Json<PageView<TodoView>>, ApiError> {
    let page = api.store.todos(&list, paging).await?;
    Ok(Json(PageView::new(page, TodoView::from)))
}

/// Makes a todo.
#[utoipa::path(
    post,
    path = "/lists/{list}/todos",
    operation_id = "createTodo",
    tag = "todos",
    params(OfList, IdempotencyKey),
    request_body = NewTodo,
    responses(Created<TodoView>, EitherMayBeUnknown),
)]
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn create(
    State(api): State<Api>,
    OfList(list): OfList,
    key: IdempotencyKey,
    Body(new): Body<NewTodo>,
) -> Result<Created<TodoView>, ApiError> {
    let (id, fingerprint) = key.identify(&format!("lists/{list}/todos"), &new);
    let title = Title::parse(&new.title).map_err(invalid("title"))?;
    let notes = Notes::parse(&new.notes).map_err(invalid("notes"))?;
    let due_on = new.due_on.as_deref().map(DueDate::parse);
    let todo = Todo {
        notes,
        due_on: due_on.transpose().map_err(invalid("dueOn"))?,
        fingerprint,
        ..Todo::new(TodoId(id), list.clone(), title, instant::now())
    };

    let committed = api
        .store
        .change(&list, id, |before: Option<&Versioned<Todo>>| {
            let Some(Versioned { value: before, .. }) = before else {
                return Ok(Outcome::Changed {
                    now: todo.clone(),
                    event: EventKind::TodoAdded,
                });
            };
            idempotency::check(before.fingerprint, fingerprint)?;
            if before.deleted {
                return Err(StoreError::NotThere(Thing::Todo).into());
            }
            Ok::<_, ApiError>(Outcome::Unchanged)
        })
        .await?;

    api.announce(&committed);
    Ok(Created(committed.subject.into()))
}

/// A todo.
#[utoipa::path(
    get,
    path = "/lists/{list}/todos/{todo}",
    operation_id = "readTodo",
    tag = "todos",
    params(OfTodo),
    responses(Shown<TodoView>, EitherMayBeUnknown),
)]
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn read(
    State(api): State<Api>,
    OfTodo(list, id): OfTodo,
) -> Result<Shown<TodoView>, ApiError> {
    let todo = api.store.todo(&list, id).await?;
    Ok(Shown(todo.into()))
}

/// Changes a todo.
///
/// A patch that changes nothing is no change, whatever version it names: it may
/// have been sent twice.
#[utoipa::path(
    patch,
    path = "/lists/{list}/todos/{todo}",
    operation_id = "editTodo",
    tag = "todos",
    params(OfTodo, IfMatch),
    request_body(content(
        (TodoPatch = "application/merge-patch+json"),
        (TodoPatch = "application/json"),
    )),
    responses(Shown<TodoView>, Changed<TodoView>, EitherMayBeUnknown),
)]
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn edit(
    State(api): State<Api>,
    OfTodo(list, id): OfTodo,
    if_match: IfMatch,
    Patch(patch): Patch<TodoPatch>,
) -> Result<Shown<TodoView>, ApiError> {
    let (edit, at) = (patch.parse()?, instant::now());

    let committed = api
        .store
        .change(&list, id.0, |before| {
            let before: &Versioned<Todo> = before.ok_or(StoreError::NotThere(Thing::Todo))?;
            let outcome = before.value.clone().edit(&edit, at);
            only_if(&if_match, before, outcome.map_err(StoreError::from)?)
        })
        .await?;

    api.announce(&committed);
    Ok(Shown(committed.subject.into()))
}

/// Deletes a todo; one that is deleted stays so.
#[utoipa::path(
    delete,
    path = "/lists/{list}/todos/{todo}",
    operation_id = "deleteTodo",
    tag = "todos",
    params(OfTodo, IfMatch),
    responses(
        (status = 204, description = "It is not there any more."),
        Changed<TodoView>,
        EitherMayBeUnknown,
    ),
)]
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn remove(
    State(api): State<Api>,
    OfTodo(list, id): OfTodo,
    if_match: IfMatch,
) -> Result<StatusCode, ApiError> {
    let at = instant::now();

    let committed = api
        .store
        .change(&list, id.0, |before| {
            let before: &Versioned<Todo> = before.ok_or(StoreError::NotThere(Thing::Todo))?;
            only_if(&if_match, before, before.value.clone().delete(at))
        })
        .await?;

    api.announce(&committed);
    Ok(StatusCode::NO_CONTENT)
}

/// A change to another version than the caller knows is refused. One that was
/// made already is none: it was repeated.
fn only_if(
    if_match: &IfMatch,
    before: &Versioned<Todo>,
    outcome: Outcome<Todo>,
) -> Result<Outcome<Todo>, ApiError> {
    if outcome == Outcome::Unchanged || if_match.holds_for(before.etag.as_ref()) {
        return Ok(outcome);
    }
    Err(Changed(TodoView::from(before.clone())).into())
}

#[cfg(test)]
mod tests {
    use super::super::problems::CHANGED;
    use super::*;
    use crate::todos::tests::todo;
    use serde_json::{Value, json};
    use time::macros::datetime;

    fn stored(value: Todo) -> Versioned<Todo> {
        Versioned {
            value,
            etag: "\"1\"".into(),
        }
    }

    fn patch(json: Value) -> Result<Edit, String> {
        let patch: TodoPatch = serde_json::from_value(json).map_err(|error| error.to_string())?;
        patch.parse().map_err(|error| error.to_string())
    }

    #[test]
    fn a_todo_is_shown_with_its_version() {
        let due = Todo {
            due_on: DueDate::parse("2026-12-24").ok(),
            ..todo()
        };

        let view = |todo| serde_json::to_value(TodoView::from(stored(todo))).expect("JSON");

        assert_eq!(
            view(due),
            json!({
                "id": "00000000-0000-0000-0000-000000000001",
                "listId": "inbox",
                "title": "Buy milk",
                "notes": "",
                "dueOn": "2026-12-24",
                "done": false,
                "createdAt": "2026-11-23T22:05:07.000000Z",
                "updatedAt": "2026-11-23T22:05:07.000000Z",
                "etag": "\"1\""
            })
        );
        assert_eq!(view(todo()).get("dueOn"), None);
    }

    #[test]
    fn null_takes_away_what_may_be_missing_and_nothing_else() {
        assert_eq!(patch(json!({})), Ok(Edit::default()));
        assert_eq!(
            patch(json!({ "notes": null, "dueOn": null })),
            Ok(Edit {
                notes: Some(Notes::default()),
                due_on: NewDueDate::Never,
                ..Edit::default()
            })
        );
        for (broken, why) in [
            (
                json!({ "title": null }),
                "422 invalid: title cannot be null",
            ),
            (json!({ "done": null }), "422 invalid: done cannot be null"),
            (
                json!({ "dueOn": "tomorrow" }),
                "422 invalid: a due date is a day of the calendar, as 2026-11-23",
            ),
            (
                json!({ "id": "x" }),
                "unknown field `id`, expected one of `title`, `notes`, `dueOn`, `done`",
            ),
        ] {
            assert_eq!(patch(broken), Err(why.to_owned()));
        }
    }

    #[test]
    fn a_stale_change_is_refused_with_what_there_is_unless_it_was_made_already() {
        let at = datetime!(2026-11-24 08:00 UTC);
        let before = stored(todo());
        let done = Edit {
            done: Some(true),
            ..Edit::default()
        };
        let stale = IfMatch::Version("\"0\"".to_owned());
        let outcome = || before.value.clone().edit(&done, at).expect("it is there");

        let refused = only_if(&stale, &before, outcome()).expect_err("stale");
        assert_eq!(refused.kind(), CHANGED);
        assert_eq!(refused.problem().extensions["current"]["etag"], "\"1\"");

        let fresh = IfMatch::Version("\"1\"".to_owned());
        assert_eq!(only_if(&fresh, &before, outcome()).ok(), Some(outcome()));
        assert_eq!(
            only_if(&IfMatch::Any, &before, outcome()).ok(),
            Some(outcome())
        );
        let unchanged = only_if(&stale, &before, Outcome::Unchanged);
        assert_eq!(unchanged.ok(), Some(Outcome::Unchanged));
    }
}
