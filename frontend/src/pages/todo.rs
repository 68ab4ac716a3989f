//! The forms that change todos. The frontend changes none itself: it asks the
//! backend.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::Redirect;
use serde::Deserialize;

use super::{At, Pages, Problem, to_list};
use crate::id::{Id, ListId};

/// The form that adds a todo.
#[derive(Debug, Deserialize)]
pub(super) struct NewTodo {
    title: String,
}

/// Access: the backend, as this pod's service account. No Azure role.
pub(super) async fn add(
    State(pages): State<Pages>,
    At(list): At<ListId>,
    form: Result<Form<NewTodo>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(new) = form?;
    pages.backend.add(&list, new.title.trim()).await?;
    Ok(to_list(&list, None))
}

/// Access: the backend, as this pod's service account. No Azure role.
pub(super) async fn complete(
    State(pages): State<Pages>,
    At((list, todo)): At<(ListId, Id)>,
) -> Result<Redirect, Problem> {
    pages.backend.complete(&list, &todo).await?;
    Ok(to_list(&list, None))
}

/// Access: the backend, as this pod's service account. No Azure role.
pub(super) async fn delete(
    State(pages): State<Pages>,
    At((list, todo)): At<(ListId, Id)>,
) -> Result<Redirect, Problem> {
    pages.backend.delete(&list, &todo).await?;
    Ok(to_list(&list, None))
}
