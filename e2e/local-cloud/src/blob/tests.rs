//! The account over HTTP: blobs that are put, got and deleted.

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use tower::ServiceExt as _;

use super::*;
use crate::model::{Grant, Resource, Scope};
use crate::testing::Fixture;

mod containers;
mod refusals;
mod roles;
mod tokens;

const HOST: &str = "localstorage.blob.core.windows.net";
const STORAGE: &str = "https://storage.azure.com";
const FRONTEND: &str = "frontend";

struct Setup {
    fixture: Fixture,
    account: Arc<Blob>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("it is text"))
    }

    /// Status and code, which has to be the same in header and body.
    fn refusal(&self) -> (u16, &str) {
        let code = self.header("x-ms-error-code");
        if !self.body.is_empty() {
            assert!(
                self.text().contains(&format!("<Code>{code}</Code>")),
                "{}",
                self.text()
            );
        }
        (self.status.as_u16(), code)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("it is text")
    }

    /// The text between the first `<name>` and its end.
    fn element(&self, name: &str) -> &str {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("<{name}>")).unwrap_or_default();
        rest.split_once(&format!("</{name}>")).unwrap_or_default().0
    }

    fn elements(&self, name: &str) -> Vec<&str> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let parts = self.text().split(&open).skip(1);
        parts
            .map(|part| part.split_once(&close).expect("it ends").0)
            .collect()
    }
}

impl Setup {
    fn new() -> Self {
        let fixture = Fixture::new();
        let Resource::Storage(spec) = fixture.resource("storage") else {
            panic!("the model's `storage` is a storage account");
        };
        let account = Blob::new(
            "storage",
            HOST.to_owned(),
            spec,
            fixture.gate.clone(),
            fixture.clock.clone(),
            None,
        );
        Self { fixture, account }
    }

    /// An account all of which `backend` may use.
    fn with_owner() -> Self {
        let setup = Self::new();
        let grant = Grant {
            identity: "backend".to_owned(),
            role: "Storage Blob Data Contributor".to_owned(),
            scope: Scope::new(["storage"]),
        };
        setup.fixture.gate.grant(grant).expect("the grant is valid");
        setup
    }

    /// The header of an identity's token for storage.
    fn authorization(&self, identity: &str) -> String {
        format!("Bearer {}", self.fixture.token(identity, STORAGE))
    }

    /// Sends `METHOD /path` with a token of the identity.
    async fn send(
        &self,
        identity: &str,
        line: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let token = self.authorization(identity);
        let own = [
            ("authorization", token.as_str()),
            ("x-ms-version", "2026-04-06"),
        ];
        self.send_raw(line, &[&own[..], headers].concat(), body)
            .await
    }

    async fn send_raw(
        &self,
        line: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let body = body.into();
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if method == Method::PUT {
            request = request.header("content-length", body.len());
        }
        let request = request
            .body(Body::from(body))
            .expect("the request is valid");
        let router = Arc::clone(&self.account).router();
        let response = router
            .oneshot(request)
            .await
            .expect("a router does not fail");
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.expect("the body is whole"),
        }
    }

    async fn put(&self, name: &str, content: &'static str) -> Answer {
        let line = format!("PUT /attachments/{name}");
        let answer = self
            .send(FRONTEND, &line, &[("x-ms-blob-type", "BlockBlob")], content)
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer
    }

    async fn get(&self, name: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(FRONTEND, &format!("GET /attachments/{name}"), headers, "")
            .await
    }
}

#[tokio::test]
async fn a_blob_that_was_put_is_got_with_its_properties() {
    let setup = Setup::new();
    let headers = [
        ("x-ms-blob-type", "BlockBlob"),
        ("x-ms-blob-content-type", "text/plain"),
        ("content-type", "application/octet-stream"),
        ("x-ms-meta-source", "page"),
        ("x-ms-client-request-id", "mine"),
    ];

    let put = setup
        .send(FRONTEND, "PUT /attachments/dir%2Fa.txt", &headers, "hello")
        .await;

    assert_eq!(put.status, StatusCode::CREATED);
    assert_eq!(put.header("x-ms-version"), "2026-04-06");
    assert_eq!(put.header("x-ms-client-request-id"), "mine");
    assert!(
        put.header("etag").starts_with("\"0x8D"),
        "{}",
        put.header("etag")
    );
    let got = setup.get("dir/a.txt", &[]).await;
    assert_eq!((got.status, got.text()), (StatusCode::OK, "hello"));
    for (name, expected) in [
        ("etag", put.header("etag")),
        ("content-type", "text/plain"),
        ("content-length", "5"),
        ("accept-ranges", "bytes"),
        ("x-ms-blob-type", "BlockBlob"),
        ("x-ms-meta-source", "page"),
        ("last-modified", put.header("last-modified")),
        ("x-ms-lease-state", "available"),
    ] {
        assert_eq!(got.header(name), expected, "{name}");
    }
    assert!(got.header("date").ends_with(" GMT"));
    let head = setup
        .send(FRONTEND, "HEAD /attachments/dir%2Fa.txt", &[], "")
        .await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (StatusCode::OK, "5")
    );
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn every_change_has_another_etag() {
    let setup = Setup::new();
    let first = setup.put("a", "1").await;

    let second = setup.put("a", "1").await;

    assert_ne!(first.header("etag"), second.header("etag"));
}

#[tokio::test]
async fn a_blob_of_blocks_is_got_in_ranges() {
    let setup = Setup::new();
    for (id, content) in [
        ("QQ%3D%3D", "abc"),
        ("Qg%3D%3D", "def"),
        ("Qw%3D%3D", "xyz"),
    ] {
        let line = format!("PUT /attachments/big?blockid={id}&comp=block");
        let answer = setup.send(FRONTEND, &line, &[], content).await;
        assert_eq!(answer.status, StatusCode::CREATED);
    }
    assert_eq!(setup.get("big", &[]).await.refusal(), (404, "BlobNotFound"));
    let staged = setup
        .send(
            FRONTEND,
            "GET /attachments/big?comp=blocklist&blocklisttype=all",
            &[],
            "",
        )
        .await;
    assert_eq!(staged.elements("Name"), ["QQ==", "Qg==", "Qw=="]);
    assert_eq!(staged.header("etag"), "", "nothing is committed");

    let list = r#"<?xml version="1.0" encoding="utf-8"?><BlockList><Latest>Qg==</Latest><Latest>QQ==</Latest></BlockList>"#;
    let committed = setup
        .send(
            FRONTEND,
            "PUT /attachments/big?comp=blocklist",
            &[("content-type", "application/xml")],
            list,
        )
        .await;

    assert_eq!(
        committed.status,
        StatusCode::CREATED,
        "{}",
        committed.text()
    );
    let whole = setup.get("big", &[]).await;
    assert_eq!(whole.text(), "defabc");
    assert_eq!(whole.header("content-type"), "application/octet-stream");
    for (header, range, expected, content_range) in [
        ("range", "bytes=0-4194303", "defabc", "bytes 0-5/6"),
        ("x-ms-range", "bytes=2-3", "fa", "bytes 2-3/6"),
        ("x-ms-range", "bytes=4-", "bc", "bytes 4-5/6"),
    ] {
        let part = setup
            .get(
                "big",
                &[(header, range), ("if-match", committed.header("etag"))],
            )
            .await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(
            (part.text(), part.header("content-range")),
            (expected, content_range)
        );
        assert_eq!(part.header("content-length"), expected.len().to_string());
    }
    let left = setup
        .send(
            FRONTEND,
            "GET /attachments/big?comp=blocklist&blocklisttype=all",
            &[],
            "",
        )
        .await;
    assert_eq!(
        left.elements("Name"),
        ["Qg==", "QQ=="],
        "what was not listed is gone"
    );
    assert_eq!(left.header("x-ms-blob-content-length"), "6");
}

/// The official Rust client asks for a range first, and once more without when
/// the blob turns out to be empty.
#[tokio::test]
async fn a_range_of_an_empty_blob_is_refused_with_its_length() {
    let setup = Setup::new();
    setup.put("empty", "").await;

    let answer = setup.get("empty", &[("range", "bytes=0-4194303")]).await;

    assert_eq!(answer.refusal(), (416, "InvalidRange"));
    assert_eq!(answer.header("content-range"), "bytes */0");
    let whole = setup.get("empty", &[]).await;
    assert_eq!(
        (whole.status, whole.header("content-length")),
        (StatusCode::OK, "0")
    );
}

#[tokio::test]
async fn a_deleted_blob_is_gone() {
    let setup = Setup::new();
    setup.put("a", "1").await;

    let deleted = setup
        .send(
            FRONTEND,
            "DELETE /attachments/a",
            &[("x-ms-delete-snapshots", "include")],
            "",
        )
        .await;

    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    assert_eq!(setup.get("a", &[]).await.refusal(), (404, "BlobNotFound"));
}
