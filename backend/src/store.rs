//! The store: Cosmos DB's containers `todos` and `activity`.
//!
//! Reads and queries stay within one list's partition, except for the two sweeps,
//! which say so. Every query has parameters and a bound; every write names the
//! version that it replaces. A change, its event and the list's count are one
//! transaction (`store/transaction.rs`).
//!
//! Azure: *Transactional batch operations in Azure Cosmos DB*; *Optimistic
//! concurrency control*.

mod activity;
mod documents;
mod error;
mod leftovers;
mod outbox;
mod transaction;

use azure_core::http::Etag;
use azure_data_cosmos::{ContainerClient, CosmosError, FeedScope, Query};
use futures::{StreamExt as _, TryStreamExt as _};
use platform::azure::{AzureFailure, Clients};
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) use error::StoreError;
#[cfg(test)]
pub(crate) use error::tests;
pub(crate) use transaction::Committed;

use crate::instant;
use crate::todos::{Attachment, AttachmentId, Invalid, List, ListId, Todo, TodoId};
use documents::{Document, LIST, Stored, Subject};

/// The most todos that a list shows.
const MOST_TODOS: usize = 200;

/// The most attachments that a list shows.
const MOST_ATTACHMENTS: usize = 1000;

/// The containers of the workload. A cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    clients: Clients,
}

/// A thing, and which version of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Versioned<T> {
    pub(crate) value: T,
    pub(crate) etag: Etag,
}

impl Store {
    pub(crate) fn new(clients: Clients) -> Self {
        Self { clients }
    }

    /// Opens the container of todos, and is done when this identity may use it.
    // Identity backend or worker, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn open(&self) -> Result<(), AzureFailure> {
        self.clients.todos().await.map(drop)
    }

    /// A list; `None` before its first event.
    // Identity backend or worker, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn list(&self, list: &ListId) -> Result<Option<Versioned<List>>, StoreError> {
        let Some(stored) = self.read_document(list, LIST).await? else {
            return Ok(None);
        };
        let Document::List(document) = stored.document else {
            return Ok(None);
        };
        let value = document
            .try_into()
            .map_err(|source| senseless(list, source))?;
        Ok(Some(Versioned {
            value,
            etag: stored.etag,
        }))
    }

    /// The todos of a list that are not deleted, the newest first.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn todos(&self, list: &ListId) -> Result<Vec<Versioned<Todo>>, StoreError> {
        let query = Query::from(format!(
            "SELECT * FROM c WHERE c.listId = @list AND c.kind = 'todo' AND c.deleted = false \
             ORDER BY c.createdAt DESC OFFSET 0 LIMIT {MOST_TODOS}"
        ))
        .with_parameter("@list", list.as_str())
        .map_err(StoreError::during("ask for the todos of a list"))?;
        let stored = self
            .query("query the todos of a list", query, within(list), MOST_TODOS)
            .await?;
        subjects(list, stored)
    }

    /// The attachments of a list, the newest first.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn attachments(&self, list: &ListId) -> Result<Vec<Attachment>, StoreError> {
        let query = Query::from(format!(
            "SELECT * FROM c WHERE c.listId = @list AND c.kind = 'attachment' \
             ORDER BY c.createdAt DESC OFFSET 0 LIMIT {MOST_ATTACHMENTS}"
        ))
        .with_parameter("@list", list.as_str())
        .map_err(StoreError::during("ask for the attachments of a list"))?;
        let stored = self
            .query(
                "query the attachments of a list",
                query,
                within(list),
                MOST_ATTACHMENTS,
            )
            .await?;
        let attachments: Vec<Versioned<Attachment>> = subjects(list, stored)?;
        Ok(attachments.into_iter().map(|a| a.value).collect())
    }

    /// A todo, also a deleted one; `None` when it has never been there.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn todo(&self, list: &ListId, id: TodoId) -> Result<Option<Todo>, StoreError> {
        Ok(self.read(list, id.0).await?.map(|found| found.value))
    }

    /// An attachment; `None` when it has never been announced.
    // Identity backend or worker, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn attachment(
        &self,
        list: &ListId,
        id: AttachmentId,
    ) -> Result<Option<Attachment>, StoreError> {
        Ok(self.read(list, id.0).await?.map(|found| found.value))
    }

    /// Attachments of any list that were announced before an instant and are
    /// pending still. Across partitions, for the sweep alone: a plain filter.
    // Identity worker, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn pending_since_before(
        &self,
        before: OffsetDateTime,
        most: usize,
    ) -> Result<Vec<Attachment>, StoreError> {
        let query = Query::from(
            "SELECT * FROM c WHERE c.kind = 'attachment' AND c.status = 'pending' \
             AND c.createdAt < @before",
        )
        .with_parameter("@before", instant::text(before))
        .map_err(StoreError::during("ask for pending attachments"))?;
        let stored = self
            .query(
                "query pending attachments",
                query,
                FeedScope::full_container(),
                most,
            )
            .await?;
        Ok(stored
            .into_iter()
            .filter_map(|stored| Attachment::from_document(stored.document)?.ok())
            .collect())
    }

    /// A todo or an attachment by its id; `None` also when the id is that of
    /// something else.
    async fn read<T: Subject>(
        &self,
        list: &ListId,
        id: Uuid,
    ) -> Result<Option<Versioned<T>>, StoreError> {
        let Some(stored) = self.read_document(list, &id.to_string()).await? else {
            return Ok(None);
        };
        match T::from_document(stored.document) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(Versioned {
                value,
                etag: stored.etag,
            })),
            Some(Err(source)) => Err(senseless(list, source)),
        }
    }

    async fn read_document(&self, list: &ListId, id: &str) -> Result<Option<Stored>, StoreError> {
        let during = StoreError::during("read a document");
        let container = self.container().await?;
        match container.read_item(partition(list), id, None).await {
            Ok(response) => response.into_model().map(Some).map_err(during),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(during(error)),
        }
    }

    async fn query(
        &self,
        operation: &'static str,
        query: Query,
        scope: FeedScope,
        most: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let during = StoreError::during(operation);
        let container = self.container().await?;
        let items = container.query_items::<Stored>(query, scope, None).await;
        let items = items.map_err(&during)?.take(most);
        items.try_collect().await.map_err(during)
    }

    async fn container(&self) -> Result<ContainerClient, StoreError> {
        let opened = self.clients.todos().await;
        opened.map_err(|source| StoreError::CosmosDb {
            operation: "open the container of todos",
            source,
        })
    }
}

/// There is no such document. Other kinds of 404 tell nothing about it: that a
/// replica is behind (1002), or that the container is gone (1003).
fn is_absent(error: &CosmosError) -> bool {
    let status = error.status();
    status.is_not_found() && status.sub_status().is_none_or(|sub| sub.value() == 0)
}

/// The partition of a list, as a key of documents.
fn partition(list: &ListId) -> String {
    list.as_str().to_owned()
}

/// The partition of a list, as the scope of a query.
fn within(list: &ListId) -> FeedScope {
    FeedScope::partition(partition(list))
}

fn subjects<T: Subject>(
    list: &ListId,
    stored: Vec<Stored>,
) -> Result<Vec<Versioned<T>>, StoreError> {
    stored
        .into_iter()
        .filter_map(|Stored { etag, document }| {
            let value = T::from_document(document)?;
            Some(
                value
                    .map(|value| Versioned { value, etag })
                    .map_err(|source| senseless(list, source)),
            )
        })
        .collect()
}

fn senseless(list: &ListId, source: Invalid) -> StoreError {
    StoreError::Document {
        list: list.clone(),
        source,
    }
}
