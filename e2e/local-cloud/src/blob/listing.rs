//! The XML of listings (Azure Storage REST reference: *List Containers*, *List
//! Blobs*, *Get Block List*).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::engine::{Block, BlockBlob, BlockList, Container, Entry, Page};
use super::properties::Metadata;
use super::response::http_date;

/// What a listing repeats of its request.
#[derive(Debug, Default)]
pub(super) struct Echo<'a> {
    pub(super) service_endpoint: String,
    pub(super) prefix: Option<&'a str>,
    pub(super) delimiter: Option<&'a str>,
    pub(super) marker: Option<&'a str>,
    pub(super) max_results: Option<usize>,
    pub(super) with_metadata: bool,
}

/// A page of containers.
pub(super) fn containers(page: &Page<Container>, echo: &Echo<'_>) -> String {
    let items = page.entries.iter().map(|(name, container)| ContainerXml {
        name,
        properties: ContainerPropertiesXml {
            last_modified: http_date(container.stamp.last_modified),
            etag: &container.stamp.etag,
            lease_status: "unlocked",
            lease_state: "available",
            has_immutability_policy: false,
            has_legal_hold: false,
        },
        metadata: metadata(&container.metadata, echo),
    });
    let mut results = EnumerationXml::new(echo, page.next.as_deref());
    results.containers = Some(ContainersXml {
        items: items.collect(),
    });
    to_xml(&results)
}

/// A page of blobs.
pub(super) fn blobs(page: &Page<Entry>, container: &str, echo: &Echo<'_>) -> String {
    let items = page.entries.iter().map(|(name, entry)| match entry {
        Entry::Prefix => BlobItemXml::BlobPrefix {
            name: NameXml::of(name),
        },
        Entry::Blob(blob) => BlobItemXml::Blob {
            name: NameXml::of(name),
            properties: Box::new(BlobPropertiesXml::of(blob)),
            metadata: metadata(&blob.metadata, echo),
        },
    });
    let mut results = EnumerationXml::new(echo, page.next.as_deref());
    results.container_name = Some(container);
    results.blobs = Some(BlobsXml {
        items: items.collect(),
    });
    to_xml(&results)
}

/// Which blocks a Get Block List asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockListType {
    Committed,
    Uncommitted,
    All,
}

/// The blocks of a blob.
pub(super) fn blocks(list: &BlockList, wanted: BlockListType) -> String {
    let committed = list.blob.as_ref().map_or(&[][..], |blob| &blob.blocks);
    to_xml(&BlockListXml {
        committed_blocks: (wanted != BlockListType::Uncommitted).then(|| BlocksXml::of(committed)),
        uncommitted_blocks: (wanted != BlockListType::Committed)
            .then(|| BlocksXml::of(&list.uncommitted)),
    })
}

/// Markers are opaque to clients; ours hold the entry to go on with.
fn to_marker(entry: &str) -> String {
    URL_SAFE_NO_PAD.encode(entry)
}

/// The entry that a marker holds, if it is one of ours.
pub(super) fn from_marker(marker: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(marker).ok()?).ok()
}

#[derive(Serialize)]
#[serde(rename = "EnumerationResults", rename_all = "PascalCase")]
struct EnumerationXml<'a> {
    #[serde(rename = "@ServiceEndpoint")]
    service_endpoint: &'a str,
    #[serde(rename = "@ContainerName", skip_serializing_if = "Option::is_none")]
    container_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_results: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delimiter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    containers: Option<ContainersXml<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blobs: Option<BlobsXml<'a>>,
    /// Empty on the last page.
    next_marker: String,
}

impl<'a> EnumerationXml<'a> {
    fn new(echo: &'a Echo<'a>, next: Option<&str>) -> Self {
        Self {
            service_endpoint: &echo.service_endpoint,
            container_name: None,
            prefix: echo.prefix,
            marker: echo.marker,
            max_results: echo.max_results,
            delimiter: echo.delimiter,
            containers: None,
            blobs: None,
            next_marker: next.map(to_marker).unwrap_or_default(),
        }
    }
}

#[derive(Serialize)]
struct ContainersXml<'a> {
    #[serde(rename = "Container")]
    items: Vec<ContainerXml<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerXml<'a> {
    name: &'a str,
    properties: ContainerPropertiesXml<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a BTreeMap<String, String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerPropertiesXml<'a> {
    #[serde(rename = "Last-Modified")]
    last_modified: String,
    etag: &'a str,
    lease_status: &'static str,
    lease_state: &'static str,
    has_immutability_policy: bool,
    has_legal_hold: bool,
}

#[derive(Serialize)]
struct BlobsXml<'a> {
    #[serde(rename = "$value")]
    items: Vec<BlobItemXml<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all_fields = "PascalCase")]
enum BlobItemXml<'a> {
    Blob {
        name: NameXml,
        properties: Box<BlobPropertiesXml<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<&'a BTreeMap<String, String>>,
    },
    BlobPrefix {
        name: NameXml,
    },
}

/// A name. One with characters that XML does not know is percent-encoded and
/// marked (documented, *List Blobs*, for version 2021-02-12 and later).
#[derive(Serialize)]
struct NameXml {
    #[serde(rename = "@Encoded", skip_serializing_if = "Option::is_none")]
    encoded: Option<bool>,
    #[serde(rename = "$text")]
    text: String,
}

impl NameXml {
    fn of(name: &str) -> Self {
        let unknown = |c: char| matches!(c, '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}');
        if name.contains(unknown) {
            return Self {
                encoded: Some(true),
                text: utf8_percent_encode(name, NON_ALPHANUMERIC).to_string(),
            };
        }
        Self {
            encoded: None,
            text: name.to_owned(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BlobPropertiesXml<'a> {
    #[serde(rename = "Creation-Time")]
    creation_time: String,
    #[serde(rename = "Last-Modified")]
    last_modified: String,
    /// Without quotation marks here (observed).
    etag: &'a str,
    #[serde(rename = "Content-Length")]
    content_length: u64,
    #[serde(rename = "Content-Type", skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(rename = "Content-Encoding", skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    #[serde(rename = "Content-Language", skip_serializing_if = "Option::is_none")]
    content_language: Option<String>,
    #[serde(
        rename = "Content-Disposition",
        skip_serializing_if = "Option::is_none"
    )]
    content_disposition: Option<String>,
    #[serde(rename = "Cache-Control", skip_serializing_if = "Option::is_none")]
    cache_control: Option<String>,
    blob_type: &'static str,
    lease_status: &'static str,
    lease_state: &'static str,
    server_encrypted: bool,
}

impl<'a> BlobPropertiesXml<'a> {
    fn of(blob: &'a BlockBlob) -> Self {
        Self {
            creation_time: http_date(blob.created),
            last_modified: http_date(blob.stamp.last_modified),
            etag: &blob.stamp.etag,
            content_length: blob.length,
            content_type: blob.headers.text(&CONTENT_TYPE),
            content_encoding: blob.headers.text(&CONTENT_ENCODING),
            content_language: blob.headers.text(&CONTENT_LANGUAGE),
            content_disposition: blob.headers.text(&CONTENT_DISPOSITION),
            cache_control: blob.headers.text(&CACHE_CONTROL),
            blob_type: "BlockBlob",
            lease_status: "unlocked",
            lease_state: "available",
            server_encrypted: true,
        }
    }
}

#[derive(Serialize)]
#[serde(rename = "BlockList", rename_all = "PascalCase")]
struct BlockListXml<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    committed_blocks: Option<BlocksXml<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uncommitted_blocks: Option<BlocksXml<'a>>,
}

#[derive(Serialize)]
struct BlocksXml<'a> {
    #[serde(rename = "Block")]
    blocks: Vec<BlockXml<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BlockXml<'a> {
    name: &'a str,
    size: usize,
}

impl<'a> BlocksXml<'a> {
    /// A blob that was put in one piece has no blocks to name.
    fn of(blocks: &'a [Block]) -> Self {
        let named = blocks.iter().filter_map(|block| {
            Some(BlockXml {
                name: block.id.as_deref()?,
                size: block.data.len(),
            })
        });
        Self {
            blocks: named.collect(),
        }
    }
}

fn metadata<'a>(metadata: &'a Metadata, echo: &Echo<'_>) -> Option<&'a BTreeMap<String, String>> {
    echo.with_metadata.then(|| metadata.as_map())
}

fn to_xml(value: &impl Serialize) -> String {
    let xml = quick_xml::se::to_string(value).expect("a listing has a form in XML");
    format!(r#"<?xml version="1.0" encoding="utf-8"?>{xml}"#)
}
