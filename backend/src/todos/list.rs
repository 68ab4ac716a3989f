//! A list: what gives the events of its todos their order.

use std::fmt;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{EventKind, Fingerprint, Invalid, ListName, Outcome};

/// The list that everybody starts with.
const INBOX: &str = "inbox";

/// The id of a list: `inbox`, or a UUID in lower case. It is part of paths, of
/// partition keys and of the names of blobs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ListId(String);

impl ListId {
    /// The list that everybody starts with.
    pub(crate) fn inbox() -> Self {
        Self(INBOX.to_owned())
    }

    pub(crate) fn new(id: Uuid) -> Self {
        Self(id.to_string())
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        if text == INBOX || is_uuid(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid("a list's id is inbox or a UUID"))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a number; `None` for the inbox.
    pub(crate) fn uuid(&self) -> Option<Uuid> {
        Uuid::parse_str(&self.0).ok()
    }
}

/// Whether it is a UUID as this program writes them.
fn is_uuid(text: &str) -> bool {
    Uuid::parse_str(text).is_ok_and(|id| id.to_string() == text)
}

impl fmt::Display for ListId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) id: ListId,
    pub(crate) name: ListName,
    pub(crate) created_at: OffsetDateTime,
    /// Which version of the list itself this is, from 1: only a rename makes
    /// another.
    pub(crate) revision: u64,
    /// The number of its last event; 0 before the first.
    pub(crate) sequence: u64,
    pub(crate) fingerprint: Fingerprint,
}

impl List {
    pub(crate) fn new(id: ListId, name: ListName, at: OffsetDateTime) -> Self {
        Self {
            id,
            name,
            created_at: at,
            revision: 1,
            sequence: 0,
            fingerprint: None,
        }
    }

    /// The list that everybody starts with.
    pub(crate) fn inbox(at: OffsetDateTime) -> Self {
        let name = ListName::parse("Inbox").expect("the constant is a name");
        Self::new(ListId::inbox(), name, at)
    }

    /// The list after one more event.
    pub(crate) fn advanced(self) -> Self {
        Self {
            sequence: self.sequence + 1,
            ..self
        }
    }

    pub(crate) fn rename(self, name: ListName) -> Outcome<Self> {
        if self.name == name {
            return Outcome::Unchanged;
        }
        Outcome::Changed {
            now: Self {
                name,
                revision: self.revision + 1,
                ..self
            },
            event: EventKind::ListRenamed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::list;
    use super::*;

    fn named(name: &str) -> ListName {
        ListName::parse(name).expect("a name")
    }

    #[test]
    fn a_lists_id_is_inbox_or_a_uuid_in_its_usual_form() {
        for sound in ["inbox", "67e55044-10b1-426f-9247-bb680e5fe0c8"] {
            assert_eq!(ListId::parse(sound).map(|id| id.0), Ok(sound.to_owned()));
        }
        for broken in [
            "",
            "Inbox",
            "other",
            ":lists",
            "..",
            "67E55044-10B1-426F-9247-BB680E5FE0C8",
            "67e5504410b1426f9247bb680e5fe0c8",
        ] {
            assert_eq!(
                ListId::parse(broken),
                Err(Invalid("a list's id is inbox or a UUID")),
                "{broken:?}"
            );
        }
    }

    #[test]
    fn a_list_counts_its_events_from_one() {
        assert_eq!(list().advanced().advanced().sequence, 2);
    }

    #[test]
    fn only_another_name_makes_another_revision() {
        let renamed = List {
            name: named("Home"),
            revision: 2,
            ..list()
        };

        assert_eq!(list().rename(named("Inbox")), Outcome::Unchanged);
        assert_eq!(
            list().rename(named("Home")),
            Outcome::Changed {
                now: renamed,
                event: EventKind::ListRenamed
            }
        );
    }
}
