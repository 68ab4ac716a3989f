//! A file on its way down.

use bytes::Bytes;
use serde_json::json;

use super::{FILE, attachment};
use crate::testing::{FakeBackend, Site};

async fn site(metadata: serde_json::Value) -> Site {
    let path = format!("GET /lists/inbox/attachments/{FILE}");
    Site::with(&FakeBackend::default().on(&path, 200, metadata)).await
}

fn path() -> String {
    format!("/lists/inbox/attachments/{FILE}")
}

#[tokio::test]
async fn a_file_comes_back_as_it_went_and_is_only_ever_saved() {
    let mut metadata = attachment("plan\r\nX-Evil: 1\".html", "ready");
    metadata["detectedType"] = json!("text/html");
    let site = site(metadata).await;
    site.blobs.put(&format!("inbox/{FILE}"), b"hello world");

    let answer = site.get(&path()).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, Bytes::from_static(b"hello world"));
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        (
            "content-disposition",
            "attachment; filename=\"planX-Evil_ 1_.html\"; filename*=UTF-8''planX-Evil_%201_.html",
        ),
        ("content-length", "11"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        (
            "content-security-policy",
            "default-src 'none'; sandbox; frame-ancestors 'none'",
        ),
    ] {
        assert_eq!(answer.header(name), value);
    }
    assert!(answer.headers.get("x-evil").is_none());
}

#[tokio::test]
async fn a_harmless_type_is_told() {
    let mut metadata = attachment("cat.png", "ready");
    metadata["detectedType"] = json!("image/png");
    let site = site(metadata).await;
    site.blobs.put(&format!("inbox/{FILE}"), b"hello world");

    let answer = site.get(&path()).await;

    assert_eq!(answer.header("content-type"), "image/png");
}

#[tokio::test]
async fn a_file_that_is_not_ready_says_so() {
    for (status, words) in [
        ("pending", "It is still being processed."),
        ("failed", "It could not be processed."),
        ("ready", "Its content is gone."),
    ] {
        let site = site(attachment("<b>.txt", status)).await;

        let answer = site.get(&path()).await;

        assert_eq!(answer.status, 404);
        answer.says(words);
        answer.says("_b_.txt is not ready");
    }
}
