//! A list: its todos with their files, the forms that change them, and its
//! activity. One page that does it all.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use platform::azure::AzureFailure;
use time::OffsetDateTime;

use super::layout::Layout;
use super::words::{When, size};
use super::{At, Notice, Noticed, Pages, Problem, page};
use crate::activity::Entry;
use crate::attachments::{FileName, LARGEST_BYTES};
use crate::backend::{Attachment, Status, Todo};
use crate::id::{Id, ListId};

#[derive(Template)]
#[template(path = "list.html")]
pub(super) struct ListPage {
    layout: Layout,
    list: ListId,
    notice: Option<&'static str>,
    open: Vec<TodoView>,
    done: Vec<TodoView>,
    largest: String,
    activity: Result<Vec<EntryView>, String>,
}

struct TodoView {
    id: Id,
    title: String,
    is_done: bool,
    added: When,
    files: Vec<FileView>,
}

struct FileView {
    /// The link, when the file is ready.
    id: Option<Id>,
    name: FileName,
    status: Status,
    /// What is known about it.
    about: String,
}

struct EntryView {
    what: &'static str,
    mark: &'static str,
    text: String,
    when: When,
}

/// Access: the backend, as this pod's service account, for the todos; identity
/// `frontend`, Cosmos DB Built-in Data Reader on
/// `cosmos/databases/todolist/containers/activity`, for the activity.
pub(super) async fn show(
    State(pages): State<Pages>,
    At(list): At<ListId>,
    Noticed(notice): Noticed,
) -> Result<Response, Problem> {
    let (todos, activity) = tokio::join!(pages.backend.todos(&list), pages.feed.newest(&list));
    let now = OffsetDateTime::now_utc();
    let has_access = pages.access.is_some();
    let view = ListPage::new(list, todos?, activity, notice, has_access, now);
    Ok(page(&view))
}

impl ListPage {
    fn new(
        list: ListId,
        todos: Vec<Todo>,
        activity: Result<Vec<Entry>, AzureFailure>,
        notice: Option<Notice>,
        has_access: bool,
        now: OffsetDateTime,
    ) -> Self {
        let (done, open) = todos
            .into_iter()
            .map(|todo| TodoView::new(todo, now))
            .partition::<Vec<_>, _>(|todo| todo.is_done);
        Self {
            layout: Layout::new(list.heading(), "list", has_access),
            list,
            notice: notice.and_then(told),
            open,
            done,
            largest: format!("{} MB", LARGEST_BYTES / (1024 * 1024)),
            activity: activity
                .map(|entries| {
                    entries
                        .into_iter()
                        .map(|e| EntryView::new(e, now))
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

/// The notices that are about a list.
fn told(notice: Notice) -> Option<&'static str> {
    (notice == Notice::ProcessingDelayed).then_some(
        "The file is stored. The worker could not be told about it, so processing it may take a \
         minute longer. There is nothing to do.",
    )
}

impl TodoView {
    fn new(todo: Todo, now: OffsetDateTime) -> Self {
        Self {
            added: When::ago(todo.created_at, now),
            id: todo.id,
            title: todo.title,
            is_done: todo.done,
            files: todo.attachments.into_iter().map(FileView::new).collect(),
        }
    }
}

impl FileView {
    fn new(attachment: Attachment) -> Self {
        let about = match attachment.status {
            Status::Pending => String::new(),
            Status::Ready => [attachment.size_bytes.map(size), attachment.detected_type]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", "),
            Status::Failed => attachment
                .reason
                .unwrap_or_else(|| "it could not be processed".to_owned()),
        };
        Self {
            id: (attachment.status == Status::Ready).then_some(attachment.id),
            name: FileName::sanitised(&attachment.name),
            status: attachment.status,
            about,
        }
    }
}

impl EntryView {
    fn new(entry: Entry, now: OffsetDateTime) -> Self {
        let (what, mark) = match entry.r#type.as_str() {
            "todo.added" => ("Added", "plain-mark"),
            "todo.completed" => ("Completed", "tick-mark"),
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
