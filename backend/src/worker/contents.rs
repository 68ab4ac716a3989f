//! What the bytes of a blob are: size, digest and type, found out while they
//! stream by. Never more than a few parts of the blob are in memory.

use std::fmt::Write as _;
use std::num::NonZero;

use aws_lc_rs::digest;
use azure_storage_blob::BlobContainerClient;
use azure_storage_blob::models::BlobClientDownloadOptions;
use futures::TryStreamExt as _;
use platform::azure::AzureFailure;

use super::detection;
use crate::todos::{Contents, Finding};

/// Parts of 4 MiB that are fetched at the same time.
const PARTS: NonZero<usize> = NonZero::new(2).expect("two is not zero");

/// Reads a blob, if it is there.
// Identity worker, Storage Blob Data Contributor on container attachments.
pub(super) async fn find(blobs: &BlobContainerClient, name: &str) -> Result<Finding, AzureFailure> {
    let options = BlobClientDownloadOptions {
        parallel: Some(PARTS),
        ..BlobClientDownloadOptions::default()
    };
    let blob = blobs.blob_client(name);
    let mut body = match blob
        .download(Some(options))
        .await
        .map_err(AzureFailure::blob)
    {
        Ok(downloaded) => downloaded.body,
        Err(failure) if failure.code.as_deref() == Some("BlobNotFound") => {
            return Ok(Finding::Absent);
        }
        Err(failure) => return Err(failure),
    };
    let mut reading = Reading::new();
    while let Some(bytes) = body.try_next().await.map_err(AzureFailure::blob)? {
        reading.add(&bytes);
    }
    Ok(Finding::Present(reading.finish()))
}

/// What is known of the bytes so far.
struct Reading {
    size_bytes: u64,
    digest: digest::Context,
    head: Vec<u8>,
}

impl Reading {
    fn new() -> Self {
        Self {
            size_bytes: 0,
            digest: digest::Context::new(&digest::SHA256),
            head: Vec::with_capacity(detection::HEAD),
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.size_bytes += bytes.len() as u64;
        self.digest.update(bytes);
        let missing = detection::HEAD - self.head.len();
        self.head.extend(bytes.iter().take(missing));
    }

    fn finish(self) -> Contents {
        Contents {
            size_bytes: self.size_bytes,
            sha256: hexadecimal(self.digest.finish().as_ref()),
            detected_type: detection::media_type(&self.head).to_owned(),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes what is written");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_same_in_however_many_parts_they_come() {
        let bytes = b"abc".repeat(1000);
        for size in [1, 7, 3000] {
            let mut reading = Reading::new();
            for part in bytes.chunks(size) {
                reading.add(part);
            }

            assert_eq!(
                reading.finish(),
                Contents {
                    size_bytes: 3000,
                    sha256: "328de8f1895f8bb09f6e6b4c2012ef2b2a6f067cd002794b750aa040a6f6d8bd"
                        .to_owned(),
                    detected_type: "text/plain".to_owned(),
                }
            );
        }
    }

    #[test]
    fn an_empty_file_has_a_digest_too() {
        assert_eq!(
            Reading::new().finish(),
            Contents {
                size_bytes: 0,
                sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
                    .to_owned(),
                detected_type: "application/octet-stream".to_owned(),
            }
        );
    }
}
