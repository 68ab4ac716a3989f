//! What goes with a todo that is deleted: the blobs of its attachments, and then
//! their metadata. Whatever breaks this off, the metadata that is still there
//! leads to the rest.

use azure_storage_blob::BlobContainerClient;
use platform::azure::{AzureFailure, Clients};

use super::trouble::Trouble;
use crate::store::Store;
use crate::todos::{ListId, TodoId};

/// Removes what nobody can reach any more.
pub(super) struct Remover {
    store: Store,
    blobs: BlobContainerClient,
}

impl Remover {
    pub(super) fn new(store: Store, clients: &Clients) -> Self {
        Self {
            store,
            blobs: clients.attachments(),
        }
    }

    /// Removes the attachments of a todo, however many they are.
    // Identity worker, Cosmos DB Built-in Data Contributor on container todos.
    // Identity worker, Storage Blob Data Contributor on container attachments.
    pub(super) async fn attachments_of(&self, list: &ListId, todo: TodoId) -> Result<(), Trouble> {
        loop {
            let left = self.store.attachments_left_by(list, todo).await?;
            if left.is_empty() {
                return Ok(());
            }
            for attachment in left {
                self.remove_blob(&attachment.value.blob_name()).await?;
                self.store.forget_attachment(&attachment).await?;
                let id = attachment.value.id;
                tracing::info!(list = %list, attachment = %id, "removed with its todo");
            }
        }
    }

    /// One that is gone, or never came, is fine.
    async fn remove_blob(&self, name: &str) -> Result<(), AzureFailure> {
        let removed = self.blobs.blob_client(name).delete(None).await;
        match removed.map_err(AzureFailure::blob) {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_not_found() => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}
