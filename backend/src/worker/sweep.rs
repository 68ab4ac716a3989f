//! What a crash between any two steps leaves behind: attachments that stay
//! pending, because their job was never sent, and blobs without metadata.
//!
//! Each round is bounded. When a dependency is down the round ends there, and
//! the next one comes later each time. Any number of replicas may sweep: their
//! rounds begin at different moments, each looks again at what it found before
//! it does anything, and what two of them do at once has the effect of one.

use std::time::Duration;

use azure_core::http::Etag;
use azure_storage_blob::models::{
    BlobClientDeleteOptions, BlobContainerClientListBlobsOptions, BlobItem,
};
use futures::TryStreamExt as _;
use platform::azure::AzureFailure;
use platform::server::Shutdown;
use platform::telemetry::error_chain;
use time::OffsetDateTime;
use uuid::Uuid;

use super::attachments::Inspector;
use super::trouble::Trouble;
use crate::instant;
use crate::rounds::Rounds;
use crate::todos::{AttachmentId, ListId};

/// The most attachments of one round.
const MOST_PENDING: usize = 50;

/// The most blobs of one round; the next goes on where it ended.
const MOST_BLOBS: i32 = 100;

/// Takes care of what was left behind.
pub(crate) struct Sweep {
    pub(crate) inspector: Inspector,
    /// The time between two rounds.
    pub(crate) every: Duration,
    /// How long something may look left behind before it is.
    pub(crate) grace: Duration,
}

impl Sweep {
    /// Sweeps until the pod is asked to end.
    // Identity worker, Storage Blob Data Contributor on container attachments.
    // Identity worker, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut rounds = Rounds::new("sweeping", self.every);
        let mut marker = None;
        while rounds.next(&shutdown).await {
            tokio::select! {
                () = shutdown.requested() => return,
                outcome = self.round(&mut marker) => rounds.ended(outcome),
            }
        }
    }

    async fn round(&self, marker: &mut Option<String>) -> Result<(), Trouble> {
        let before = instant::now() - self.grace;
        Box::pin(self.pending(before)).await?;
        self.orphans(before, marker).await
    }

    /// Looks at attachments that stayed pending: ready if their bytes are there,
    /// failed if not.
    // Identity worker, Cosmos DB Built-in Data Contributor on container todos.
    async fn pending(&self, before: OffsetDateTime) -> Result<(), Trouble> {
        let store = &self.inspector.store;
        for attachment in store.pending_since_before(before, MOST_PENDING).await? {
            let Err(trouble) = self
                .inspector
                .inspect(&attachment.list, attachment.id)
                .await
            else {
                continue;
            };
            match trouble {
                Trouble::Passing(_) => return Err(trouble),
                Trouble::Permanent { .. } => {
                    let cause = error_chain(&trouble);
                    tracing::error!(cause, attachment = %attachment.id, "cannot be looked at");
                }
            }
        }
        Ok(())
    }

    /// Removes blobs that no metadata knows. Metadata comes first and goes last, so
    /// that a blob without is one that nobody can reach.
    // Identity worker, Storage Blob Data Contributor on container attachments.
    // Identity worker, Cosmos DB Built-in Data Contributor on container todos.
    async fn orphans(
        &self,
        before: OffsetDateTime,
        marker: &mut Option<String>,
    ) -> Result<(), Trouble> {
        let (blobs, next) = self.page(marker.clone()).await?;
        for blob in blobs.into_iter().filter_map(Blob::of) {
            let Some((list, id)) = owner(&blob.name) else {
                tracing::debug!(blob = blob.name, "not a name of ours: left alone");
                continue;
            };
            if blob.last_modified < before
                && self.inspector.store.attachment(&list, id).await?.is_none()
            {
                self.remove(&blob).await?;
                tracing::info!(blob = blob.name, "removed a blob without metadata");
            }
        }
        *marker = next;
        Ok(())
    }

    /// A page of blobs, and where the next begins; `None` after the last.
    async fn page(
        &self,
        marker: Option<String>,
    ) -> Result<(Vec<BlobItem>, Option<String>), AzureFailure> {
        let options = BlobContainerClientListBlobsOptions {
            marker,
            maxresults: Some(MOST_BLOBS),
            ..BlobContainerClientListBlobsOptions::default()
        };
        let pages = self.inspector.blobs.list_blobs(Some(options));
        let mut pages = pages.map_err(AzureFailure::blob)?.into_pages();
        let Some(page) = pages.try_next().await.map_err(AzureFailure::blob)? else {
            return Ok((Vec::new(), None));
        };
        let page = page.into_model().map_err(AzureFailure::blob)?;
        let next = page.next_marker.filter(|marker| !marker.is_empty());
        Ok((page.blob_items, next))
    }

    /// Removes this version of a blob. One that is gone or another now is fine.
    async fn remove(&self, blob: &Blob) -> Result<(), AzureFailure> {
        let options = BlobClientDeleteOptions {
            if_match: Some(blob.etag.clone()),
            ..BlobClientDeleteOptions::default()
        };
        let client = self.inspector.blobs.blob_client(&blob.name);
        match client
            .delete(Some(options))
            .await
            .map_err(AzureFailure::blob)
        {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_not_found() || failure.is_changed() => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

/// What the sweep needs to know of a blob.
#[derive(Debug)]
struct Blob {
    name: String,
    etag: Etag,
    last_modified: OffsetDateTime,
}

impl Blob {
    /// `None` when the list does not say enough to judge by.
    fn of(item: BlobItem) -> Option<Self> {
        let properties = item.properties?;
        Some(Self {
            name: item.name?,
            etag: quoted(properties.etag?.as_ref()),
            last_modified: properties.last_modified?,
        })
    }
}

/// A list has `ETag`s without the quotes that conditions want.
fn quoted(etag: &str) -> Etag {
    Etag::from(format!("\"{}\"", etag.trim_matches('"')))
}

/// The attachment that a blob's name names: `{list}/{attachment}`.
fn owner(name: &str) -> Option<(ListId, AttachmentId)> {
    let (list, id) = name.split_once('/')?;
    let id = Uuid::parse_str(id).ok()?;
    Some((ListId::parse(list).ok()?, AttachmentId(id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::todos::Status;
    use crate::todos::tests::attachment;

    #[test]
    fn a_blob_is_traced_to_its_attachment() {
        let attachment = attachment(Status::Pending);

        let owner = owner(&attachment.blob_name());

        assert_eq!(owner, Some((attachment.list, attachment.id)));
    }

    #[test]
    fn a_version_is_quoted_once() {
        for etag in ["0x8DF49BA8256E853", "\"0x8DF49BA8256E853\""] {
            assert_eq!(quoted(etag).to_string(), "\"0x8DF49BA8256E853\"");
        }
    }

    #[test]
    fn a_name_that_is_not_ours_has_no_owner() {
        for name in [
            "readme.txt",
            "inbox/readme.txt",
            "Inbox/00000000-0000-0000-0000-000000000002",
            "inbox/00000000-0000-0000-0000-000000000002/x",
        ] {
            assert_eq!(owner(name), None, "{name}");
        }
    }
}
