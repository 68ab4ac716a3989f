//! The one stylesheet, from the binary.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};

pub(super) const PATH: &str = "/style.css";

const STYLE: &str = include_str!("../../assets/style.css");

static ETAG: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    STYLE.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
});

/// Kept by the browser, which asks each time whether it is still the one.
pub(super) async fn show(headers: HeaderMap) -> Response {
    let validators = [
        (header::ETAG, ETAG.as_str()),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let known = headers.get(header::IF_NONE_MATCH);
    if known.is_some_and(|known| known == ETAG.as_str()) {
        return (StatusCode::NOT_MODIFIED, validators).into_response();
    }
    let media_type = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (validators, media_type, STYLE).into_response()
}
