//! What somebody wrote and could not be saved: nothing of it is lost. The page
//! says why, has what was written in a form again, and beside it what somebody
//! else made of the todo, if that is why.

use askama::Template;
use axum::response::Response;
use time::OffsetDateTime;

use super::form::{Purpose, TodoForm};
use super::written::Written;
use crate::backend::{Content, Todo};
use crate::id::ListId;
use crate::pages::layout::Layout;
use crate::pages::problem::{Problem, request_id};
use crate::pages::words::{Due, When};
use crate::session::Session;

#[derive(Template)]
#[template(path = "unsaved.html")]
struct UnsavedPage<'a> {
    layout: Layout,
    session: Session,
    problem: &'a Problem,
    request_id: String,
    form: TodoForm,
    theirs: Option<Theirs>,
}

/// What somebody else made of a todo, and what of it is new.
struct Theirs {
    content: Content,
    due: Option<Due>,
    has_new_title: bool,
    has_new_notes: bool,
    has_new_day: bool,
    has_new_state: bool,
    changed: When,
}

/// The page of a form that could not be saved, and this is why.
pub(super) fn because(
    problem: &Problem,
    layout: Layout,
    session: Session,
    form: TodoForm,
) -> Response {
    problem.on(&UnsavedPage {
        layout,
        session,
        problem,
        request_id: request_id(),
        form,
        theirs: None,
    })
}

/// The page of what was written beside what somebody else made of the todo
/// meanwhile. The form has what only they have changed already.
pub(super) fn beside(
    theirs: Todo,
    layout: Layout,
    session: Session,
    (list, base, written): (&ListId, &Content, Written),
) -> Response {
    let merged = written.merged(base, &theirs.content);
    let of = (list, &theirs.id);
    let problem = Problem::changed();
    problem.on(&UnsavedPage {
        layout,
        session,
        problem: &problem,
        request_id: request_id(),
        form: TodoForm::edit(of, theirs.etag.clone(), &theirs.content, merged),
        theirs: Some(Theirs::new(theirs, base, OffsetDateTime::now_utc())),
    })
}

impl Theirs {
    fn new(theirs: Todo, base: &Content, now: OffsetDateTime) -> Self {
        let content = theirs.content;
        Self {
            due: content.due_on.map(|day| Due::of(day, now.date())),
            has_new_title: content.title != base.title,
            has_new_notes: content.notes != base.notes,
            has_new_day: content.due_on != base.due_on,
            has_new_state: content.done != base.done,
            changed: When::ago(theirs.updated_at, now),
            content,
        }
    }
}
