//! What a deleted todo leaves behind, for the worker to remove.

use azure_data_cosmos::{FeedScope, Query};

use super::documents::Stored;
use super::{Store, StoreError, Versioned, is_absent, only_if, partition};
use crate::todos::{Attachment, ListId, TodoId};

/// The most attachments that one query finds.
const MOST: usize = 100;

impl Store {
    /// Attachments of a todo, deleted or not; not all of them when they are many.
    // Identity worker, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn attachments_left_by(
        &self,
        list: &ListId,
        todo: TodoId,
    ) -> Result<Vec<Versioned<Attachment>>, StoreError> {
        let query = Query::from(
            "SELECT * FROM c WHERE c.listId = @list AND c.kind = 'attachment' \
             AND c.todoId = @todo",
        )
        .with_parameter("@list", list.as_str())
        .and_then(|query| query.with_parameter("@todo", todo.to_string()))
        .map_err(StoreError::during("ask for the attachments of a todo"))?;
        let scope = FeedScope::partition(partition(list));
        let stored: Vec<Stored> = self
            .query("query the attachments of a todo", query, scope, MOST)
            .await?;
        stored.into_iter().filter_map(Stored::thing).collect()
    }

    /// Forgets an attachment. That it is gone already is fine; one that somebody
    /// has changed meanwhile stays, and is found again.
    // Identity worker, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn forget_attachment(
        &self,
        attachment: &Versioned<Attachment>,
    ) -> Result<(), StoreError> {
        let Versioned { value, etag } = attachment;
        let container = self.container().await?;
        let deleted = container
            .delete_item(
                partition(&value.list),
                &value.id.to_string(),
                Some(only_if(etag.clone())),
            )
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if is_absent(&error) || error.status().is_precondition_failed() => Ok(()),
            Err(error) => Err(StoreError::during("forget an attachment")(error)),
        }
    }
}
