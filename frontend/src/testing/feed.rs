//! An activity feed in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use platform::azure::AzureFailure;

use super::blob_failure;
use crate::activity::{Entry, Feed};
use crate::id::ListId;

/// A feed of the same entries for every list.
#[derive(Default)]
pub(crate) struct MemoryFeed {
    entries: Mutex<Vec<Entry>>,
    reads: AtomicUsize,
    fails: AtomicBool,
}

impl MemoryFeed {
    pub(crate) fn add(&self, entry: Entry) {
        self.entries.lock().expect("no panic").push(entry);
    }

    /// Whether it may not be read from now on.
    pub(crate) fn fails(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }

    /// How often it was read.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Feed for MemoryFeed {
    async fn after(&self, _: &ListId, place: u64, most: usize) -> Result<Vec<Entry>, AzureFailure> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.fails.load(Ordering::Relaxed) {
            return Err(blob_failure(403, "AuthorizationPermissionMismatch"));
        }
        let mut entries = self.entries.lock().expect("no panic").clone();
        entries.retain(|entry| entry.sequence > place);
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.sequence));
        entries.truncate(most);
        Ok(entries)
    }
}
