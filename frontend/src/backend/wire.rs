//! What the frontend sends to the backend and takes from its answers. Members
//! that it does not use are not here, so that the backend may change them.

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use crate::id::{Cursor, ETag, Id, Link, ListId};

time::serde::format_description!(day, Date, "[year]-[month]-[day]");

/// Some of many, and where the others begin.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// None on the last page.
    pub(crate) next: Option<Cursor>,
}

/// A list of todos.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List {
    pub(crate) id: ListId,
    /// What somebody called it.
    pub(crate) name: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    pub(crate) etag: ETag,
}

/// One thing to do.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Todo {
    pub(crate) id: Id,
    #[serde(flatten)]
    pub(crate) content: Content,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) updated_at: OffsetDateTime,
    pub(crate) etag: ETag,
}

/// What somebody writes down of a todo. As it is sent, it is a merge patch of all
/// that can be changed (RFC 7396): without a day, the day is taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Content {
    pub(crate) title: String,
    pub(crate) notes: String,
    #[serde(default, with = "day::option")]
    pub(crate) due_on: Option<Date>,
    pub(crate) done: bool,
}

/// A todo that is not there yet. None is done before it is there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewTodo<'a> {
    title: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    notes: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", with = "day::option")]
    due_on: Option<Date>,
}

impl<'a> From<&'a Content> for NewTodo<'a> {
    fn from(content: &'a Content) -> Self {
        Self {
            title: &content.title,
            notes: &content.notes,
            due_on: content.due_on,
        }
    }
}

/// A file of a todo: its metadata.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attachment {
    pub(crate) id: Id,
    /// The file's name, as somebody chose it.
    pub(crate) name: String,
    pub(crate) status: Status,
    /// The size that the worker found.
    pub(crate) size_bytes: Option<u64>,
    /// The media type that the worker found in the content.
    pub(crate) detected_type: Option<String>,
    /// Why it failed.
    pub(crate) reason: Option<String>,
}

/// How far the worker is with an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Status {
    /// Not read yet.
    Pending,
    /// Read: size and type are known.
    Ready,
    /// It will not be read, and why.
    Failed,
}

/// A link by which a list can be read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShareLink {
    pub(crate) link: Link,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) expires_at: OffsetDateTime,
}

/// What a link shows of a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shared {
    pub(crate) list: SharedList,
    pub(crate) todos: Page<Content>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) expires_at: OffsetDateTime,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SharedList {
    pub(crate) name: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::date;

    #[test]
    fn a_todo_is_read_with_and_without_a_day() {
        let mut wire = json!({ "id": "3b241101-e2bb-4255-8caf-4136c566a962", "listId": "inbox",
            "title": "Milk", "notes": "", "dueOn": "2026-12-24", "done": false,
            "createdAt": "2026-11-23T10:00:00Z", "updatedAt": "2026-11-23T10:00:01.5Z",
            "etag": "\"1\"", "later": "members that are not known here are passed over" });

        let todo: Todo = serde_json::from_value(wire.clone()).expect("a todo");
        assert_eq!(todo.content.due_on, Some(date!(2026 - 12 - 24)));

        wire.as_object_mut().expect("an object").remove("dueOn");
        let todo: Todo = serde_json::from_value(wire).expect("a todo");
        assert_eq!(todo.content.due_on, None);
    }

    #[test]
    fn a_patch_without_a_day_takes_the_day_away() {
        let content = Content {
            title: "Milk".to_owned(),
            ..Content::default()
        };

        assert_eq!(
            serde_json::to_value(content).expect("JSON"),
            json!({ "title": "Milk", "notes": "", "dueOn": null, "done": false })
        );
    }

    #[test]
    fn the_last_page_has_no_next() {
        let page: Page<SharedList> =
            serde_json::from_value(json!({ "items": [{ "name": "Inbox" }] })).expect("a page");

        assert_eq!(page.next, None);
    }
}
