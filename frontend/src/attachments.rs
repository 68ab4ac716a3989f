//! Attachments: the bytes go from the browser to Blob Storage and back through
//! this pod, block by block, and are never held whole; then the worker is told.
//!
//! The order loses nothing when this pod dies in between: the backend's pending
//! metadata is first, the blob second, the job last. What stays pending is found
//! by the worker's sweep.

mod file_name;
mod jobs;
mod store;
mod upload;

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use file_name::FileName;
pub(crate) use jobs::{Job, Jobs, QueuedJobs};
#[cfg(test)]
pub(crate) use store::Content;
pub(crate) use store::{Blobs, Block, Committed};
pub(crate) use upload::{Stored, UploadFailure, store};

use crate::id::{Id, ListId};

/// Files that come in at the same time. Each holds three blocks of 2 MiB, and what
/// the client keeps of them on their way: about 15 MiB.
const AT_ONCE: usize = 8;

/// What attachments need. A cheap handle.
#[derive(Clone)]
pub(crate) struct Attachments {
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) jobs: Arc<dyn Jobs>,
    /// The size of the largest file.
    pub(crate) limit_bytes: u64,
    places: Arc<Semaphore>,
}

impl Attachments {
    pub(crate) fn new(blobs: Arc<dyn Blobs>, jobs: Arc<dyn Jobs>, limit_bytes: u64) -> Self {
        Self {
            blobs,
            jobs,
            limit_bytes,
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// A place among the files that come in. `None` when all are taken: memory
    /// is bounded, and a file that waits would only wait longer.
    pub(crate) fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }
}

/// Where the content of an attachment is: `{listId}/{attachmentId}`. What a
/// person called the file is no part of it.
pub(crate) fn blob_name(list: &ListId, attachment: &Id) -> String {
    format!("{list}/{attachment}")
}
