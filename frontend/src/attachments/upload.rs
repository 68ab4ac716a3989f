//! A body on its way to a blob: gathered into blocks, a few blocks on their way
//! at a time, committed when all of it has come, and not before.

use std::error::Error;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{Stream, TryStreamExt as _};
use platform::azure::AzureFailure;
use tokio::task::JoinSet;
use tracing::Instrument as _;
use uuid::Uuid;

use super::{Blobs, Block, Committed};

/// The size of a block.
const BLOCK_BYTES: usize = 2 * 1024 * 1024;

/// Blocks on their way at a time, beside the one that is being filled.
const IN_FLIGHT: usize = 2;

/// Why a file was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadFailure<E: Error + 'static> {
    /// It is larger than it may be.
    #[error("more than {limit} bytes")]
    TooLarge { limit: u64 },
    /// It did not come whole.
    #[error("the file did not come whole")]
    Body(#[source] E),
    /// Blob Storage did not take it.
    #[error("the file could not be stored")]
    Blobs(#[source] AzureFailure),
}

/// What came of storing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is stored.
    Now { size_bytes: u64 },
    /// A file was stored there before, and is as it was.
    Before,
}

/// Stores a body as a blob that is not there yet. Whatever fails, nothing is
/// committed.
pub(crate) async fn store<E: Error + 'static>(
    blobs: &Arc<dyn Blobs>,
    blob: &str,
    limit: u64,
    body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
) -> Result<Stored, UploadFailure<E>> {
    let mut blocks = Blocks::new(blobs, blob);
    let mut size_bytes = 0;
    while let Some(mut part) = body.try_next().await.map_err(UploadFailure::Body)? {
        size_bytes += part.len() as u64;
        if size_bytes > limit {
            return Err(UploadFailure::TooLarge { limit });
        }
        while !part.is_empty() {
            let space = BLOCK_BYTES - blocks.filling.len();
            let taken = part.split_to(space.min(part.len()));
            blocks.filling.extend_from_slice(&taken);
            if blocks.filling.len() == BLOCK_BYTES {
                blocks.send().await.map_err(UploadFailure::Blobs)?;
            }
        }
    }
    match blocks.commit().await.map_err(UploadFailure::Blobs)? {
        Committed::Now => Ok(Stored::Now { size_bytes }),
        Committed::Before => Ok(Stored::Before),
    }
}

/// The blocks of one blob. Dropped before it is committed, it ends what is on
/// its way.
struct Blocks<'a> {
    blobs: &'a Arc<dyn Blobs>,
    blob: &'a str,
    upload: Uuid,
    filling: BytesMut,
    sent: Vec<Block>,
    /// Tasks of their own, so that they go on while the browser is slow.
    in_flight: JoinSet<Result<(), AzureFailure>>,
}

impl<'a> Blocks<'a> {
    fn new(blobs: &'a Arc<dyn Blobs>, blob: &'a str) -> Self {
        Self {
            blobs,
            blob,
            upload: Uuid::new_v4(),
            filling: BytesMut::new(),
            sent: Vec::new(),
            in_flight: JoinSet::new(),
        }
    }

    /// Sends the block that was filled, once there is room for it.
    // Identity frontend, Storage Blob Data Contributor on container attachments.
    async fn send(&mut self) -> Result<(), AzureFailure> {
        if self.in_flight.len() >= IN_FLIGHT {
            self.arrival().await?;
        }
        let next = BytesMut::with_capacity(BLOCK_BYTES);
        let content = std::mem::replace(&mut self.filling, next).freeze();
        let number = u32::try_from(self.sent.len()).expect("a file has few blocks");
        let (upload, blobs) = (self.upload, Arc::clone(self.blobs));
        let (blob, block) = (self.blob.to_owned(), Block { upload, number });
        self.sent.push(block);
        let staging = async move { blobs.stage(&blob, block, content).await };
        self.in_flight.spawn(staging.in_current_span());
        Ok(())
    }

    async fn commit(mut self) -> Result<Committed, AzureFailure> {
        if !self.filling.is_empty() {
            self.send().await?;
        }
        while !self.in_flight.is_empty() {
            self.arrival().await?;
        }
        self.blobs.commit(self.blob, &self.sent).await
    }

    async fn arrival(&mut self) -> Result<(), AzureFailure> {
        match self.in_flight.join_next().await {
            None => Ok(()),
            Some(staged) => staged.expect("a block's task neither panics nor is aborted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MemoryBlobs, blob_failure};
    use futures::stream;
    use std::convert::Infallible;
    use std::io;

    fn body(
        parts: usize,
        of_bytes: usize,
    ) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin {
        let part = Bytes::from(vec![7; of_bytes]);
        stream::iter((0..parts).map(move |_| Ok(part.clone())))
    }

    #[tokio::test]
    async fn a_body_becomes_blocks_that_are_committed_in_order() {
        let memory = Arc::new(MemoryBlobs::default());
        let blobs: Arc<dyn Blobs> = Arc::<MemoryBlobs>::clone(&memory);

        let stored = store(&blobs, "inbox/a", u64::MAX, &mut body(5, 1_000_000)).await;

        let size_bytes = 5_000_000;
        assert_eq!(stored.expect("stored"), Stored::Now { size_bytes });
        let stored = memory.committed("inbox/a").expect("a blob");
        let lengths: Vec<usize> = stored.iter().map(Bytes::len).collect();
        assert_eq!(
            lengths,
            [BLOCK_BYTES, BLOCK_BYTES, 5_000_000 - 2 * BLOCK_BYTES]
        );
        assert!(
            memory.most_in_flight() <= IN_FLIGHT,
            "{}",
            memory.most_in_flight()
        );
    }

    #[tokio::test]
    async fn an_empty_file_is_a_file() {
        let memory = Arc::new(MemoryBlobs::default());
        let blobs: Arc<dyn Blobs> = Arc::<MemoryBlobs>::clone(&memory);

        let stored = store(&blobs, "inbox/a", 10, &mut body(0, 0)).await;

        assert_eq!(stored.expect("stored"), Stored::Now { size_bytes: 0 });
        assert_eq!(memory.committed("inbox/a").expect("a blob").len(), 0);
    }

    #[tokio::test]
    async fn a_file_of_just_the_limit_is_stored_and_one_byte_more_is_not() {
        let memory = Arc::new(MemoryBlobs::default());
        let blobs: Arc<dyn Blobs> = Arc::<MemoryBlobs>::clone(&memory);

        store(&blobs, "inbox/a", 10, &mut body(2, 5))
            .await
            .expect("stored");
        let error = store(&blobs, "inbox/b", 9, &mut body(2, 5))
            .await
            .expect_err("too large");

        assert_eq!(error.to_string(), "more than 9 bytes");
        assert!(memory.committed("inbox/b").is_none());
    }

    #[tokio::test]
    async fn what_was_stored_before_is_not_replaced() {
        let memory = Arc::new(MemoryBlobs::default());
        let blobs: Arc<dyn Blobs> = Arc::<MemoryBlobs>::clone(&memory);
        let first = store(&blobs, "inbox/a", 10, &mut body(1, 5)).await;

        let second = store(&blobs, "inbox/a", 10, &mut body(1, 9)).await;

        assert_eq!(first.expect("stored"), Stored::Now { size_bytes: 5 });
        assert_eq!(second.expect("stored"), Stored::Before);
        assert_eq!(
            memory.committed("inbox/a").expect("a blob").concat().len(),
            5
        );
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_leaves_no_blob() {
        let memory = Arc::new(MemoryBlobs::default());
        let blobs: Arc<dyn Blobs> = Arc::<MemoryBlobs>::clone(&memory);
        let mut body = stream::iter([
            Ok(Bytes::from(vec![7; BLOCK_BYTES])),
            Err(io::Error::other("the browser is gone")),
        ]);

        let error = store(&blobs, "inbox/a", u64::MAX, &mut body)
            .await
            .expect_err("half a file");

        assert!(matches!(error, UploadFailure::Body(_)), "{error}");
        assert!(memory.committed("inbox/a").is_none());
    }

    #[tokio::test]
    async fn a_block_that_is_refused_leaves_no_blob() {
        let memory = Arc::new(MemoryBlobs::default());
        memory.fail_with(|| blob_failure(403, "AuthorizationPermissionMismatch"));
        let blobs: Arc<dyn Blobs> = Arc::<MemoryBlobs>::clone(&memory);

        let error = store(&blobs, "inbox/a", u64::MAX, &mut body(3, BLOCK_BYTES))
            .await
            .expect_err("refused");

        let UploadFailure::Blobs(failure) = error else {
            panic!("{error}");
        };
        assert_eq!(
            failure.refusal().as_deref(),
            Some("403 AuthorizationPermissionMismatch")
        );
        assert!(memory.committed("inbox/a").is_none());
    }
}
