//! The lists: those that there are, and a form for another.

use askama::Template;
use axum::extract::State;
use axum::response::{Redirect, Response};
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::form::Form;
use super::layout::Layout;
use super::text::{NAME_LENGTH, name};
use super::words::When;
use super::{Begin, Pages, Problem, page, path_of_list};
use crate::backend::{IdempotencyKey, List};
use crate::id::{Cursor, ListId};
use crate::session::Session;

#[derive(Template)]
#[template(path = "lists.html")]
struct ListsPage {
    layout: Layout,
    session: Session,
    /// Of the form that makes a list.
    key: Uuid,
    lists: Vec<ListView>,
    is_first: bool,
    next: Option<Cursor>,
}

struct ListView {
    id: ListId,
    name: String,
    made: When,
}

/// Shows the lists.
// Identity frontend, call to backend.
pub(super) async fn show(
    State(pages): State<Pages>,
    session: Session,
    Begin(after): Begin,
) -> Result<Response, Problem> {
    let lists = pages.backend.lists(after.as_ref()).await?;
    let now = OffsetDateTime::now_utc();
    let view = |list: List| ListView {
        id: list.id,
        name: list.name,
        made: When::ago(list.created_at, now),
    };
    Ok(page(&ListsPage {
        layout: pages.layout("Lists", "lists"),
        session,
        key: Uuid::new_v4(),
        lists: lists.items.into_iter().map(view).collect(),
        is_first: after.is_none(),
        next: lists.next,
    }))
}

/// The form that makes a list.
#[derive(Debug, Deserialize)]
pub(super) struct NewList {
    name: String,
    #[serde(default = "Uuid::new_v4")]
    key: Uuid,
}

/// Makes a list.
// Identity frontend, call to backend.
pub(super) async fn create(
    State(pages): State<Pages>,
    Form(new): Form<NewList>,
) -> Result<Redirect, Problem> {
    let name = name(&new.name)?;
    let key = IdempotencyKey::new(new.key, &[name]);
    let list = pages.backend.create_list(name, &key).await?;
    Ok(Redirect::to(&path_of_list(&list.id)))
}
