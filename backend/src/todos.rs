//! The domain: lists, todos, attachments, and the events that their changes are.
//!
//! What may be done to each, and what it then is. Nothing here reads or writes
//! anything, and nothing here knows how any of it is stored or sent.

mod attachment;
mod event;
mod text;
mod todo;

use std::fmt;

use uuid::Uuid;

pub(crate) use attachment::{Attachment, Contents, Finding, Status};
pub(crate) use event::{Event, EventId, EventKind};
pub(crate) use text::{ContentType, FileName, Invalid, ListId, Title};
pub(crate) use todo::{Deleted, Todo};

/// The list that everybody starts with.
pub(crate) const INBOX: &str = "inbox";

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

/// A list: what gives the events of its todos their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) id: ListId,
    pub(crate) name: String,
    /// The number of the last event; 0 before the first.
    pub(crate) sequence: u64,
}

impl List {
    /// A list in which nothing has happened yet.
    pub(crate) fn new(id: ListId) -> Self {
        let name = if id.as_str() == INBOX {
            "Inbox".to_owned()
        } else {
            id.as_str().to_owned()
        };
        Self {
            id,
            name,
            sequence: 0,
        }
    }

    /// The list after one more event.
    pub(crate) fn advanced(self) -> Self {
        Self {
            sequence: self.sequence + 1,
            ..self
        }
    }
}

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

    pub(crate) fn todo() -> Todo {
        Todo::new(
            TodoId(Uuid::from_u128(1)),
            ListId::parse(INBOX).expect("a list"),
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

    #[test]
    fn a_list_counts_its_events_from_one() {
        let list = List::new(ListId::parse(INBOX).expect("a list"));

        let list = list.advanced().advanced();

        assert_eq!(list.sequence, 2);
        assert_eq!(list.name, "Inbox");
    }
}
