//! The successful answers of the account, and how times look in them.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use futures::stream;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use uuid::Uuid;

use super::engine::{BlockBlob, Stamp};
use super::range::{Range, cut};

const HTTP_DATE: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);
const TICKS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:7]Z");

/// What every answer to a request needs.
pub(super) struct Context {
    pub(super) method: Method,
    pub(super) request_id: Uuid,
    pub(super) now: OffsetDateTime,
}

impl Context {
    /// The time, as errors carry it.
    pub(super) fn time(&self) -> String {
        self.now.format(TICKS).expect("a UTC time has this form")
    }
}

/// A time as HTTP headers carry it.
pub(crate) fn http_date(at: OffsetDateTime) -> String {
    at.format(HTTP_DATE).expect("a UTC time has this form")
}

pub(super) fn content(blob: &BlockBlob, range: Option<Range>) -> Response {
    let whole = blob
        .length
        .checked_sub(1)
        .map(|last| Range { from: 0, to: last });
    let Some(served) = range.or(whole) else {
        return described(StatusCode::OK, blob, 0);
    };
    let length = served.to - served.from + 1;
    let mut response = match range {
        None => described(StatusCode::OK, blob, length),
        Some(Range { from, to }) => {
            let mut response = described(StatusCode::PARTIAL_CONTENT, blob, length);
            let range = format!("bytes {from}-{to}/{}", blob.length);
            response.headers_mut().insert(CONTENT_RANGE, ascii(range));
            response
        }
    };
    let pieces = cut(&blob.blocks, served).into_iter();
    *response.body_mut() = Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)));
    response
}

/// An answer with everything about a blob but its bytes.
pub(super) fn described(status: StatusCode, blob: &BlockBlob, content_length: u64) -> Response {
    let mut response = stamped(status, &blob.stamp);
    let headers = response.headers_mut();
    headers.extend(blob.headers.iter());
    headers.extend(blob.metadata.headers());
    headers.insert(CONTENT_LENGTH, content_length.into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert("x-ms-creation-time", ascii(http_date(blob.created)));
    insert(
        headers,
        &[
            ("x-ms-blob-type", "BlockBlob"),
            ("x-ms-lease-status", "unlocked"),
            ("x-ms-lease-state", "available"),
            ("x-ms-server-encrypted", "true"),
        ],
    );
    response
}

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

pub(super) fn stamped(status: StatusCode, of: &Stamp) -> Response {
    let mut response = empty(status);
    stamp(response.headers_mut(), of);
    response
}

pub(super) fn encrypted(mut response: Response) -> Response {
    let headers = response.headers_mut();
    insert(headers, &[("x-ms-request-server-encrypted", "true")]);
    response
}

pub(super) fn xml(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

pub(super) fn stamp(headers: &mut HeaderMap, stamp: &Stamp) {
    headers.insert(ETAG, ascii(format!("\"{}\"", stamp.etag)));
    headers.insert(LAST_MODIFIED, ascii(http_date(stamp.last_modified)));
}

pub(super) fn insert(headers: &mut HeaderMap, pairs: &[(&'static str, &'static str)]) {
    for (name, value) in pairs {
        headers.insert(*name, HeaderValue::from_static(value));
    }
}

pub(super) fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("it is made of ASCII")
}
