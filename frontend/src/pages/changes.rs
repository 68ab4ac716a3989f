//! The buttons of a todo: complete it, reopen it, delete it. Each is for the
//! version that its page showed. When it is another one by now, the page shows it
//! and asks once more.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use time::OffsetDateTime;

use super::form::Form;
use super::layout::Layout;
use super::words::{Due, When};
use super::{At, Pages, Problem, path_of_list, path_of_todo};
use crate::backend::{BackendFailure, Change, Content, Todo};
use crate::id::{Cursor, ETag, Id, ListId};
use crate::session::Session;

/// A button of a todo.
#[derive(Debug, Deserialize)]
pub(super) struct Pressed {
    etag: ETag,
    /// The page that it is on.
    #[serde(default)]
    on: On,
    /// Where that page begins.
    after: Option<Cursor>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum On {
    #[default]
    List,
    Todo,
}

/// What a button does.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Complete,
    Reopen,
    Delete,
}

#[derive(Template)]
#[template(path = "anyway.html")]
struct AnywayPage {
    layout: Layout,
    session: Session,
    deed: Deed,
    /// Where the button leads, and what it carries.
    action: String,
    pressed: Pressed,
    back: String,
    content: Content,
    due: Option<Due>,
    changed: When,
}

/// Says that a todo is done.
// Identity frontend, call to backend.
pub(super) async fn complete(
    State(pages): State<Pages>,
    session: Session,
    At((list, id)): At<(ListId, Id)>,
    Form(pressed): Form<Pressed>,
) -> Result<Response, Problem> {
    let change = pages
        .backend
        .mark_todo(&list, &id, true, &pressed.etag)
        .await;
    answer(change, Deed::Complete, &pages, session, (list, id), pressed)
}

/// Says that a todo is not done after all.
// Identity frontend, call to backend.
pub(super) async fn reopen(
    State(pages): State<Pages>,
    session: Session,
    At((list, id)): At<(ListId, Id)>,
    Form(pressed): Form<Pressed>,
) -> Result<Response, Problem> {
    let change = pages
        .backend
        .mark_todo(&list, &id, false, &pressed.etag)
        .await;
    answer(change, Deed::Reopen, &pages, session, (list, id), pressed)
}

/// Deletes a todo.
// Identity frontend, call to backend.
pub(super) async fn delete(
    State(pages): State<Pages>,
    session: Session,
    At((list, id)): At<(ListId, Id)>,
    Form(pressed): Form<Pressed>,
) -> Result<Response, Problem> {
    let change = pages.backend.delete_todo(&list, &id, &pressed.etag).await;
    answer(change, Deed::Delete, &pages, session, (list, id), pressed)
}

fn answer(
    change: Result<Change<Todo>, BackendFailure>,
    deed: Deed,
    pages: &Pages,
    session: Session,
    (list, id): (ListId, Id),
    pressed: Pressed,
) -> Result<Response, Problem> {
    let current = match change? {
        Change::Done => return Ok(Redirect::to(&pressed.back(&list, &id, deed)).into_response()),
        Change::Conflict(current) => *current,
    };
    let now = OffsetDateTime::now_utc();
    let page = AnywayPage {
        layout: pages.layout("Changed meanwhile", "lists"),
        session,
        deed,
        action: format!("{}/{}", path_of_todo(&list, &id), deed.word()),
        back: pressed.back(&list, &id, deed),
        pressed: Pressed {
            etag: current.etag,
            ..pressed
        },
        due: current.content.due_on.map(|day| Due::of(day, now.date())),
        changed: When::ago(current.updated_at, now),
        content: current.content,
    };
    Ok(Problem::changed().on(&page))
}

impl Pressed {
    /// The page that it is on, at the todo if it is still there.
    fn back(&self, list: &ListId, id: &Id, deed: Deed) -> String {
        let after = self.after.iter().map(|after| format!("?after={after}"));
        let on_list = path_of_list(list) + &after.collect::<String>();
        match (self.on, deed) {
            (On::List, Deed::Complete | Deed::Reopen) => format!("{on_list}#todo-{id}"),
            (On::Todo, Deed::Complete | Deed::Reopen) => path_of_todo(list, id),
            (_, Deed::Delete) => on_list,
        }
    }
}

impl On {
    /// The word in the field.
    fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Todo => "todo",
        }
    }
}

impl Deed {
    /// The end of its address.
    fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Reopen => "reopen",
            Self::Delete => "delete",
        }
    }

    /// The words on its button.
    fn button(self) -> &'static str {
        match self {
            Self::Complete => "Complete it anyway",
            Self::Reopen => "Reopen it anyway",
            Self::Delete => "Delete it anyway",
        }
    }
}
