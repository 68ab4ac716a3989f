//! The stylesheets and the script of the Access page, from the binary.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};

/// A file that is part of this program.
pub(super) struct Asset {
    pub(super) path: &'static str,
    media_type: &'static str,
    content: &'static str,
}

pub(super) const STYLE: Asset = Asset {
    path: "/style.css",
    media_type: "text/css; charset=utf-8",
    content: include_str!("../../assets/style.css"),
};

pub(super) const ACCESS_STYLE: Asset = Asset {
    path: "/access.css",
    media_type: "text/css; charset=utf-8",
    content: include_str!("../../assets/access.css"),
};

pub(super) const ACCESS_SCRIPT: Asset = Asset {
    path: "/access.js",
    media_type: "text/javascript; charset=utf-8",
    content: include_str!("../../assets/access.js"),
};

impl Asset {
    /// Kept by the browser, which asks each time whether it is still the one.
    pub(super) fn show(&self, headers: &HeaderMap) -> Response {
        let mut hasher = DefaultHasher::new();
        self.content.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let is_known = headers
            .get(header::IF_NONE_MATCH)
            .is_some_and(|known| *known == *etag);
        let validators = [
            (header::ETAG, etag),
            (header::CACHE_CONTROL, "no-cache".to_owned()),
        ];
        if is_known {
            return (StatusCode::NOT_MODIFIED, validators).into_response();
        }
        let media_type = [(header::CONTENT_TYPE, self.media_type)];
        (validators, media_type, self.content).into_response()
    }
}
