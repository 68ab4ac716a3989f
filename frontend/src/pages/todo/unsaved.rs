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

/// What somebody else made of a todo.
struct Theirs {
    fields: [Field; 4],
    changed: When,
}

/// A field of a todo, and whether what it says is new.
struct Field {
    name: &'static str,
    said: String,
    is_new: bool,
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
        let Content {
            title,
            notes,
            due_on,
            done,
        } = theirs.content;
        let field = |name, said: String, is_new| Field { name, said, is_new };
        let day = due_on.map(|day| Due::of(day, now.date()).told);
        Self {
            changed: When::ago(theirs.updated_at, now),
            fields: [
                field("Title", title.clone(), title != base.title),
                field("Notes", notes.clone(), notes != base.notes),
                field("Due", day.unwrap_or_default(), due_on != base.due_on),
                field("Done", yes_or_no(done), done != base.done),
            ],
        }
    }
}

fn yes_or_no(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}
