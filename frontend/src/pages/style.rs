//! The stylesheets and the script of the Access page, from the binary.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};

/// A file that is part of this program.
struct Asset {
    media_type: &'static str,
    content: &'static str,
}

// No identity: it shows a file that is part of the program.
pub(super) async fn style(headers: HeaderMap) -> Response {
    let content = include_str!("../../assets/style.css");
    Asset::style(content).show(&headers)
}

// No identity: it shows a file that is part of the program.
pub(super) async fn access_style(headers: HeaderMap) -> Response {
    let content = include_str!("../../assets/access.css");
    Asset::style(content).show(&headers)
}

// No identity: it shows a file that is part of the program.
pub(super) async fn access_script(headers: HeaderMap) -> Response {
    let media_type = "text/javascript; charset=utf-8";
    let content = include_str!("../../assets/access.js");
    let asset = Asset {
        media_type,
        content,
    };
    asset.show(&headers)
}

impl Asset {
    fn style(content: &'static str) -> Self {
        let media_type = "text/css; charset=utf-8";
        Self {
            media_type,
            content,
        }
    }

    /// Kept by the browser, which asks each time whether it is still the one.
    fn show(&self, headers: &HeaderMap) -> Response {
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
