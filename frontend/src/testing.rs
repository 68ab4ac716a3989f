//! What the tests stand on: a blob store and a queue in memory, a feed, and a
//! backend that answers on a port of its own.

mod sample;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use azure_core::error::ErrorKind;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, Request, StatusCode};
use platform::azure::AzureFailure;
use serde_json::Value;
use tempfile::NamedTempFile;
use tower::ServiceExt as _;

pub(crate) use sample::access_report;

use crate::activity::{Entry, Feed};
use crate::attachments::{Attachments, Blobs, Content, Job, Jobs};
use crate::backend::Backend;
use crate::id::ListId;
use crate::pages::{self, Pages};

/// What Blob Storage answers with this status and code.
pub(crate) fn blob_failure(status: u16, code: &str) -> AzureFailure {
    AzureFailure::blob(azure_core::Error::with_message(
        ErrorKind::HttpResponse {
            status: status.into(),
            error_code: Some(code.to_owned()),
            raw_response: None,
        },
        code.to_owned(),
    ))
}

/// Blobs in memory, block by block.
#[derive(Default)]
pub(crate) struct MemoryBlobs {
    staged: Mutex<BTreeMap<(String, u32), Bytes>>,
    committed: Mutex<BTreeMap<String, Vec<Bytes>>>,
    failure: Mutex<Option<fn() -> AzureFailure>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl MemoryBlobs {
    /// The blocks of a blob that was committed.
    pub(crate) fn committed(&self, blob: &str) -> Option<Vec<Bytes>> {
        self.committed.lock().expect("no panic").get(blob).cloned()
    }

    /// The names of the blobs that were committed.
    pub(crate) fn names(&self) -> Vec<String> {
        let committed = self.committed.lock().expect("no panic");
        committed.keys().cloned().collect()
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::Relaxed)
    }

    /// From now on every operation fails.
    pub(crate) fn fail_with(&self, failure: fn() -> AzureFailure) {
        *self.failure.lock().expect("no panic") = Some(failure);
    }

    fn answer(&self) -> Result<(), AzureFailure> {
        let failure = *self.failure.lock().expect("no panic");
        match failure {
            None => Ok(()),
            Some(failure) => Err(failure()),
        }
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn stage(&self, blob: &str, number: u32, block: Bytes) -> Result<(), AzureFailure> {
        let in_flight = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(in_flight, Ordering::Relaxed);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.answer()?;
        let mut staged = self.staged.lock().expect("no panic");
        staged.insert((blob.to_owned(), number), block);
        Ok(())
    }

    async fn commit(&self, blob: &str, blocks: u32) -> Result<(), AzureFailure> {
        self.answer()?;
        let staged = self.staged.lock().expect("no panic");
        let content = (0..blocks)
            .map(|number| staged[&(blob.to_owned(), number)].clone())
            .collect();
        let mut committed = self.committed.lock().expect("no panic");
        committed.insert(blob.to_owned(), content);
        Ok(())
    }

    async fn open(&self, blob: &str) -> Result<Content, AzureFailure> {
        self.answer()?;
        let Some(blocks) = self.committed(blob) else {
            return Err(blob_failure(404, "BlobNotFound"));
        };
        Ok(stream::iter(blocks).map(Ok).boxed())
    }
}

/// A queue in memory.
#[derive(Default)]
pub(crate) struct MemoryJobs {
    sent: Mutex<Vec<Value>>,
    is_away: Mutex<bool>,
}

impl MemoryJobs {
    pub(crate) fn sent(&self) -> Vec<Value> {
        self.sent.lock().expect("no panic").clone()
    }

    pub(crate) fn go_away(&self) {
        *self.is_away.lock().expect("no panic") = true;
    }
}

#[async_trait]
impl Jobs for MemoryJobs {
    async fn send(&self, job: Job<'_>) -> Result<(), AzureFailure> {
        if *self.is_away.lock().expect("no panic") {
            return Err(blob_failure(503, "ServerBusy"));
        }
        let job = serde_json::to_value(job).expect("a job is JSON");
        self.sent.lock().expect("no panic").push(job);
        Ok(())
    }
}

/// A feed of these entries, or one that may not be read.
pub(crate) struct MemoryFeed(pub(crate) Option<Vec<Entry>>);

#[async_trait]
impl Feed for MemoryFeed {
    async fn newest(&self, _: &ListId) -> Result<Vec<Entry>, AzureFailure> {
        self.0
            .clone()
            .ok_or_else(|| blob_failure(403, "AuthorizationPermissionMismatch"))
    }
}

/// What the backend was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// `POST /api/v1/lists/inbox/todos`.
    pub(crate) request: String,
    pub(crate) authorization: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) body: Value,
}

/// A backend that gives the same answer to everything, and remembers.
#[derive(Clone)]
pub(crate) struct FakeBackend {
    answer: (StatusCode, Value),
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl FakeBackend {
    pub(crate) fn answering(status: u16, body: Value) -> Self {
        let status = StatusCode::from_u16(status).expect("a status");
        Self {
            answer: (status, body),
            asked: Arc::default(),
        }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    /// Serves, and gives its address.
    async fn serve(&self) -> url::Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(remember).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/").parse().expect("a URL")
    }
}

async fn remember(State(backend): State<FakeBackend>, request: axum::extract::Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 100_000).await.expect("a body");
    let header = |name: &str| {
        let value = head.headers.get(name)?;
        Some(value.to_str().expect("text").to_owned())
    };
    backend.asked.lock().expect("no panic").push(Asked {
        request: format!("{} {}", head.method, head.uri.path()),
        authorization: header("authorization"),
        request_id: header("x-request-id"),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    });
    let (status, answer) = backend.answer;
    (status, Json(answer)).into_response()
}

/// The pages, on fakes.
pub(crate) struct Site {
    pub(crate) router: Router,
    pub(crate) blobs: Arc<MemoryBlobs>,
    pub(crate) jobs: Arc<MemoryJobs>,
    pub(crate) token_file: NamedTempFile,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Site {
    /// The pages with this backend and an empty feed.
    pub(crate) async fn with(backend: &FakeBackend) -> Self {
        let address = backend.serve().await;
        Self::new(address, MemoryFeed(Some(Vec::new())))
    }

    /// The pages with this backend and this feed.
    pub(crate) async fn with_feed(backend: &FakeBackend, feed: MemoryFeed) -> Self {
        Self::new(backend.serve().await, feed)
    }

    /// The pages with nobody at the backend's address.
    pub(crate) async fn without_backend() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let address = format!("http://{address}/").parse().expect("a URL");
        Self::new(address, MemoryFeed(Some(Vec::new())))
    }

    fn new(backend: url::Url, feed: MemoryFeed) -> Self {
        let mut token_file = NamedTempFile::new().expect("a file");
        token_file.write_all(b"pod-token").expect("a token");
        let blobs = Arc::new(MemoryBlobs::default());
        let jobs = Arc::new(MemoryJobs::default());
        let router = pages::router(Pages {
            backend: Backend::new(backend, token_file.path().to_owned()),
            feed: Arc::new(feed),
            attachments: Attachments::new(
                Arc::<MemoryBlobs>::clone(&blobs),
                Arc::<MemoryJobs>::clone(&jobs),
            ),
            access: None,
        });
        Self {
            router,
            blobs,
            jobs,
            token_file,
        }
    }

    /// Puts a blob where a file's content is.
    pub(crate) async fn blobs_with(&self, blob: &str, content: &'static [u8]) {
        let content = Bytes::from_static(content);
        self.blobs.stage(blob, 0, content).await.expect("staged");
        self.blobs.commit(blob, 1).await.expect("committed");
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        self.send(request).await
    }

    /// Sends a form as a browser does from our page.
    pub(crate) async fn post(&self, path: &str, form: &'static str) -> Answer {
        let request = Request::post(path)
            .header("host", "todo.example")
            .header("origin", "https://todo.example")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .expect("a request");
        self.send(request).await
    }

    /// Sends a form with a file, in parts and without telling its length.
    pub(crate) async fn upload(&self, path: &str, head: &str, content: Vec<Bytes>) -> Answer {
        let before = Bytes::from(format!("--b\r\n{head}\r\n\r\n"));
        let after = Bytes::from_static(b"\r\n--b--\r\n");
        let parts: Vec<Bytes> = std::iter::once(before)
            .chain(content)
            .chain([after])
            .collect();
        let body = Body::from_stream(stream::iter(parts).map(Ok::<_, std::convert::Infallible>));
        let request = Request::post(path)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "multipart/form-data; boundary=b")
            .body(body)
            .expect("a request");
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let (head, body) = response.into_parts();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: to_bytes(body, 100_000_000).await.expect("a body"),
        }
    }
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}"));
        value.to_str().expect("text")
    }
}
