//! What the tests stand on: the pages, with a backend that answers on a port of
//! its own, and everything else in memory.

mod backend;
mod blobs;
mod feed;
mod keys;
mod sample;
mod site;

use azure_core::error::ErrorKind;
use platform::azure::AzureFailure;

pub(crate) use backend::FakeBackend;
pub(crate) use blobs::{MemoryBlobs, MemoryJobs};
pub(crate) use feed::MemoryFeed;
pub(crate) use keys::MemoryKeys;
pub(crate) use sample::access_report;
pub(crate) use site::{Answer, Site, form, multipart};

/// What Blob Storage answers with this status and code.
pub(crate) fn blob_failure(status: u16, code: &str) -> AzureFailure {
    AzureFailure::blob(azure_core::Error::with_message(
        ErrorKind::HttpResponse {
            status: status.into(),
            error_code: Some(code.to_owned()),
            raw_response: None,
        },
        code.to_owned(),
    ))
}
