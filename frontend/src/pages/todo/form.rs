//! The form of a todo: what it has in its fields, seen and unseen, and where it
//! is sent.

use uuid::Uuid;

use super::written::Written;
use crate::backend::{Content, Todo};
use crate::id::{ETag, Id, ListId};
use crate::pages::text::{NOTES_LENGTH, TITLE_LENGTH};
use crate::pages::{path_of_list, path_of_todo};

/// A form that adds or edits a todo.
pub(super) struct TodoForm {
    /// The page that it is on, and to which it leads back.
    pub(super) page: String,
    pub(super) action: String,
    pub(super) purpose: Purpose,
    pub(super) written: Written,
}

/// What the fields are that nobody sees.
pub(super) enum Purpose {
    /// What makes it one todo, however often it is sent.
    Add { key: Uuid },
    /// The version that was read, and what it said.
    Edit { etag: ETag, base: String },
}

impl TodoForm {
    pub(super) const TITLE_LENGTH: usize = TITLE_LENGTH;
    pub(super) const NOTES_LENGTH: usize = NOTES_LENGTH;

    /// A form for another todo.
    pub(super) fn add(list: &ListId, key: Uuid, written: Written) -> Self {
        let page = path_of_list(list);
        Self {
            action: format!("{page}/todos"),
            page,
            purpose: Purpose::Add { key },
            written,
        }
    }

    /// A form for the todo of this version, which said this.
    pub(super) fn edit(
        (list, todo): (&ListId, &Id),
        etag: ETag,
        base: &Content,
        written: Written,
    ) -> Self {
        let page = path_of_todo(list, todo);
        Self {
            action: page.clone(),
            page,
            purpose: Purpose::Edit {
                etag,
                base: serde_json::to_string(base).expect("texts and days are JSON"),
            },
            written,
        }
    }

    /// A form for a todo as it is.
    pub(super) fn of(list: &ListId, todo: &Todo) -> Self {
        let written = Written::from(&todo.content);
        Self::edit((list, &todo.id), todo.etag.clone(), &todo.content, written)
    }

    pub(super) fn is_new(&self) -> bool {
        matches!(self.purpose, Purpose::Add { .. })
    }
}
