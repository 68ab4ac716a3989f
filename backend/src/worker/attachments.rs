//! Attachments are looked at: their bytes are read once, and what is found out is
//! written to their metadata, together with an event for the outbox.

use azure_storage_blob::BlobContainerClient;
use platform::azure::Clients;

use super::contents;
use super::delivery::Handler;
use super::trouble::Trouble;
use crate::messages;
use crate::store::{Store, StoreError, Thing, Versioned};
use crate::todos::{Attachment, AttachmentId, ListId};

/// Looks at attachments.
pub(crate) struct Inspector {
    pub(super) store: Store,
    pub(super) blobs: BlobContainerClient,
}

impl Inspector {
    pub(crate) fn new(store: Store, clients: &Clients) -> Self {
        Self {
            store,
            blobs: clients.attachments(),
        }
    }

    /// Looks at an attachment, unless that has been done. It is ready when its
    /// bytes are there and failed when they are not.
    // Identity worker, Storage Blob Data Contributor on container attachments.
    // Identity worker, Cosmos DB Built-in Data Contributor on container todos.
    pub(super) async fn inspect(&self, list: &ListId, id: AttachmentId) -> Result<(), Trouble> {
        let Some(attachment) = self.store.attachment(list, id).await? else {
            // It went with its todo. Should a replica of the store be behind: the
            // sweep finds what is pending.
            tracing::info!(list = %list, attachment = %id, "not there any more");
            return Ok(());
        };
        if !attachment.is_open() {
            return Ok(());
        }
        let finding = contents::find(&self.blobs, &attachment.blob_name()).await?;
        let changed = self
            .store
            .change(list, id.0, |before: Option<&Versioned<Attachment>>| {
                let before = before.ok_or(StoreError::NotThere(Thing::Attachment))?;
                Ok::<_, StoreError>(before.value.clone().found(finding.clone()))
            })
            .await;
        let committed = match changed {
            Ok(committed) => committed,
            // It went with its todo in this very moment.
            Err(StoreError::NotThere(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if let Some(event) = committed.event {
            let kind = event.value.kind.as_str();
            tracing::info!(list = %list, attachment = %id, "{kind}");
        }
        Ok(())
    }
}

impl Handler for Inspector {
    /// Does a job: looks at the attachment that it names.
    // Identity worker, Storage Blob Data Contributor on container attachments.
    // Identity worker, Cosmos DB Built-in Data Contributor on container todos.
    async fn handle(&self, body: &[u8]) -> Result<(), Trouble> {
        let job = messages::read_job(body)?;
        self.inspect(&job.list, job.attachment).await
    }
}
