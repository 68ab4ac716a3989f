//! What a blob carries beside its bytes: content headers and metadata.

use std::collections::BTreeMap;

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::malformed::Malformed;
use super::refusal::Refusal;

/// What a blob without a content type is served as (documented, *Put Blob*).
const DEFAULT_TYPE: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Documented: metadata is at most 8 KiB.
const MAX_METADATA_BYTES: usize = 8 * 1024;

/// The standard headers that a blob is served with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ContentHeaders(BTreeMap<&'static str, HeaderValue>);

/// Name-value pairs, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata(BTreeMap<String, String>);

/// Each header, and what sets it.
const SETTERS: [(HeaderName, &str); 5] = [
    (CONTENT_TYPE, "x-ms-blob-content-type"),
    (CONTENT_ENCODING, "x-ms-blob-content-encoding"),
    (CONTENT_LANGUAGE, "x-ms-blob-content-language"),
    (CONTENT_DISPOSITION, "x-ms-blob-content-disposition"),
    (CACHE_CONTROL, "x-ms-blob-cache-control"),
];

impl ContentHeaders {
    /// Of a Put Blob: where an `x-ms-blob-` header is missing, the request's own
    /// header stands for it, but for the disposition (documented, *Put Blob*).
    pub(super) fn of_put(headers: &HeaderMap) -> Self {
        Self::from(|standard, setter| {
            let own = headers
                .get(standard)
                .filter(|_| standard != CONTENT_DISPOSITION);
            headers.get(setter).or(own)
        })
    }

    /// Of a Put Block List, whose own `Content-Type` is that of the list.
    pub(super) fn of_put_block_list(headers: &HeaderMap) -> Self {
        Self::from(|_, setter| headers.get(setter))
    }

    fn from<'a>(find: impl Fn(&HeaderName, &'static str) -> Option<&'a HeaderValue>) -> Self {
        let mut found = BTreeMap::new();
        for (standard, setter) in &SETTERS {
            if let Some(value) = find(standard, setter) {
                found.insert(*setter, value.clone());
            }
        }
        Self(found)
    }

    /// The headers to serve a blob with.
    pub(super) fn iter(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        SETTERS.into_iter().filter_map(|(standard, setter)| {
            let value = self.0.get(setter).cloned();
            let default = (standard == CONTENT_TYPE).then_some(DEFAULT_TYPE);
            Some((standard, value.or(default)?))
        })
    }

    /// One of them as text.
    pub(super) fn text(&self, name: &HeaderName) -> Option<String> {
        let (_, value) = self.iter().find(|(standard, _)| standard == name)?;
        value.to_str().ok().map(str::to_owned)
    }
}

impl Metadata {
    /// The request's `x-ms-meta-` headers. Names come in lower case, as HTTP/2
    /// carries them.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut pairs = BTreeMap::new();
        let mut bytes = 0;
        for (name, value) in headers {
            let Some(name) = name.as_str().strip_prefix("x-ms-meta-") else {
                continue;
            };
            if name.is_empty() {
                return Err(Malformed::EmptyMetadataKey.into());
            }
            let identifier = name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && !name.starts_with(|first: char| first.is_ascii_digit());
            let value = value.to_str().ok().filter(|_| identifier);
            let value = value.ok_or(Malformed::InvalidMetadata)?;
            bytes += name.len() + value.len();
            pairs.insert(name.to_owned(), value.to_owned());
        }
        if bytes > MAX_METADATA_BYTES {
            return Err(Malformed::MetadataTooLarge.into());
        }
        Ok(Self(pairs))
    }

    /// The pairs as headers.
    pub(super) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.0.iter().map(|(name, value)| {
            let name = HeaderName::try_from(format!("x-ms-meta-{name}"));
            let value = HeaderValue::try_from(value);
            (
                name.expect("it came as a header name"),
                value.expect("it came as a header value"),
            )
        })
    }

    pub(super) fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}
