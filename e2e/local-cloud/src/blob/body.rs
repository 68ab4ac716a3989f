//! Request bodies, read with a bound.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use serde::Deserialize;

use super::engine::BlockSource;
use super::malformed::Malformed;
use super::refusal::Refusal;

/// The most that one Put Blob or Put Block takes here; Azure takes 5000 MiB and
/// 4000 MiB.
pub(super) const MAX_BYTES: u64 = 100 * 1024 * 1024;

/// Memory that is set aside before the bytes are there.
const MAX_RESERVED_BYTES: u64 = 8 * 1024 * 1024;

/// Reads a whole body. Its length must be stated (documented: 411) and is
/// checked before a byte is read.
pub(super) async fn read(headers: &HeaderMap, mut body: Body) -> Result<Bytes, Refusal> {
    let length: u64 = headers
        .get(CONTENT_LENGTH)
        .ok_or(Malformed::MissingContentLength)?
        .to_str()
        .ok()
        .and_then(|length| length.parse().ok())
        .ok_or_else(|| Malformed::InvalidHeader("Content-Length".to_owned()))?;
    if length > MAX_BYTES {
        return Err(Malformed::BodyTooLarge.into());
    }
    let reserved = usize::try_from(length.min(MAX_RESERVED_BYTES)).unwrap_or(0);
    let mut whole = BytesMut::with_capacity(reserved);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Malformed::BodyBroken)?;
        if let Some(data) = frame.data_ref() {
            whole.extend_from_slice(data);
        }
        if whole.len() as u64 > MAX_BYTES {
            return Err(Malformed::BodyTooLarge.into());
        }
    }
    if whole.len() as u64 != length {
        return Err(Malformed::BodyBroken.into());
    }
    Ok(whole.freeze())
}

/// Reads what is left of a refused body, and forgets it: a client that still
/// sends does not see an answer on a connection that is closed under it.
pub(super) async fn drain(mut body: Body) {
    let mut left = MAX_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(rest) = left.checked_sub(length) else {
            return;
        };
        left = rest;
    }
}

#[derive(Deserialize)]
#[serde(rename = "BlockList")]
struct BlockListXml {
    #[serde(rename = "$value", default)]
    blocks: Vec<BlockXml>,
}

#[derive(Deserialize)]
enum BlockXml {
    Committed(String),
    Uncommitted(String),
    Latest(String),
}

/// Reads the body of a Put Block List.
pub(super) fn block_list(xml: &[u8]) -> Result<Vec<BlockSource>, Refusal> {
    let text = std::str::from_utf8(xml).map_err(|_| Malformed::InvalidXml)?;
    let list: BlockListXml = quick_xml::de::from_str(text).map_err(|_| Malformed::InvalidXml)?;
    let sources = list.blocks.into_iter().map(|block| match block {
        BlockXml::Committed(id) => BlockSource::Committed(id),
        BlockXml::Uncommitted(id) => BlockSource::Uncommitted(id),
        BlockXml::Latest(id) => BlockSource::Latest(id),
    });
    Ok(sources.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_list_keeps_order_and_kind() {
        let xml = r#"<?xml version="1.0" encoding="utf-8"?>
            <BlockList><Latest>YQ==</Latest><Committed>Yg==</Committed><Latest>Yw==</Latest><Uncommitted>ZA==</Uncommitted></BlockList>"#;
        let list = block_list(xml.as_bytes()).expect("it is a block list");
        assert_eq!(
            list,
            [
                BlockSource::Latest("YQ==".to_owned()),
                BlockSource::Committed("Yg==".to_owned()),
                BlockSource::Latest("Yw==".to_owned()),
                BlockSource::Uncommitted("ZA==".to_owned()),
            ]
        );
        assert_eq!(block_list(b"<BlockList/>").expect("it is empty").len(), 0);
        for broken in [
            "",
            "<BlockList>",
            "<BlockList><Newest>a</Newest></BlockList>",
        ] {
            assert!(block_list(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
