//! A todo: what it says, its files, and the form that changes it. Adding one is
//! here too: it is the same form with less in it.

mod form;
mod unsaved;
mod written;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::files::{FileView, told};
use super::form::Form;
use super::layout::Layout;
use super::words::{Due, When, size};
use super::{At, Begin, Noticed, Pages, Problem, page, path_of_list, path_of_todo};
use crate::activity::{NEWEST, Seen};
use crate::backend::{Change, Content, IdempotencyKey, List, Status};
use crate::id::{Cursor, ETag, Id, ListId};
use crate::session::Session;
use form::{Purpose, TodoForm};
use written::Written;

#[derive(Template)]
#[template(path = "todo.html")]
struct TodoPage {
    layout: Layout,
    session: Session,
    notice: Option<&'static str>,
    list: List,
    id: Id,
    etag: ETag,
    title: String,
    is_done: bool,
    due: Option<Due>,
    added: When,
    /// When it was last changed, if it was.
    changed: Option<When>,
    form: TodoForm,
    files: Vec<FileView>,
    /// Whether these are the newest files.
    is_first: bool,
    next: Option<Cursor>,
    /// Of the form that attaches a file.
    key: Uuid,
    limit_bytes: u64,
    /// The same in words.
    limit: String,
    /// Without the activity, live updates begin with what comes next.
    seen: Option<Seen>,
}

/// Shows a todo and its files.
// Identity frontend, call to backend.
// Identity frontend, Cosmos DB Built-in Data Reader on container activity.
pub(super) async fn show(
    State(pages): State<Pages>,
    session: Session,
    At((list, id)): At<(ListId, Id)>,
    Begin(after): Begin,
    Noticed(notice): Noticed,
) -> Result<Response, Problem> {
    let (of, todo, files, activity) = tokio::join!(
        pages.backend.list(&list),
        pages.backend.todo(&list, &id),
        pages.backend.attachments(&list, &id, after.as_ref()),
        pages.feed.after(&list, 0, NEWEST),
    );
    let (of, todo, files) = (of?, todo?, files?);
    let now = OffsetDateTime::now_utc();
    let has_changed = todo.updated_at - todo.created_at >= Duration::MINUTE;
    Ok(page(&TodoPage {
        layout: pages.layout(&todo.content.title, "lists"),
        session,
        notice: notice.and_then(told),
        list: of,
        form: TodoForm::of(&list, &todo),
        id: todo.id,
        etag: todo.etag,
        title: todo.content.title,
        is_done: todo.content.done,
        due: todo.content.due_on.map(|day| Due::of(day, now.date())),
        added: When::ago(todo.created_at, now),
        changed: has_changed.then(|| When::ago(todo.updated_at, now)),
        files: files.items.into_iter().map(FileView::new).collect(),
        is_first: after.is_none(),
        next: files.next,
        key: Uuid::new_v4(),
        limit_bytes: pages.attachments.limit_bytes,
        limit: size(pages.attachments.limit_bytes),
        seen: activity.ok().map(|newest| Seen::of(&newest, NEWEST)),
    }))
}

/// The form that adds a todo.
#[derive(Debug, Deserialize)]
pub(super) struct New {
    #[serde(default = "Uuid::new_v4")]
    key: Uuid,
    #[serde(flatten)]
    written: Written,
}

/// Adds a todo to a list.
// Identity frontend, call to backend.
pub(super) async fn add(
    State(pages): State<Pages>,
    session: Session,
    At(list): At<ListId>,
    Form(New { key, written }): Form<New>,
) -> Response {
    let problem = match written.content() {
        Ok(content) => {
            let once = IdempotencyKey::new(key, &[&written.title, &written.notes, &written.due_on]);
            match pages.backend.add_todo(&list, &content, &once).await {
                Ok(()) => return Redirect::to(&path_of_list(&list)).into_response(),
                Err(failure) => failure.into(),
            }
        }
        Err(mistake) => mistake.into(),
    };
    let form = TodoForm::add(&list, key, written);
    unsaved::because(&problem, pages.layout("Not added", "lists"), session, form)
}

/// The form that edits a todo.
#[derive(Debug, Deserialize)]
pub(super) struct Edit {
    etag: ETag,
    /// What the form was filled with.
    base: Base,
    #[serde(flatten)]
    written: Written,
}

/// The content of a todo in one field.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Base(Content);

impl TryFrom<String> for Base {
    type Error = serde_json::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        serde_json::from_str(&text).map(Self)
    }
}

/// Saves what somebody wrote, unless somebody else was faster.
// Identity frontend, call to backend.
pub(super) async fn edit(
    State(pages): State<Pages>,
    session: Session,
    At((list, id)): At<(ListId, Id)>,
    Form(edit): Form<Edit>,
) -> Response {
    let Edit {
        etag,
        base: Base(base),
        written,
    } = edit;
    let layout = pages.layout("Not saved", "lists");
    let problem: Problem = match written.content() {
        Ok(content) => match pages.backend.edit_todo(&list, &id, &content, &etag).await {
            Ok(Change::Done) => return Redirect::to(&path_of_todo(&list, &id)).into_response(),
            Ok(Change::Conflict(theirs)) => {
                return unsaved::beside(*theirs, layout, session, (&list, &base, written));
            }
            Err(failure) => failure.into(),
        },
        Err(mistake) => mistake.into(),
    };
    if problem.status() == StatusCode::NOT_FOUND {
        // It can be added again, as another one.
        let form = TodoForm::add(&list, Uuid::new_v4(), written);
        return unsaved::because(&Problem::deleted(), layout, session, form);
    }
    let form = TodoForm::edit((&list, &id), etag, &base, written);
    unsaved::because(&problem, layout, session, form)
}
