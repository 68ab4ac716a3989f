//! A list: its todos, the forms that change them, and its activity.

use askama::Template;
use axum::extract::State;
use axum::response::{Redirect, Response};
use platform::azure::AzureFailure;
use serde::Deserialize;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::form::Form;
use super::layout::Layout;
use super::text::{NAME_LENGTH, TITLE_LENGTH, name};
use super::words::{Due, When};
use super::{At, Begin, Pages, Problem, page, path_of_list};
use crate::activity::{Entry, NEWEST, Seen};
use crate::backend::{Change, List, Page, Todo};
use crate::id::{Cursor, ETag, Id, ListId};
use crate::session::Session;

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    layout: Layout,
    session: Session,
    /// Of the form that adds a todo.
    key: Uuid,
    list: List,
    open: Vec<TodoView>,
    done: Vec<TodoView>,
    /// Where this page begins, if it is not the first.
    after: Option<Cursor>,
    next: Option<Cursor>,
    activity: Result<Vec<EntryView>, String>,
    /// What the activity shows, if it does.
    seen: Option<Seen>,
}

struct TodoView {
    id: Id,
    title: String,
    is_done: bool,
    has_notes: bool,
    due: Option<Due>,
    added: When,
    etag: ETag,
}

struct EntryView {
    what: &'static str,
    mark: &'static str,
    text: String,
    when: When,
}

/// Shows a list and its activity.
// Identity frontend, call to backend.
// Identity frontend, Cosmos DB Built-in Data Reader on container activity.
pub(super) async fn show(
    State(pages): State<Pages>,
    session: Session,
    At(id): At<ListId>,
    Begin(after): Begin,
) -> Result<Response, Problem> {
    let (list, todos, activity) = tokio::join!(
        pages.backend.list(&id),
        pages.backend.todos(&id, after.as_ref()),
        pages.feed.after(&id, 0, NEWEST),
    );
    let list = list?;
    let layout = pages.layout(&list.name, "lists");
    let view = ListPage::new(layout, session, list, todos?, activity, after);
    Ok(page(&view))
}

/// The form that gives a list another name.
#[derive(Debug, Deserialize)]
pub(super) struct Rename {
    name: String,
    etag: ETag,
}

/// Gives a list another name.
// Identity frontend, call to backend.
pub(super) async fn rename(
    State(pages): State<Pages>,
    At(list): At<ListId>,
    Form(rename): Form<Rename>,
) -> Result<Redirect, Problem> {
    let name = name(&rename.name)?;
    match pages.backend.rename_list(&list, name, &rename.etag).await? {
        Change::Done => Ok(Redirect::to(&path_of_list(&list))),
        Change::Conflict(current) => Err(Problem::renamed_meanwhile(&current.name, name)),
    }
}

impl ListPage {
    fn new(
        layout: Layout,
        session: Session,
        list: List,
        todos: Page<Todo>,
        activity: Result<Vec<Entry>, AzureFailure>,
        after: Option<Cursor>,
    ) -> Self {
        let now = OffsetDateTime::now_utc();
        let (done, open) = todos
            .items
            .into_iter()
            .map(|todo| TodoView::new(todo, now))
            .partition(|todo| todo.is_done);
        Self {
            layout,
            session,
            key: Uuid::new_v4(),
            list,
            open,
            done,
            after,
            next: todos.next,
            seen: activity
                .as_ref()
                .ok()
                .map(|newest| Seen::of(newest, NEWEST)),
            activity: activity
                .map(|entries| {
                    entries
                        .into_iter()
                        .map(|entry| EntryView::new(entry, now))
                        .collect()
                })
                .map_err(|failure| unavailable(&failure)),
        }
    }
}

/// The todos are there without the activity, so its absence is a sentence and
/// not a page.
fn unavailable(failure: &AzureFailure) -> String {
    tracing::warn!(cause = failure.chain, "activity is not available");
    match failure.refusal() {
        Some(refusal) => format!("{} refused this pod's identity: {refusal}", failure.service),
        None => failure.to_string(),
    }
}

impl TodoView {
    fn new(todo: Todo, now: OffsetDateTime) -> Self {
        let today: Date = now.date();
        Self {
            added: When::ago(todo.created_at, now),
            id: todo.id,
            due: todo.content.due_on.map(|day| Due::of(day, today)),
            title: todo.content.title,
            is_done: todo.content.done,
            has_notes: !todo.content.notes.is_empty(),
            etag: todo.etag,
        }
    }
}

impl EntryView {
    fn new(entry: Entry, now: OffsetDateTime) -> Self {
        let (what, mark) = match entry.r#type.as_str() {
            "list.created" => ("Began", "plain-mark"),
            "list.renamed" => ("Renamed to", "plain-mark"),
            "todo.added" => ("Added", "plain-mark"),
            "todo.edited" => ("Edited", "plain-mark"),
            "todo.completed" => ("Completed", "tick-mark"),
            "todo.reopened" => ("Reopened", "plain-mark"),
            "todo.deleted" => ("Deleted", "plain-mark"),
            "attachment.added" => ("Attached", "plain-mark"),
            "attachment.ready" => ("Processed", "tick-mark"),
            "attachment.failed" => ("Could not process", "cross-mark"),
            _ => ("Changed", "plain-mark"),
        };
        Self {
            what,
            mark,
            text: entry.text,
            when: When::ago(entry.at, now),
        }
    }
}
