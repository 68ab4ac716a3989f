//! Pages of things within one partition, the newest first, each beginning after
//! the last place of the one before.

use azure_data_cosmos::{FeedScope, Query};

use super::documents::{CATALOGUE, Kept};
use super::place::{Place, Placed};
use super::{ListEntry, Store, StoreError, Stored, Versioned};
use crate::todos::{Attachment, ListId, Todo, TodoId};

/// A page of things, and where the next one begins; `None` after the last.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<Place>,
}

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paging {
    /// The most things on it.
    pub(crate) limit: usize,
    /// The last place of the page before; `None` for the first.
    pub(crate) after: Option<Place>,
}

impl<T: Placed> Page<T> {
    /// A page of what was found when one thing more was asked for than the page
    /// may have.
    fn new(mut items: Vec<T>, limit: usize) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(Placed::place);
        Self { items, next }
    }
}

/// What pages are made of: documents of one kind in one partition.
#[derive(Clone, Copy)]
struct Of<'a> {
    partition: &'a str,
    /// A condition on documents `c`.
    condition: &'static str,
    /// Only what belongs to this todo.
    todo: Option<TodoId>,
}

impl Of<'_> {
    /// One property orders, and one bounds: the index that every container has
    /// does for both.
    fn query(self, paging: Paging) -> azure_data_cosmos::Result<Query> {
        let Paging { limit, after } = paging;
        let mut query = format!(
            "SELECT TOP {} * FROM c WHERE c.listId = @partition AND {}",
            limit + 1,
            self.condition
        );
        if self.todo.is_some() {
            query.push_str(" AND c.todoId = @todo");
        }
        if after.is_some() {
            query.push_str(" AND c.place < @after");
        }
        query.push_str(" ORDER BY c.place DESC");

        let mut query = Query::from(query).with_parameter("@partition", self.partition)?;
        if let Some(todo) = self.todo {
            query = query.with_parameter("@todo", todo.to_string())?;
        }
        if let Some(after) = after {
            query = query.with_parameter("@after", after)?;
        }
        Ok(query)
    }
}

impl Store {
    /// The lists of the catalogue: the inbox, and then the newest first.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn lists(
        &self,
        paging: Paging,
    ) -> Result<Page<Versioned<ListEntry>>, StoreError> {
        let entries = Of {
            partition: CATALOGUE,
            condition: "c.kind = 'entry'",
            todo: None,
        };
        self.page("query the catalogue", entries, paging).await
    }

    /// The todos of a list that are not deleted.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn todos(
        &self,
        list: &ListId,
        paging: Paging,
    ) -> Result<Page<Versioned<Todo>>, StoreError> {
        let todos = Of {
            partition: list.as_str(),
            condition: "c.kind = 'todo' AND c.deleted = false",
            todo: None,
        };
        let page = self.page("query the todos of a list", todos, paging);
        self.unless_unknown(list, page.await?).await
    }

    /// The attachments of a list, or only those of one of its todos.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn attachments(
        &self,
        list: &ListId,
        todo: Option<TodoId>,
        paging: Paging,
    ) -> Result<Page<Versioned<Attachment>>, StoreError> {
        let attachments = Of {
            partition: list.as_str(),
            condition: "c.kind = 'attachment'",
            todo,
        };
        let page = self.page("query the attachments of a list", attachments, paging);
        self.unless_unknown(list, page.await?).await
    }

    async fn page<T: Kept + Placed>(
        &self,
        operation: &'static str,
        of: Of<'_>,
        paging: Paging,
    ) -> Result<Page<Versioned<T>>, StoreError> {
        let query = of.query(paging).map_err(StoreError::during(operation))?;
        let scope = FeedScope::partition(of.partition.to_owned());
        let stored = self.query(operation, query, scope, paging.limit + 1);
        let items: Result<_, _> = stored
            .await?
            .into_iter()
            .filter_map(Stored::thing)
            .collect();
        Ok(Page::new(items?, paging.limit))
    }

    /// A page that has something is that of a list that there is; one that has
    /// nothing may not be.
    async fn unless_unknown<T>(&self, list: &ListId, page: Page<T>) -> Result<Page<T>, StoreError> {
        if page.items.is_empty() {
            self.list(list).await?;
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::todos::tests::todo;
    use time::macros::datetime;
    use uuid::Uuid;

    impl Placed for u128 {
        fn place(&self) -> Place {
            Place::new(datetime!(2026-11-23 22:05:07 UTC), Uuid::from_u128(*self))
        }
    }

    #[test]
    fn there_is_a_next_page_only_if_there_was_one_thing_more() {
        let full = Page::new(vec![3_u128, 2, 1], 2);

        assert_eq!(full.items, [3, 2]);
        assert_eq!(full.next, Some(2.place()));
        assert_eq!(Page::new(vec![2_u128, 1], 2).next, None);
        assert_eq!(Page::<u128>::new(vec![], 2).next, None);
    }

    #[test]
    fn a_page_is_asked_for_with_parameters_alone() {
        let of = Of {
            partition: "inbox",
            condition: "c.kind = 'attachment'",
            todo: Some(todo().id),
        };
        let after = Some(7.place());

        let query = of.query(Paging { limit: 50, after }).expect("a query");

        assert_eq!(
            serde_json::to_value(&query).expect("JSON"),
            serde_json::json!({
                "query": "SELECT TOP 51 * FROM c WHERE c.listId = @partition \
                    AND c.kind = 'attachment' AND c.todoId = @todo AND c.place < @after \
                    ORDER BY c.place DESC",
                "parameters": [
                    { "name": "@partition", "value": "inbox" },
                    { "name": "@todo", "value": todo().id.to_string() },
                    { "name": "@after", "value": 7.place().to_string() }
                ]
            })
        );
    }
}
