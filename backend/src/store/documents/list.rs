//! A list as a document of its own partition, and as an entry of the catalogue,
//! which is a partition too: so that both are read within one.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Document, Kept, Subject};
use crate::instant;
use crate::store::place::{Place, Placed};
use crate::store::{ListEntry, Thing};
use crate::todos::{Invalid, List, ListId, ListName};

/// The id of the document that counts a list's events.
pub(crate) const LIST: &str = "list";

/// The partition of the catalogue: no list has such an id.
pub(crate) const CATALOGUE: &str = ":lists";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListDocument {
    id: String,
    list_id: String,
    name: String,
    #[serde(with = "instant")]
    created_at: OffsetDateTime,
    revision: u64,
    sequence: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Uuid>,
}

/// Its id is that of the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryDocument {
    id: String,
    list_id: String,
    /// For the order of pages.
    place: String,
    name: String,
    #[serde(with = "instant")]
    created_at: OffsetDateTime,
    revision: u64,
}

impl Subject for List {
    fn subject(&self) -> Uuid {
        Uuid::nil()
    }

    fn text(&self) -> &str {
        self.name.as_str()
    }
}

impl Kept for List {
    const THING: Thing = Thing::List;

    fn id(&self) -> String {
        LIST.to_owned()
    }

    fn document(&self) -> Document {
        Document::List(ListDocument {
            id: LIST.to_owned(),
            list_id: self.id.to_string(),
            name: self.name.as_str().to_owned(),
            created_at: self.created_at,
            revision: self.revision,
            sequence: self.sequence,
            fingerprint: self.fingerprint,
        })
    }

    fn from_document(document: Document) -> Option<Result<Self, Invalid>> {
        match document {
            Document::List(document) => Some(document.try_into()),
            _ => None,
        }
    }
}

impl TryFrom<ListDocument> for List {
    type Error = Invalid;

    fn try_from(document: ListDocument) -> Result<Self, Invalid> {
        Ok(Self {
            id: ListId::parse(&document.list_id)?,
            name: ListName::parse(&document.name)?,
            created_at: document.created_at,
            revision: document.revision,
            sequence: document.sequence,
            fingerprint: document.fingerprint,
        })
    }
}

/// The newest list first, after the one that everybody starts with.
impl Placed for ListEntry {
    fn place(&self) -> Place {
        match self.id.uuid() {
            Some(id) => Place::new(self.created_at, id),
            None => Place::FIRST,
        }
    }
}

impl Kept for ListEntry {
    const THING: Thing = Thing::List;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn document(&self) -> Document {
        Document::Entry(EntryDocument {
            id: self.id.to_string(),
            list_id: CATALOGUE.to_owned(),
            place: self.place().to_string(),
            name: self.name.as_str().to_owned(),
            created_at: self.created_at,
            revision: self.revision,
        })
    }

    fn from_document(document: Document) -> Option<Result<Self, Invalid>> {
        match document {
            Document::Entry(document) => Some(document.try_into()),
            _ => None,
        }
    }
}

impl TryFrom<EntryDocument> for ListEntry {
    type Error = Invalid;

    fn try_from(document: EntryDocument) -> Result<Self, Invalid> {
        Ok(Self {
            id: ListId::parse(&document.id)?,
            name: ListName::parse(&document.name)?,
            created_at: document.created_at,
            revision: document.revision,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stored;
    use super::*;
    use crate::todos::tests::list;
    use serde_json::json;

    fn home() -> List {
        List {
            id: ListId::new(Uuid::from_u128(5)),
            fingerprint: Some(Uuid::from_u128(3)),
            ..list()
        }
    }

    #[test]
    fn a_list_is_read_as_it_is_written() {
        for written in [list().advanced(), home()] {
            let stored = stored(&written.document());

            assert_eq!(List::from_document(stored.document), Some(Ok(written)));
        }
    }

    #[test]
    fn an_entry_has_what_a_page_of_lists_shows() {
        let entry = ListEntry::from(&home());

        let document = entry.document();

        assert_eq!(
            serde_json::to_value(&document).expect("JSON"),
            json!({
                "kind": "entry",
                "id": "00000000-0000-0000-0000-000000000005",
                "listId": ":lists",
                "place": "00065f326a7f600000000000000000000000000000000005",
                "name": "Inbox",
                "createdAt": "2026-11-01T08:00:00.000000Z",
                "revision": 1
            })
        );
        assert_eq!(
            ListEntry::from_document(stored(&document).document),
            Some(Ok(entry))
        );
    }

    #[test]
    fn the_inbox_stands_before_any_other_list() {
        assert!(ListEntry::from(&list()).place() > ListEntry::from(&home()).place());
    }
}
