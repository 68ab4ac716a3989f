//! A todo as a document.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Document, Kept, Subject};
use crate::instant;
use crate::store::Thing;
use crate::store::place::{Place, Placed};
use crate::todos::{DueDate, Invalid, ListId, Notes, Title, Todo, TodoId};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TodoDocument {
    id: Uuid,
    list_id: String,
    /// For the order of pages.
    place: String,
    title: String,
    notes: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_on: Option<String>,
    done: bool,
    #[serde(with = "instant")]
    created_at: OffsetDateTime,
    #[serde(with = "instant")]
    updated_at: OffsetDateTime,
    deleted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Uuid>,
}

impl Placed for Todo {
    fn place(&self) -> Place {
        Place::new(self.created_at, self.id.0)
    }
}

impl Subject for Todo {
    fn subject(&self) -> Uuid {
        self.id.0
    }

    fn text(&self) -> &str {
        self.title.as_str()
    }
}

impl Kept for Todo {
    const THING: Thing = Thing::Todo;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn document(&self) -> Document {
        Document::Todo(TodoDocument {
            id: self.id.0,
            list_id: self.list.to_string(),
            place: self.place().to_string(),
            title: self.title.as_str().to_owned(),
            notes: self.notes.as_str().to_owned(),
            due_on: self.due_on.map(|day| day.to_string()),
            done: self.done,
            created_at: self.created_at,
            updated_at: self.updated_at,
            deleted: self.deleted,
            fingerprint: self.fingerprint,
        })
    }

    fn from_document(document: Document) -> Option<Result<Self, Invalid>> {
        match document {
            Document::Todo(document) => Some(document.try_into()),
            _ => None,
        }
    }
}

impl TryFrom<TodoDocument> for Todo {
    type Error = Invalid;

    fn try_from(document: TodoDocument) -> Result<Self, Invalid> {
        let due_on = document.due_on.as_deref().map(DueDate::parse);
        Ok(Self {
            id: TodoId(document.id),
            list: ListId::parse(&document.list_id)?,
            title: Title::parse(&document.title)?,
            notes: Notes::parse(&document.notes)?,
            due_on: due_on.transpose()?,
            done: document.done,
            created_at: document.created_at,
            updated_at: document.updated_at,
            deleted: document.deleted,
            fingerprint: document.fingerprint,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stored;
    use super::*;
    use crate::todos::tests::todo;
    use serde_json::json;

    fn full() -> Todo {
        Todo {
            notes: Notes::parse("Two litres").expect("notes"),
            due_on: DueDate::parse("2026-12-24").ok(),
            fingerprint: Some(Uuid::from_u128(3)),
            ..todo()
        }
    }

    #[test]
    fn a_todo_is_written_with_its_kind_its_partition_and_its_place() {
        let document = serde_json::to_value(full().document()).expect("JSON");

        assert_eq!(
            document,
            json!({
                "kind": "todo",
                "id": "00000000-0000-0000-0000-000000000001",
                "listId": "inbox",
                "place": "000660f8c9610ac000000000000000000000000000000001",
                "title": "Buy milk",
                "notes": "Two litres",
                "dueOn": "2026-12-24",
                "done": false,
                "createdAt": "2026-11-23T22:05:07.000000Z",
                "updatedAt": "2026-11-23T22:05:07.000000Z",
                "deleted": false,
                "fingerprint": "00000000-0000-0000-0000-000000000003"
            })
        );
    }

    #[test]
    fn a_todo_is_read_as_it_is_written() {
        for written in [todo(), full()] {
            let stored = stored(&written.document());

            assert_eq!(Todo::from_document(stored.document), Some(Ok(written)));
        }
    }

    #[test]
    fn a_document_that_somebody_else_wrote_is_not_believed() {
        let Document::Todo(document) = todo().document() else {
            panic!("a todo has a todo's document");
        };
        let document = Document::Todo(TodoDocument {
            title: String::new(),
            ..document
        });

        assert_eq!(
            Todo::from_document(document),
            Some(Err(Invalid("a title must not be empty")))
        );
    }
}
