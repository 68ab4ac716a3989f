//! What has happened to a list.

use std::fmt;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Invalid, ListId};

/// The id of an event: also that of its message and of its entry in the activity,
/// so that whoever meets it again knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct EventId(pub(crate) Uuid);

impl EventId {
    pub(crate) fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that has happened to a list, once and for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: EventId,
    pub(crate) list: ListId,
    /// Its place among the events of its list, from 1. Messages come in any
    /// order; readers order by this.
    pub(crate) sequence: u64,
    pub(crate) kind: EventKind,
    /// The todo or the attachment; nil when it is the list itself.
    pub(crate) subject: Uuid,
    /// The title, or the file's name.
    pub(crate) text: String,
    pub(crate) at: OffsetDateTime,
    /// The trace that it belongs to, as a W3C `traceparent`.
    pub(crate) trace: Option<String>,
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    ListCreated,
    ListRenamed,
    TodoAdded,
    TodoEdited,
    TodoCompleted,
    TodoReopened,
    TodoDeleted,
    AttachmentAdded,
    AttachmentReady,
    AttachmentFailed,
}

impl EventKind {
    const ALL: [Self; 10] = [
        Self::ListCreated,
        Self::ListRenamed,
        Self::TodoAdded,
        Self::TodoEdited,
        Self::TodoCompleted,
        Self::TodoReopened,
        Self::TodoDeleted,
        Self::AttachmentAdded,
        Self::AttachmentReady,
        Self::AttachmentFailed,
    ];

    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(Invalid("the type is not one of an event"))
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ListCreated => "list.created",
            Self::ListRenamed => "list.renamed",
            Self::TodoAdded => "todo.added",
            Self::TodoEdited => "todo.edited",
            Self::TodoCompleted => "todo.completed",
            Self::TodoReopened => "todo.reopened",
            Self::TodoDeleted => "todo.deleted",
            Self::AttachmentAdded => "attachment.added",
            Self::AttachmentReady => "attachment.ready",
            Self::AttachmentFailed => "attachment.failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_as_it_is_written() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Ok(kind));
        }
        assert_eq!(
            EventKind::parse("todo.eaten"),
            Err(Invalid("the type is not one of an event"))
        );
    }
}
