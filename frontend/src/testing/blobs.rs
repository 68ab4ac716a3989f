//! Blobs and jobs in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use platform::azure::AzureFailure;
use serde_json::Value;

use super::blob_failure;
use crate::attachments::{Blobs, Block, Committed, Content, Job, Jobs};

/// Blobs in memory, block by block.
#[derive(Default)]
pub(crate) struct MemoryBlobs {
    staged: Mutex<BTreeMap<(String, Block), Bytes>>,
    committed: Mutex<BTreeMap<String, Vec<Bytes>>>,
    failure: Mutex<Option<fn() -> AzureFailure>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl MemoryBlobs {
    /// Puts a blob where it is.
    pub(crate) fn put(&self, blob: &str, content: &'static [u8]) {
        let content = vec![Bytes::from_static(content)];
        let mut committed = self.committed.lock().expect("no panic");
        committed.insert(blob.to_owned(), content);
    }

    /// The blocks of a blob that was committed.
    pub(crate) fn committed(&self, blob: &str) -> Option<Vec<Bytes>> {
        self.committed.lock().expect("no panic").get(blob).cloned()
    }

    /// The names of the blobs that were committed.
    pub(crate) fn names(&self) -> Vec<String> {
        let committed = self.committed.lock().expect("no panic");
        committed.keys().cloned().collect()
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::Relaxed)
    }

    /// From now on every operation fails.
    pub(crate) fn fail_with(&self, failure: fn() -> AzureFailure) {
        *self.failure.lock().expect("no panic") = Some(failure);
    }

    fn answer(&self) -> Result<(), AzureFailure> {
        let failure = *self.failure.lock().expect("no panic");
        match failure {
            None => Ok(()),
            Some(failure) => Err(failure()),
        }
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn stage(&self, blob: &str, block: Block, content: Bytes) -> Result<(), AzureFailure> {
        let in_flight = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(in_flight, Ordering::Relaxed);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.answer()?;
        let mut staged = self.staged.lock().expect("no panic");
        staged.insert((blob.to_owned(), block), content);
        Ok(())
    }

    async fn commit(&self, blob: &str, blocks: &[Block]) -> Result<Committed, AzureFailure> {
        self.answer()?;
        let staged = self.staged.lock().expect("no panic");
        let content = blocks
            .iter()
            .map(|block| staged[&(blob.to_owned(), *block)].clone())
            .collect();
        let mut committed = self.committed.lock().expect("no panic");
        if committed.contains_key(blob) {
            return Ok(Committed::Before);
        }
        committed.insert(blob.to_owned(), content);
        Ok(Committed::Now)
    }

    async fn open(&self, blob: &str) -> Result<Content, AzureFailure> {
        self.answer()?;
        let Some(blocks) = self.committed(blob) else {
            return Err(blob_failure(404, "BlobNotFound"));
        };
        Ok(stream::iter(blocks).map(Ok).boxed())
    }
}

/// A queue in memory.
#[derive(Default)]
pub(crate) struct MemoryJobs {
    sent: Mutex<Vec<Value>>,
    is_away: Mutex<bool>,
}

impl MemoryJobs {
    pub(crate) fn sent(&self) -> Vec<Value> {
        self.sent.lock().expect("no panic").clone()
    }

    pub(crate) fn go_away(&self) {
        *self.is_away.lock().expect("no panic") = true;
    }
}

#[async_trait]
impl Jobs for MemoryJobs {
    async fn send(&self, job: Job<'_>) -> Result<(), AzureFailure> {
        if *self.is_away.lock().expect("no panic") {
            return Err(blob_failure(503, "ServerBusy"));
        }
        let job = serde_json::to_value(job).expect("a job is JSON");
        self.sent.lock().expect("no panic").push(job);
        Ok(())
    }
}
