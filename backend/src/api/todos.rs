//! Lists and their todos.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use platform::error::ApiError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Api;
use super::extract::{Body, OfList, OfTodo, OnlyIf, invalid};
use super::views::{AttachmentView, TodoView};
use crate::instant;
use crate::store::{StoreError, Versioned};
use crate::todos::{EventKind, INBOX, List, ListId, Outcome, Title, Todo, TodoId};

#[derive(Debug, Serialize)]
pub(super) struct Lists {
    lists: Vec<ListView>,
}

#[derive(Debug, Serialize)]
struct ListView {
    id: String,
    name: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Todos {
    todos: Vec<TodoView>,
}

#[derive(Debug, Deserialize)]
pub(super) struct NewTodo {
    title: String,
}

/// The lists that there are: as yet the one that everybody starts with, whether
/// anything is in it or not.
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn lists(State(api): State<Api>) -> Result<Json<Lists>, ApiError> {
    let inbox = ListId::parse(INBOX).expect("the constant is a list's id");
    let list = match api.store.list(&inbox).await? {
        Some(found) => found.value,
        None => List::new(inbox),
    };
    let lists = vec![ListView {
        id: list.id.to_string(),
        name: list.name,
    }];
    Ok(Json(Lists { lists }))
}

/// The todos of a list, the newest first.
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn show(
    State(api): State<Api>,
    OfList(list): OfList,
) -> Result<Json<Todos>, ApiError> {
    let (todos, attachments) =
        tokio::try_join!(api.store.todos(&list), api.store.attachments(&list))?;

    let mut by_todo: HashMap<TodoId, Vec<AttachmentView>> = HashMap::new();
    for attachment in attachments {
        let of = by_todo.entry(attachment.todo).or_default();
        of.push(attachment.into());
    }
    let todos = todos
        .into_iter()
        .map(|todo| {
            let attachments = by_todo.remove(&todo.value.id).unwrap_or_default();
            TodoView::new(todo, attachments)
        })
        .collect();
    Ok(Json(Todos { todos }))
}

/// Adds a todo, and makes the list when it is its first.
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn add(
    State(api): State<Api>,
    OfList(list): OfList,
    Body(new): Body<NewTodo>,
) -> Result<(StatusCode, Json<TodoView>), ApiError> {
    let title = Title::parse(&new.title).map_err(invalid)?;
    let todo = Todo::new(TodoId(Uuid::new_v4()), list.clone(), title, instant::now());

    let committed = api
        .store
        .change(&list, todo.id.0, |before| match before {
            None => Ok(Outcome::Changed {
                now: todo.clone(),
                event: EventKind::TodoAdded,
            }),
            Some(_) => Ok(Outcome::Unchanged),
        })
        .await?;

    api.announce(&committed);
    let view = TodoView::new(committed.subject, Vec::new());
    Ok((StatusCode::CREATED, Json(view)))
}

/// Completes a todo; one that is done stays so.
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn complete(
    State(api): State<Api>,
    OfTodo(list, id): OfTodo,
    only_if: OnlyIf,
) -> Result<Json<TodoView>, ApiError> {
    let committed = api
        .store
        .change(&list, id.0, |before| {
            Ok(known::<Todo>(before, &only_if)?.complete()?)
        })
        .await?;

    api.announce(&committed);
    let attachments = api.store.attachments(&list).await?;
    let attachments = attachments
        .into_iter()
        .filter(|attachment| attachment.todo == id)
        .map(AttachmentView::from)
        .collect();
    Ok(Json(TodoView::new(committed.subject, attachments)))
}

/// Deletes a todo; one that is deleted stays so.
// Identity backend, Cosmos DB Built-in Data Contributor on container todos.
pub(super) async fn remove(
    State(api): State<Api>,
    OfTodo(list, id): OfTodo,
    only_if: OnlyIf,
) -> Result<StatusCode, ApiError> {
    let committed = api
        .store
        .change(&list, id.0, |before| {
            Ok(known::<Todo>(before, &only_if)?.delete())
        })
        .await?;

    api.announce(&committed);
    Ok(StatusCode::NO_CONTENT)
}

/// The todo as it is, if it is there and is what the caller knows.
fn known<T: Clone>(before: Option<&Versioned<T>>, only_if: &OnlyIf) -> Result<T, StoreError> {
    let before = before.ok_or(StoreError::NotThere("todo"))?;
    if !only_if.holds_for(&before.etag) {
        return Err(StoreError::Changed);
    }
    Ok(before.value.clone())
}
