//! The blobs of attachments, through Microsoft's client: blocks up, ranges down.
//!
//! Azure: *Put Block*, *Put Block List*, *Get Blob*.

use std::num::NonZero;

use async_trait::async_trait;
use azure_storage_blob::models::{BlobClientDownloadOptions, BlockLookupList};
use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use platform::azure::{AzureFailure, Clients};

/// The content of a blob, part by part.
pub(crate) type Content = BoxStream<'static, Result<Bytes, AzureFailure>>;

/// Where the content of attachments is.
#[async_trait]
pub(crate) trait Blobs: Send + Sync {
    /// Keeps a block for a blob that is not there before it is committed. Blocks
    /// that never are go by themselves.
    async fn stage(&self, blob: &str, number: u32, block: Bytes) -> Result<(), AzureFailure>;

    /// Makes the blob of this many blocks.
    async fn commit(&self, blob: &str, blocks: u32) -> Result<(), AzureFailure>;

    /// Opens a blob.
    async fn open(&self, blob: &str) -> Result<Content, AzureFailure>;
}

/// Access: identity `frontend`, Storage Blob Data Contributor on
/// `storage/containers/attachments`.
#[async_trait]
impl Blobs for Clients {
    async fn stage(&self, blob: &str, number: u32, block: Bytes) -> Result<(), AzureFailure> {
        let blob = self.attachments().blob_client(blob).block_blob_client();
        let length = block.len() as u64;
        blob.stage_block(&block_id(number), length, block.into(), None)
            .await
            .map(drop)
            .map_err(AzureFailure::blob)
    }

    async fn commit(&self, blob: &str, blocks: u32) -> Result<(), AzureFailure> {
        let blob = self.attachments().blob_client(blob).block_blob_client();
        let list = BlockLookupList {
            latest: Some((0..blocks).map(block_id).collect()),
            ..BlockLookupList::default()
        };
        let list = list.try_into().map_err(AzureFailure::blob)?;
        blob.commit_block_list(list, None)
            .await
            .map(drop)
            .map_err(AzureFailure::blob)
    }

    async fn open(&self, blob: &str) -> Result<Content, AzureFailure> {
        // One range of 4 MiB after the other: more at once would be held here
        // while the browser takes its time.
        let options = BlobClientDownloadOptions {
            parallel: NonZero::new(1),
            ..BlobClientDownloadOptions::default()
        };
        let blob = self.attachments().blob_client(blob);
        let opened = blob
            .download(Some(options))
            .await
            .map_err(AzureFailure::blob)?;
        Ok(Box::pin(opened.body.map_err(AzureFailure::blob)))
    }
}

/// The ids of the blocks of a blob have to be of one length.
fn block_id(number: u32) -> Vec<u8> {
    format!("{number:08}").into_bytes()
}
