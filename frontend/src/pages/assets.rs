//! The stylesheet, the scripts and the icon, from the binary.
//!
//! Their address has the version of their content in it, so a browser keeps them
//! for good. While a new version is rolled out, a page of one replica may ask
//! another for its assets: a version that is not known here gets what is here,
//! and nobody keeps it.

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use http::header;
use uuid::Uuid;

use super::{At, Problem};

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

struct Asset {
    file: &'static str,
    media_type: &'static str,
    content: &'static str,
}

const ASSETS: [Asset; 4] = [
    Asset {
        file: "style.css",
        media_type: "text/css; charset=utf-8",
        content: concat!(
            include_str!("../../assets/base.css"),
            include_str!("../../assets/pages.css"),
            include_str!("../../assets/access.css"),
        ),
    },
    Asset {
        file: "app.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_str!("../../assets/app.js"),
    },
    Asset {
        file: "access.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_str!("../../assets/access.js"),
    },
    Asset {
        file: "icon.svg",
        media_type: "image/svg+xml",
        content: include_str!("../../assets/icon.svg"),
    },
];

/// Of all of them: they belong together.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let version = ASSETS.iter().fold(Uuid::NAMESPACE_URL, |version, asset| {
        Uuid::new_v5(&version, asset.content.as_bytes())
    });
    version.simple().to_string()
});

/// The address of an asset.
pub(super) fn path(file: &str) -> String {
    format!("/assets/{}/{file}", *VERSION)
}

/// Gives an asset out.
// No identity: it is part of the program.
pub(super) async fn show(At((version, file)): At<(String, String)>) -> Result<Response, Problem> {
    let asset = ASSETS.iter().find(|asset| asset.file == file);
    let asset = asset.ok_or_else(Problem::not_found)?;
    let kept = if version == *VERSION {
        IMMUTABLE
    } else {
        "no-store"
    };
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, kept),
    ];
    Ok((headers, asset.content).into_response())
}
