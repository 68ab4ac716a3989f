//! A todo as somebody has it in a form: it may not be saved yet, and it may be
//! impossible to save.

use serde::Deserialize;

use crate::backend::Content;
use crate::pages::form::{lines, ticked};
use crate::pages::text::{Mistake, notes, title};
use crate::pages::words::{iso_day, parse_day};

/// The fields of a todo, letter by letter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    pub(super) title: String,
    #[serde(default, deserialize_with = "lines")]
    pub(super) notes: String,
    /// `2026-12-24`, or empty.
    #[serde(default)]
    pub(super) due_on: String,
    #[serde(default, deserialize_with = "ticked")]
    pub(super) done: bool,
}

impl Written {
    /// What it comes to.
    pub(super) fn content(&self) -> Result<Content, Mistake> {
        let due_on = match self.due_on.trim() {
            "" => None,
            day => Some(parse_day(day).ok_or(Mistake::NoDay)?),
        };
        Ok(Content {
            title: title(&self.title)?.to_owned(),
            notes: notes(&self.notes)?.to_owned(),
            due_on,
            done: self.done,
        })
    }

    /// Takes over what only the other has changed, since the two began with the
    /// same base. What both have changed stays as it is written here.
    pub(super) fn merged(self, base: &Content, theirs: &Content) -> Self {
        let (base, theirs) = (Self::from(base), Self::from(theirs));
        Self {
            title: pick(self.title, &base.title, theirs.title),
            notes: pick(self.notes, &base.notes, theirs.notes),
            due_on: pick(self.due_on, &base.due_on, theirs.due_on),
            done: pick(self.done, &base.done, theirs.done),
        }
    }
}

fn pick<T: PartialEq>(mine: T, base: &T, theirs: T) -> T {
    if mine == *base { theirs } else { mine }
}

impl From<&Content> for Written {
    fn from(content: &Content) -> Self {
        Self {
            title: content.title.clone(),
            notes: content.notes.clone(),
            due_on: content.due_on.map(iso_day).unwrap_or_default(),
            done: content.done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    fn written(title: &str, notes: &str, due_on: &str, done: bool) -> Written {
        Written {
            title: title.to_owned(),
            notes: notes.to_owned(),
            due_on: due_on.to_owned(),
            done,
        }
    }

    fn content(written: &Written) -> Content {
        written.content().expect("a todo")
    }

    #[test]
    fn what_is_written_comes_to_a_todo_or_to_a_mistake() {
        let todo = content(&written(" Milk ", "two\nlines", "2026-12-24", true));

        assert_eq!(todo.title, "Milk");
        assert_eq!(todo.notes, "two\nlines");
        assert_eq!(todo.due_on, Some(date!(2026 - 12 - 24)));
        assert!(todo.done);
        for (written, mistake) in [
            (written(" ", "", "", false), Mistake::NoTitle),
            (written("x", "", "24.12.", false), Mistake::NoDay),
        ] {
            assert_eq!(written.content(), Err(mistake));
        }
    }

    #[test]
    fn what_only_the_other_has_changed_is_taken_over() {
        let base = content(&written("Milk", "", "", false));
        let theirs = content(&written("Milk", "oat", "2026-12-24", true));

        let mine = written("Cheese", "", "", false).merged(&base, &theirs);

        assert_eq!(mine, written("Cheese", "oat", "2026-12-24", true));
    }

    #[test]
    fn what_both_have_changed_stays_mine() {
        let base = content(&written("Milk", "", "", false));
        let theirs = content(&written("Bread", "white", "", false));

        let mine = written("Cheese", "", "", true).merged(&base, &theirs);

        assert_eq!(mine, written("Cheese", "white", "", true));
    }
}
