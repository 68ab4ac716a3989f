//! The domain: lists, todos, attachments, and the events that their changes are.
//!
//! What may be done to each, and what it then is. Nothing here reads or writes
//! anything, and nothing here knows how any of it is stored or sent.

mod attachment;
mod event;
mod list;
mod text;
mod todo;

use std::fmt;

use uuid::Uuid;

pub(crate) use attachment::{Attachment, Contents, Finding, MOST_ATTACHMENTS, Status};
pub(crate) use event::{Event, EventId, EventKind};
pub(crate) use list::{List, ListId};
pub(crate) use text::{ContentType, DueDate, FileName, Invalid, ListName, Notes, Title};
pub(crate) use todo::{Deleted, Edit, NewDueDate, Todo};

/// The id of a todo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TodoId(pub(crate) Uuid);

/// The id of an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AttachmentId(pub(crate) Uuid);

impl fmt::Display for TodoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the request said that made something, in short: a repeat of it under the
/// same idempotency key says the same. `None` when it had no key.
pub(crate) type Fingerprint = Option<Uuid>;

/// What a command makes of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// It is another now, and that is an event.
    Changed {
        /// What it is now.
        now: T,
        /// What has happened.
        event: EventKind,
    },
    /// It was so already: a command that is repeated changes nothing.
    Unchanged,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use time::macros::datetime;

    pub(crate) fn list() -> List {
        List::inbox(datetime!(2026-11-01 08:00 UTC))
    }

    pub(crate) fn todo() -> Todo {
        Todo::new(
            TodoId(Uuid::from_u128(1)),
            list().id,
            Title::parse("Buy milk").expect("a title"),
            datetime!(2026-11-23 22:05:07 UTC),
        )
    }

    /// The attachment of that todo.
    pub(crate) fn attachment(status: Status) -> Attachment {
        Attachment {
            status,
            ..Attachment::new(
                AttachmentId(Uuid::from_u128(2)),
                (todo().list, todo().id),
                (
                    FileName::parse("cat.png").expect("a name"),
                    ContentType::parse("image/png").expect("a media type"),
                ),
                datetime!(2026-11-23 22:05:07 UTC),
            )
        }
    }

    pub(crate) fn contents() -> Contents {
        Contents {
            size_bytes: 3,
            sha256: "ba78".to_owned(),
            detected_type: "image/png".to_owned(),
        }
    }
}
