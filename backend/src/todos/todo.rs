//! A todo and what may be done to it.

use time::OffsetDateTime;

use super::{DueDate, EventKind, Fingerprint, ListId, Notes, Outcome, Title, TodoId};

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Todo {
    pub(crate) id: TodoId,
    pub(crate) list: ListId,
    pub(crate) title: Title,
    pub(crate) notes: Notes,
    pub(crate) due_on: Option<DueDate>,
    pub(crate) done: bool,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) updated_at: OffsetDateTime,
    /// It stays in the store, so that a deletion that is repeated is none.
    pub(crate) deleted: bool,
    pub(crate) fingerprint: Fingerprint,
}

/// What somebody wants to be otherwise about a todo; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) title: Option<Title>,
    pub(crate) notes: Option<Notes>,
    pub(crate) due_on: NewDueDate,
    pub(crate) done: Option<bool>,
}

/// What is to become of a due date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum NewDueDate {
    /// Whatever it is already.
    #[default]
    Same,
    /// There is to be none.
    Never,
    /// This one.
    On(DueDate),
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
            notes: Notes::default(),
            due_on: None,
            done: false,
            created_at: at,
            updated_at: at,
            deleted: false,
            fingerprint: None,
        }
    }

    /// One edit is one event. That a todo is done, or is not any more, says more
    /// than what else has changed with it.
    pub(crate) fn edit(self, edit: &Edit, at: OffsetDateTime) -> Result<Outcome<Self>, Deleted> {
        if self.deleted {
            return Err(Deleted);
        }
        let mut now = self.clone();
        now.title = edit.title.clone().unwrap_or(now.title);
        now.notes = edit.notes.clone().unwrap_or(now.notes);
        now.due_on = match edit.due_on {
            NewDueDate::Same => now.due_on,
            NewDueDate::Never => None,
            NewDueDate::On(day) => Some(day),
        };
        now.done = edit.done.unwrap_or(now.done);
        if now == self {
            return Ok(Outcome::Unchanged);
        }
        let event = match (self.done, now.done) {
            (false, true) => EventKind::TodoCompleted,
            (true, false) => EventKind::TodoReopened,
            _ => EventKind::TodoEdited,
        };
        now.updated_at = at;
        Ok(Outcome::Changed { now, event })
    }

    pub(crate) fn delete(self, at: OffsetDateTime) -> Outcome<Self> {
        if self.deleted {
            return Outcome::Unchanged;
        }
        Outcome::Changed {
            now: Self {
                deleted: true,
                updated_at: at,
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
    use time::macros::datetime;

    const LATER: OffsetDateTime = datetime!(2026-11-24 08:00 UTC);

    fn title(text: &str) -> Title {
        Title::parse(text).expect("a title")
    }

    #[test]
    fn an_edit_is_called_after_what_says_most() {
        let day = DueDate::parse("2026-12-24").expect("a day");
        let done = || Todo {
            done: true,
            ..todo()
        };
        for (before, edit, now, event) in [
            (
                todo(),
                Edit {
                    title: Some(title("Buy oat milk")),
                    due_on: NewDueDate::On(day),
                    ..Edit::default()
                },
                Todo {
                    title: title("Buy oat milk"),
                    due_on: Some(day),
                    ..todo()
                },
                EventKind::TodoEdited,
            ),
            (
                todo(),
                Edit {
                    notes: Some(Notes::parse("Two litres").expect("notes")),
                    done: Some(true),
                    ..Edit::default()
                },
                Todo {
                    notes: Notes::parse("Two litres").expect("notes"),
                    ..done()
                },
                EventKind::TodoCompleted,
            ),
            (
                done(),
                Edit {
                    done: Some(false),
                    ..Edit::default()
                },
                todo(),
                EventKind::TodoReopened,
            ),
        ] {
            let outcome = before.edit(&edit, LATER).expect("it is there");

            let now = Todo {
                updated_at: LATER,
                ..now
            };
            assert_eq!(outcome, Outcome::Changed { now, event });
        }
    }

    #[test]
    fn a_due_date_is_kept_replaced_or_taken_away() {
        let due = Todo {
            due_on: DueDate::parse("2026-12-24").ok(),
            ..todo()
        };
        let cleared = Edit {
            due_on: NewDueDate::Never,
            ..Edit::default()
        };

        assert_eq!(
            due.clone().edit(&Edit::default(), LATER),
            Ok(Outcome::Unchanged)
        );
        assert_eq!(
            due.edit(&cleared, LATER),
            Ok(Outcome::Changed {
                now: Todo {
                    updated_at: LATER,
                    ..todo()
                },
                event: EventKind::TodoEdited
            })
        );
        assert_eq!(todo().edit(&cleared, LATER), Ok(Outcome::Unchanged));
    }

    #[test]
    fn what_is_deleted_is_not_edited_and_not_deleted_again() {
        let deleted = Todo {
            deleted: true,
            updated_at: LATER,
            ..todo()
        };

        assert_eq!(
            todo().delete(LATER),
            Outcome::Changed {
                now: deleted.clone(),
                event: EventKind::TodoDeleted
            }
        );
        assert_eq!(deleted.clone().delete(LATER), Outcome::Unchanged);
        assert_eq!(deleted.edit(&Edit::default(), LATER), Err(Deleted));
    }
}
