use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use tower::ServiceExt as _;

use super::*;
use crate::model::{Grant, Resource, Scope};
use crate::names;
use crate::testing::Fixture;

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

    /// Sends `METHOD /path` with a token of the identity.
    async fn send(
        &self,
        identity: &str,
        line: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let token = format!("Bearer {}", self.fixture.token(identity, STORAGE));
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
async fn preconditions_are_refused_with_azures_codes() {
    let setup = Setup::new();
    let put = setup.put("a", "1").await;
    let etag = put.header("etag");
    let future = "Fri, 01 Jan 2100 00:00:00 GMT";
    let past = "Sat, 01 Jan 2000 00:00:00 GMT";
    for (line, condition, expected) in [
        (
            "GET /attachments/a",
            ("if-match", "\"0x0\""),
            (412, "ConditionNotMet"),
        ),
        (
            "GET /attachments/a",
            ("if-none-match", etag),
            (304, "ConditionNotMet"),
        ),
        (
            "GET /attachments/a",
            ("if-modified-since", future),
            (304, "ConditionNotMet"),
        ),
        (
            "GET /attachments/a",
            ("if-unmodified-since", past),
            (412, "ConditionNotMet"),
        ),
        (
            "GET /attachments/a",
            ("if-none-match", "*"),
            (400, "UnsatisfiableCondition"),
        ),
        (
            "HEAD /attachments/a",
            ("if-match", "\"0x0\""),
            (412, "ConditionNotMet"),
        ),
        (
            "PUT /attachments/a",
            ("if-none-match", "*"),
            (409, "BlobAlreadyExists"),
        ),
        (
            "PUT /attachments/a",
            ("if-match", "\"0x0\""),
            (412, "ConditionNotMet"),
        ),
        (
            "PUT /attachments/absent",
            ("if-match", "\"0x0\""),
            (412, "ConditionNotMet"),
        ),
        (
            "PUT /attachments/a?comp=blocklist",
            ("if-none-match", "*"),
            (409, "BlobAlreadyExists"),
        ),
        (
            "PUT /attachments/a?comp=metadata",
            ("if-unmodified-since", past),
            (412, "ConditionNotMet"),
        ),
        (
            "DELETE /attachments/a",
            ("if-match", "\"0x0\""),
            (412, "ConditionNotMet"),
        ),
        (
            "PUT /attachments/a",
            ("if-match", "\"0x0\", \"0x1\""),
            (400, "MultipleConditionHeadersNotSupported"),
        ),
        (
            "GET /attachments/a",
            ("if-modified-since", "yesterday"),
            (400, "InvalidHeaderValue"),
        ),
    ] {
        let before = setup.account.digest();
        let mut headers = vec![condition];
        if line.starts_with("PUT") && !line.contains("comp=") {
            headers.push(("x-ms-blob-type", "BlockBlob"));
        }

        let body = if line.starts_with("PUT") {
            "<BlockList/>"
        } else {
            ""
        };
        let answer = setup.send(FRONTEND, line, &headers, body).await;

        assert_eq!(answer.refusal(), expected, "{line} {condition:?}");
        assert_eq!(setup.account.digest(), before, "{line} {condition:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named_in_the_header_even_without_a_body() {
    let setup = Setup::with_owner();
    for (line, code) in [
        ("GET /attachments/absent", "BlobNotFound"),
        ("DELETE /attachments/absent", "BlobNotFound"),
        ("GET /attachments/absent?comp=blocklist", "BlobNotFound"),
        ("PUT /attachments/absent?comp=metadata", "BlobNotFound"),
        ("GET /nowhere/absent", "ContainerNotFound"),
        ("GET /nowhere?restype=container", "ContainerNotFound"),
        (
            "GET /nowhere?restype=container&comp=list",
            "ContainerNotFound",
        ),
        (
            "PUT /nowhere/a?comp=block&blockid=QQ==",
            "ContainerNotFound",
        ),
        ("DELETE /nowhere?restype=container", "ContainerNotFound"),
    ] {
        let answer = setup.send("backend", line, &[], "").await;
        assert_eq!(answer.refusal(), (404, code), "{line}");
        assert!(
            answer.element("Message").contains("\nRequestId:"),
            "{}",
            answer.text()
        );
    }
    let head = setup
        .send("backend", "HEAD /attachments/absent", &[], "")
        .await;
    assert_eq!(head.refusal(), (404, "BlobNotFound"));
    assert!(head.body.is_empty());
}

/// The observed form: azure-sdk-for-js' recordings.
#[tokio::test]
async fn a_token_for_another_resource_is_refused_with_a_challenge() {
    let setup = Setup::new();
    let token = format!(
        "Bearer {}",
        setup.fixture.token(FRONTEND, "https://vault.azure.net")
    );
    let headers = [
        ("authorization", token.as_str()),
        ("x-ms-version", "2026-04-06"),
    ];

    let answer = setup.send_raw("GET /attachments/a", &headers, "").await;

    assert_eq!(answer.refusal(), (401, "InvalidAuthenticationInfo"));
    let expected = format!(
        "Bearer authorization_uri=https://login.microsoftonline.com/{}/oauth2/authorize resource_id=https://storage.azure.com",
        names::tenant_id()
    );
    assert_eq!(answer.header("www-authenticate"), expected);
    assert_eq!(
        answer.element("AuthenticationErrorDetail"),
        "Audience validation failed. Audience did not match."
    );
    assert!(
        answer
            .text()
            .starts_with(r#"<?xml version="1.0" encoding="utf-8"?><Error><Code>"#)
    );
}

#[tokio::test]
async fn credentials_that_are_no_token_are_refused_each_with_its_code() {
    let setup = Setup::new();
    let good = format!("Bearer {}", setup.fixture.token(FRONTEND, STORAGE));
    let forged = format!("{}x", &good[..good.len() - 1]);
    for (headers, expected) in [
        (
            &[("x-ms-version", "2026-04-06")][..],
            (401, "NoAuthenticationInformation"),
        ),
        (
            &[("authorization", good.as_str())],
            (403, "AuthenticationFailed"),
        ),
        (
            &[
                ("authorization", good.as_str()),
                ("x-ms-version", "2015-02-21"),
            ],
            (403, "AuthenticationFailed"),
        ),
        (
            &[("authorization", good.as_str()), ("x-ms-version", "latest")],
            (400, "InvalidHeaderValue"),
        ),
        (
            &[
                ("authorization", forged.as_str()),
                ("x-ms-version", "2026-04-06"),
            ],
            (401, "InvalidAuthenticationInfo"),
        ),
        (
            &[
                ("authorization", "SharedKey a:b"),
                ("x-ms-version", "2026-04-06"),
            ],
            (403, "KeyBasedAuthenticationNotPermitted"),
        ),
    ] {
        let answer = setup.send_raw("GET /attachments/a", headers, "").await;

        assert_eq!(answer.refusal(), expected);
        if expected.1 == "AuthenticationFailed" {
            let detail = answer.element("AuthenticationErrorDetail");
            assert_eq!(
                detail,
                "Authentication scheme Bearer is not supported in this version."
            );
        }
    }
}

#[tokio::test]
async fn an_expired_token_is_refused_with_its_detail() {
    let setup = Setup::new();
    let token = format!("Bearer {}", setup.fixture.token(FRONTEND, STORAGE));
    setup
        .fixture
        .clock
        .advance(std::time::Duration::from_hours(25));
    let headers = [
        ("authorization", token.as_str()),
        ("x-ms-version", "2026-04-06"),
    ];

    let answer = setup.send_raw("GET /attachments/a", &headers, "").await;

    assert_eq!(answer.refusal(), (401, "InvalidAuthenticationInfo"));
    let detail = answer.element("AuthenticationErrorDetail");
    assert_eq!(detail, "Lifetime validation failed. The token is expired.");
}

#[tokio::test]
async fn a_caller_without_a_role_is_refused_whatever_there_is() {
    let setup = Setup::new();
    setup.put("a", "1").await;
    let contributor = Scope::new(["storage", "containers", "attachments"]);
    let revoked = Grant {
        identity: "worker".to_owned(),
        role: "Storage Blob Data Contributor".to_owned(),
        scope: contributor,
    };
    assert!(setup.fixture.gate.revoke(&revoked));
    let before = setup.account.digest();
    for (identity, line) in [
        ("worker", "GET /attachments/a"),
        ("worker", "GET /attachments/absent"),
        ("worker", "HEAD /attachments/a"),
        ("worker", "PUT /attachments/a"),
        ("worker", "PUT /attachments/a?comp=block&blockid=QQ=="),
        ("worker", "PUT /attachments/a?comp=blocklist"),
        ("worker", "DELETE /attachments/a"),
        ("worker", "GET /attachments?restype=container&comp=list"),
        ("worker", "GET /attachments?restype=container"),
        ("worker", "DELETE /attachments?restype=container"),
        // The role is at one container.
        (FRONTEND, "GET /?comp=list"),
        (FRONTEND, "GET /another/a"),
        (FRONTEND, "PUT /another?restype=container"),
    ] {
        let headers = [("x-ms-blob-type", "BlockBlob"), ("if-match", "\"0x0\"")];
        let conditional = line.ends_with("/a") || line.ends_with("absent");
        let headers = if conditional {
            &headers[..]
        } else {
            &headers[..1]
        };
        let answer = setup.send(identity, line, headers, "").await;

        assert_eq!(
            answer.refusal(),
            (403, "AuthorizationPermissionMismatch"),
            "{identity} {line}"
        );
    }
    assert_eq!(setup.account.digest(), before);
}

/// Control actions that the data plane enforces: a contributor of one container
/// may even delete it.
#[tokio::test]
async fn containers_are_managed_with_control_actions() {
    let setup = Setup::with_owner();
    let properties = setup
        .send(FRONTEND, "GET /attachments?restype=container", &[], "")
        .await;
    assert_eq!(properties.status, StatusCode::OK);
    assert_eq!(properties.header("x-ms-lease-state"), "available");

    let created = setup
        .send(
            "backend",
            "PUT /another?restype=container",
            &[("x-ms-meta-of", "b")],
            "",
        )
        .await;

    assert_eq!(created.status, StatusCode::CREATED);
    let again = setup
        .send("backend", "PUT /another?restype=container", &[], "")
        .await;
    assert_eq!(again.refusal(), (409, "ContainerAlreadyExists"));
    let list = setup
        .send(
            "backend",
            "GET /?comp=list&include=metadata&maxresults=1",
            &[],
            "",
        )
        .await;
    assert_eq!(list.elements("Name"), ["another"]);
    assert_eq!(list.element("Metadata"), "<of>b</of>");
    let next = format!("GET /?comp=list&marker={}", list.element("NextMarker"));
    let rest = setup.send("backend", &next, &[], "").await;
    assert_eq!(rest.elements("Name"), ["attachments"]);
    assert!(rest.text().contains("<NextMarker/>"), "{}", rest.text());
    let deleted = setup
        .send(FRONTEND, "DELETE /attachments?restype=container", &[], "")
        .await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    let early = setup
        .send("backend", "PUT /attachments?restype=container", &[], "")
        .await;
    assert_eq!(early.refusal(), (409, "ContainerBeingDeleted"));
    setup
        .fixture
        .clock
        .advance(std::time::Duration::from_secs(31));
    let late = setup
        .send("backend", "PUT /attachments?restype=container", &[], "")
        .await;
    assert_eq!(late.status, StatusCode::CREATED);
}

#[tokio::test]
async fn blobs_are_listed_by_prefix_and_page() {
    let setup = Setup::new();
    for name in ["a/1", "a/2", "b/1", "c<d"] {
        setup.put(&name.replace('<', "%3C"), "x").await;
    }
    let list = async |query: &str| {
        let line = format!("GET /attachments?comp=list&restype=container{query}");
        setup.send(FRONTEND, &line, &[], "").await
    };

    let all = list("").await;

    assert_eq!(all.elements("Name"), ["a/1", "a/2", "b/1", "c&lt;d"]);
    assert!(all.text().contains(&format!(
        r#"<EnumerationResults ServiceEndpoint="https://{HOST}/" ContainerName="attachments">"#
    )));
    assert!(
        all.element("Etag").starts_with("0x8D"),
        "unquoted: {}",
        all.element("Etag")
    );
    assert_eq!(all.element("Content-Length"), "1");
    assert_eq!(all.element("BlobType"), "BlockBlob");
    assert_eq!(list("&prefix=a%2F").await.elements("Name"), ["a/1", "a/2"]);
    let first = list("&maxresults=3").await;
    assert_eq!(first.elements("Name"), ["a/1", "a/2", "b/1"]);
    let next = list(&format!(
        "&maxresults=3&marker={}",
        first.element("NextMarker")
    ))
    .await;
    assert_eq!(next.elements("Name"), ["c&lt;d"]);
    let folders = list("&delimiter=%2F").await;
    assert_eq!(
        folders.elements("BlobPrefix"),
        ["<Name>a/</Name>", "<Name>b/</Name>"]
    );
    assert_eq!(folders.elements("Blob").len(), 1);
    let page = list("&delimiter=%2F&maxresults=1").await;
    let page = list(&format!(
        "&delimiter=%2F&maxresults=1&marker={}",
        page.element("NextMarker")
    ))
    .await;
    assert_eq!(page.elements("Name"), ["b/"]);
    assert_eq!(
        list("&maxresults=0").await.refusal(),
        (400, "OutOfRangeQueryParameterValue")
    );
    assert_eq!(
        list("&maxresults=x").await.refusal(),
        (400, "InvalidQueryParameterValue")
    );
}

#[tokio::test]
async fn metadata_is_replaced_and_listed() {
    let setup = Setup::new();
    let put = setup.put("a", "1").await;

    let set = setup
        .send(
            FRONTEND,
            "PUT /attachments/a?comp=metadata",
            &[("x-ms-meta-k", "v")],
            "",
        )
        .await;

    assert_eq!(set.status, StatusCode::OK);
    assert_ne!(set.header("etag"), put.header("etag"));
    assert_eq!(setup.get("a", &[]).await.header("x-ms-meta-k"), "v");
    let list = setup
        .send(
            FRONTEND,
            "GET /attachments?comp=list&restype=container&include=metadata",
            &[],
            "",
        )
        .await;
    assert_eq!(list.element("Metadata"), "<k>v</k>");
    for (name, code) in [
        ("x-ms-meta-a-b", "InvalidMetadata"),
        ("x-ms-meta-", "EmptyMetadataKey"),
    ] {
        let bad = setup
            .send(
                FRONTEND,
                "PUT /attachments/a?comp=metadata",
                &[(name, "v")],
                "",
            )
            .await;
        assert_eq!(bad.refusal(), (400, code));
    }
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

#[tokio::test]
async fn malformed_requests_are_refused_each_with_its_code() {
    let setup = Setup::with_owner();
    setup
        .send(
            "backend",
            "PUT /attachments/a?comp=block&blockid=QQ==",
            &[],
            "x",
        )
        .await;
    for (line, body, expected) in [
        ("PUT /attachments/a", "", (400, "MissingRequiredHeader")),
        (
            "PUT /attachments/a?comp=block",
            "",
            (400, "MissingRequiredQueryParameter"),
        ),
        (
            "PUT /attachments/a?comp=block&blockid=%21",
            "",
            (400, "InvalidQueryParameterValue"),
        ),
        (
            "PUT /attachments/a?comp=block&blockid=QUFBQQ==",
            "",
            (400, "InvalidBlobOrBlock"),
        ),
        (
            "PUT /attachments/a?comp=blocklist",
            "<BlockList>",
            (400, "InvalidXmlDocument"),
        ),
        (
            "PUT /attachments/a?comp=blocklist",
            "<BlockList><Latest>Qg==</Latest></BlockList>",
            (400, "InvalidBlockList"),
        ),
        (
            "PUT /attachments/a?comp=blocklist",
            "<BlockList><Committed>QQ==</Committed></BlockList>",
            (400, "InvalidBlockList"),
        ),
        ("PUT /ab?restype=container", "", (400, "OutOfRangeInput")),
        (
            "PUT /Attachments?restype=container",
            "",
            (400, "InvalidResourceName"),
        ),
        (
            "PUT /at--tachments?restype=container",
            "",
            (400, "InvalidResourceName"),
        ),
        ("GET /attachments/%FF", "", (400, "InvalidUri")),
        (
            "GET /attachments/a?comp=blocklist&blocklisttype=some",
            "",
            (400, "InvalidQueryParameterValue"),
        ),
    ] {
        let answer = setup.send("backend", line, &[], body).await;

        assert_eq!(answer.refusal(), expected, "{line}");
    }
}

#[tokio::test]
async fn a_body_without_length_or_beyond_the_bound_is_refused() {
    let setup = Setup::new();
    let token = format!("Bearer {}", setup.fixture.token(FRONTEND, STORAGE));
    for (length, expected) in [
        (None, StatusCode::LENGTH_REQUIRED),
        (Some("104857601"), StatusCode::PAYLOAD_TOO_LARGE),
        (Some("4"), StatusCode::BAD_REQUEST),
    ] {
        let mut request = Request::put("/attachments/a")
            .header("authorization", &token)
            .header("x-ms-version", "2026-04-06")
            .header("x-ms-blob-type", "BlockBlob");
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        let request = request
            .body(Body::from("abc"))
            .expect("the request is valid");
        let router = Arc::clone(&setup.account).router();

        let response = router
            .oneshot(request)
            .await
            .expect("a router does not fail");

        assert_eq!(response.status(), expected, "{length:?}");
    }
}

#[tokio::test]
async fn whatever_else_is_refused_with_501_naming_it() {
    let setup = Setup::with_owner();
    let block_blob = ("x-ms-blob-type", "BlockBlob");
    for (line, header, named) in [
        (
            "PUT /attachments/a?comp=lease",
            ("x-ms-lease-action", "acquire"),
            "PUT /attachments/a comp=lease",
        ),
        (
            "PUT /attachments/a",
            ("x-ms-blob-type", "AppendBlob"),
            "PutBlob of a AppendBlob",
        ),
        (
            "PUT /attachments/a",
            ("x-ms-copy-source", "https://a"),
            "the header x-ms-copy-source of PutBlob",
        ),
        (
            "GET /attachments/a",
            ("x-ms-lease-id", "1"),
            "the header x-ms-lease-id of GetBlob",
        ),
        (
            "GET /attachments/a?versionid=1",
            block_blob,
            "the parameter versionid of GetBlob",
        ),
        (
            "POST /?restype=service&comp=userdelegationkey",
            block_blob,
            "POST / restype=service comp=userdelegationkey",
        ),
        (
            "GET /attachments?restype=container&comp=list&include=snapshots",
            block_blob,
            "include=snapshots of ListBlobs",
        ),
        (
            "DELETE /attachments?restype=container",
            ("if-match", "*"),
            "the header if-match of DeleteContainer",
        ),
    ] {
        let answer = setup.send("backend", line, &[header], "").await;

        assert_eq!(answer.refusal(), (501, "NotImplemented"), "{line}");
        let expected = format!("The local cloud, which is not Azure, does not play {named}.");
        assert!(
            answer.element("Message").starts_with(&expected),
            "{}",
            answer.text()
        );
    }
}
