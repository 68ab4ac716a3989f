//! The blobs of attachments, through Microsoft's client: blocks up, ranges down.
//!
//! Azure: *Put Block*, *Put Block List*, *Get Blob*.

use std::num::NonZero;

use async_trait::async_trait;
use azure_core::http::Etag;
use azure_storage_blob::models::{
    BlobClientDownloadOptions, BlockBlobClientCommitBlockListOptions, BlockLookupList,
};
use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use platform::azure::{AzureFailure, Clients};
use uuid::Uuid;

/// The content of a blob, part by part.
pub(crate) type Content = BoxStream<'static, Result<Bytes, AzureFailure>>;

/// A block of a blob, on its way to be one of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Block {
    /// The upload that it is of, so that two uploads of one blob do not mix.
    pub(crate) upload: Uuid,
    pub(crate) number: u32,
}

/// What came of committing a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    /// The blob is there.
    Now,
    /// It was there before, and is as it was.
    Before,
}

/// Where the content of attachments is.
#[async_trait]
pub(crate) trait Blobs: Send + Sync {
    /// Keeps a block for a blob that is not there before it is committed. Blocks
    /// that never are go by themselves.
    async fn stage(&self, blob: &str, block: Block, content: Bytes) -> Result<(), AzureFailure>;

    /// Makes the blob of these blocks, in this order, unless it is there already.
    async fn commit(&self, blob: &str, blocks: &[Block]) -> Result<Committed, AzureFailure>;

    /// Opens a blob.
    async fn open(&self, blob: &str) -> Result<Content, AzureFailure>;
}

#[async_trait]
impl Blobs for Clients {
    /// Puts a block.
    // Identity frontend, Storage Blob Data Contributor on container attachments.
    async fn stage(&self, blob: &str, block: Block, content: Bytes) -> Result<(), AzureFailure> {
        let blob = self.attachments().blob_client(blob).block_blob_client();
        let length = content.len() as u64;
        blob.stage_block(&block.id(), length, content.into(), None)
            .await
            .map(drop)
            .map_err(AzureFailure::blob)
    }

    /// Puts the list of the blocks.
    // Identity frontend, Storage Blob Data Contributor on container attachments.
    async fn commit(&self, blob: &str, blocks: &[Block]) -> Result<Committed, AzureFailure> {
        let blob = self.attachments().blob_client(blob).block_blob_client();
        let list = BlockLookupList {
            latest: Some(blocks.iter().map(Block::id).collect()),
            ..BlockLookupList::default()
        };
        let list = list.try_into().map_err(AzureFailure::blob)?;
        let only_new = BlockBlobClientCommitBlockListOptions {
            if_none_match: Some(Etag::from("*")),
            ..BlockBlobClientCommitBlockListOptions::default()
        };
        let committed = blob.commit_block_list(list, Some(only_new)).await;
        match committed.map_err(AzureFailure::blob) {
            Ok(_) => Ok(Committed::Now),
            Err(failure) if failure.is_conflict() || failure.is_changed() => Ok(Committed::Before),
            Err(failure) => Err(failure),
        }
    }

    /// Gets the blob, range by range.
    // Identity frontend, Storage Blob Data Contributor on container attachments.
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

impl Block {
    /// The ids of the blocks of a blob have to be of one length.
    fn id(&self) -> Vec<u8> {
        format!("{}{:08}", self.upload.simple(), self.number).into_bytes()
    }
}
