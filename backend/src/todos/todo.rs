//! A todo and what may be done to it.

use time::OffsetDateTime;

use super::{EventKind, ListId, Outcome, Title, TodoId};

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Todo {
    pub(crate) id: TodoId,
    pub(crate) list: ListId,
    pub(crate) title: Title,
    pub(crate) done: bool,
    pub(crate) created_at: OffsetDateTime,
    /// It stays in the store, so that a deletion that is repeated is none.
    pub(crate) deleted: bool,
}

/// The todo is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the todo has been deleted")]
pub(crate) struct Deleted;

impl Todo {
    pub(crate) fn new(id: TodoId, list: ListId, title: Title, at: OffsetDateTime) -> Self {
        Self {
            id,
            list,
            title,
            done: false,
            created_at: at,
            deleted: false,
        }
    }

    pub(crate) fn complete(self) -> Result<Outcome<Self>, Deleted> {
        if self.deleted {
            return Err(Deleted);
        }
        if self.done {
            return Ok(Outcome::Unchanged);
        }
        Ok(Outcome::Changed {
            now: Self { done: true, ..self },
            event: EventKind::TodoCompleted,
        })
    }

    pub(crate) fn delete(self) -> Outcome<Self> {
        if self.deleted {
            return Outcome::Unchanged;
        }
        Outcome::Changed {
            now: Self {
                deleted: true,
                ..self
            },
            event: EventKind::TodoDeleted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::todo;
    use super::*;

    #[test]
    fn what_may_be_done_to_a_todo() {
        let open = todo();
        let done = Todo {
            done: true,
            ..todo()
        };
        let deleted = Todo {
            deleted: true,
            ..todo()
        };

        assert_eq!(
            open.clone().complete(),
            Ok(Outcome::Changed {
                now: done.clone(),
                event: EventKind::TodoCompleted
            })
        );
        assert_eq!(done.clone().complete(), Ok(Outcome::Unchanged));
        assert_eq!(deleted.clone().complete(), Err(Deleted));

        assert_eq!(
            open.delete(),
            Outcome::Changed {
                now: deleted.clone(),
                event: EventKind::TodoDeleted
            }
        );
        assert!(matches!(
            done.delete(),
            Outcome::Changed {
                now: Todo { done: true, .. },
                ..
            }
        ));
        assert_eq!(deleted.delete(), Outcome::Unchanged);
    }
}
