//! The store: Cosmos DB's containers `todos` and `activity`.
//!
//! Reads and queries stay within one list's partition, or that of the catalogue,
//! except for the two sweeps, which say so. Every query has parameters and a
//! bound; every write names the version that it replaces. A change, its event and
//! the list's count are one transaction (`store/transaction.rs`).
//!
//! Azure: *Transactional batch operations in Azure Cosmos DB*; *Optimistic
//! concurrency control*.

mod activity;
mod catalogue;
mod documents;
mod error;
mod leftovers;
mod outbox;
mod pages;
mod place;
mod transaction;

use azure_core::http::Etag;
use azure_data_cosmos::options::{ItemWriteOptions, Precondition};
use azure_data_cosmos::{ContainerClient, CosmosError, FeedScope, Query};
use futures::{StreamExt as _, TryStreamExt as _};
use platform::azure::{AzureFailure, Clients};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

pub(crate) use catalogue::ListEntry;
#[cfg(test)]
pub(crate) use error::tests;
pub(crate) use error::{StoreError, Thing};
pub(crate) use pages::{Page, Paging};
pub(crate) use place::Place;
pub(crate) use transaction::Committed;

use crate::instant;
use crate::todos::{Attachment, AttachmentId, List, ListId, Todo, TodoId};
use documents::{Kept, LIST, Stored};
use place::Placed;

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

impl<T: Placed> Placed for Versioned<T> {
    fn place(&self) -> Place {
        self.value.place()
    }
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

    /// A list.
    // Identity backend or worker, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn list(&self, id: &ListId) -> Result<Versioned<List>, StoreError> {
        let found = self.read(id.as_str(), LIST).await?;
        found.ok_or(StoreError::NotThere(Thing::List))
    }

    /// A todo that is not deleted: one point read.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn todo(
        &self,
        list: &ListId,
        id: TodoId,
    ) -> Result<Versioned<Todo>, StoreError> {
        let found = self.read::<Todo>(list.as_str(), &id.to_string()).await?;
        found
            .filter(|todo| !todo.value.deleted)
            .ok_or(StoreError::NotThere(Thing::Todo))
    }

    /// An attachment; `None` when it has never been announced.
    // Identity backend or worker, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn attachment(
        &self,
        list: &ListId,
        id: AttachmentId,
    ) -> Result<Option<Attachment>, StoreError> {
        let found = self.read(list.as_str(), &id.to_string()).await?;
        Ok(found.map(|found| found.value))
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
        let stored: Vec<Stored> = self
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

    /// A thing by its partition and id; `None` also when the id is that of
    /// something else.
    async fn read<T: Kept>(
        &self,
        partition: &str,
        id: &str,
    ) -> Result<Option<Versioned<T>>, StoreError> {
        let during = StoreError::during("read a document");
        let container = self.container().await?;
        match container.read_item(partition.to_owned(), id, None).await {
            Ok(response) => {
                let stored: Stored = response.into_model().map_err(during)?;
                stored.thing().transpose()
            }
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(during(error)),
        }
    }

    async fn query<T: DeserializeOwned + Send + 'static>(
        &self,
        operation: &'static str,
        query: Query,
        scope: FeedScope,
        most: usize,
    ) -> Result<Vec<T>, StoreError> {
        let during = StoreError::during(operation);
        let container = self.container().await?;
        let items = container.query_items::<T>(query, scope, None).await;
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

impl Stored {
    /// What the document is of; `None` when that is something else.
    fn thing<T: Kept>(self) -> Option<Result<Versioned<T>, StoreError>> {
        let Self { etag, document } = self;
        let value = T::from_document(document)?;
        Some(
            value
                .map(|value| Versioned { value, etag })
                .map_err(|source| StoreError::Document(T::THING, source)),
        )
    }
}

/// Only if it is still this version.
fn only_if(etag: Etag) -> ItemWriteOptions {
    ItemWriteOptions::default().with_precondition(Precondition::IfMatch(etag))
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
