//! What the tests stand on: a blob store and a queue in memory, a feed, and a
//! backend that answers on a port of its own.

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
use platform::access::AccessReport;
use platform::azure::AzureFailure;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tower::ServiceExt as _;

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
        match *self.failure.lock().expect("no panic") {
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

async fn remember(
    State(backend): State<FakeBackend>,
    request: axum::extract::Request,
) -> Response {
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
        let response = self.router.clone().oneshot(request).await.expect("an answer");
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
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}"));
        value.to_str().expect("text")
    }
}

/// What a pod's probe finds on an estate that is as it should be.
pub(crate) fn access_report(pod: &str) -> AccessReport {
    let is_frontend = pod == "frontend";
    let (vault, blob) = ("403 ForbiddenByRbac", "403 AuthorizationPermissionMismatch");
    let (send, listen) = ("amqp:unauthorized-access Send", "amqp:unauthorized-access Listen");
    let cells: Vec<Value> = [
        ("vault", "list", "GET /secrets?maxresults=1", vault, vault),
        ("vault/secrets/session-key", "get", "GET /secrets/session-key", "", vault),
        ("vault/secrets/session-key", "update", "PATCH /secrets/session-key/00000000000000000000000000000000", vault, vault),
        ("vault/secrets/share-link-key", "get", "GET /secrets/share-link-key", vault, ""),
        ("vault/secrets/share-link-key", "update", "PATCH /secrets/share-link-key/00000000000000000000000000000000", vault, vault),
        ("cosmos/todos", "read", "GET /dbs/todolist/colls/todos/docs/access-probe-1", "403/5301", ""),
        ("cosmos/todos", "query", "POST /dbs/todolist/colls/todos/docs SELECT TOP 1 c.id FROM c WHERE c.listId = @l", "403/5301", ""),
        ("cosmos/todos", "write", "PUT /dbs/todolist/colls/todos/docs/access-probe-1 If-Match: \"none\"", "403/5301", ""),
        ("cosmos/todos", "delete", "DELETE /dbs/todolist/colls/todos/docs/access-probe-1", "403/5301", ""),
        ("cosmos/activity", "read", "GET /dbs/todolist/colls/activity/docs/access-probe-1", "", "403/5301"),
        ("cosmos/activity", "query", "POST /dbs/todolist/colls/activity/docs SELECT TOP 1 c.id FROM c WHERE c.listId = @l", "", "403/5301"),
        ("cosmos/activity", "write", "PUT /dbs/todolist/colls/activity/docs/access-probe-1 If-Match: \"none\"", "403/5302", "403/5301"),
        ("cosmos/activity", "delete", "DELETE /dbs/todolist/colls/activity/docs/access-probe-1", "403/5302", "403/5301"),
        ("storage", "list-containers", "GET /?comp=list&maxresults=1", blob, blob),
        ("storage/attachments", "list", "GET /attachments?restype=container&comp=list&maxresults=1", "", ""),
        ("storage/attachments", "read", "GET /attachments/access-probe-1", "", ""),
        ("storage/attachments", "write", "PUT /attachments/access-probe-1 If-Match: \"0x0\"", "", ""),
        ("storage/attachments", "delete", "DELETE /attachments/access-probe-1", "", ""),
        ("bus/todo-events", "send", "attach a sender to todo-events", send, ""),
        ("bus/todo-events", "receive", "attach a receiver to todo-events", listen, listen),
        ("bus/attachment-jobs", "send", "attach a sender to attachment-jobs", "", send),
        ("bus/attachment-jobs", "receive", "attach a receiver to attachment-jobs", listen, listen),
    ]
    .into_iter()
    .map(|(resource, action, operation, frontend, backend)| {
        let refusal = if is_frontend { frontend } else { backend };
        let mut cell = json!({ "resource": resource, "action": action, "operation": operation,
            "durationMs": 3 + operation.len() % 17 });
        if refusal.is_empty() {
            cell["outcome"] = json!("allowed");
            cell["detail"] = json!("404: nothing of this name, and this pod may know");
        } else {
            cell["outcome"] = json!("refused");
            cell["code"] = json!(refusal);
            cell["detail"] = json!("Caller is not authorized to perform action on resource. If role assignments were changed recently, wait a few minutes.");
        }
        cell
    })
    .collect();
    let (steps, exchanges) = steps_and_exchanges(pod);
    let report = json!({ "pod": pod, "clientId": "6977c771-7ec5-5c54-9864-189d96bd2654",
        "tenantId": TENANT, "at": "2026-11-23T14:00:00Z", "durationMs": 214,
        "cells": cells, "steps": steps, "exchanges": exchanges });
    serde_json::from_value(report).expect("a report")
}

const TENANT: &str = "0dd17ccc-1660-5815-893b-e60e4270e70b";

fn steps_and_exchanges(pod: &str) -> (Value, Value) {
    let issuer = format!(
        "https://eastus.oic.local-cloud.test/{TENANT}/8318da29-a62d-5772-9562-ba038981b162/"
    );
    let subject = format!("system:serviceaccount:todolist:{pod}");
    let audience = json!(["api://AzureADTokenExchange"]);
    let expires = 1_795_446_000;
    let projected = json!({
        "header": { "alg": "RS256", "kid": "dVn2nE0bEC4Xl1hRVJ9nJyo8yq0X3k1mZCXTY2m0p0E" },
        "claims": { "aud": audience, "exp": expires, "iat": expires - 3600, "iss": issuer,
            "kubernetes.io": { "namespace": "todolist",
                "pod": { "name": "frontend-5d8c7b6f9-x2x7k", "uid": "0b8a" },
                "serviceaccount": { "name": pod, "uid": "5a1c" } },
            "nbf": expires - 3600, "sub": subject } });
    let object = "f0b7c0c5-19b4-5c37-9f83-19bdcbf4d2f1";
    let access = json!({
        "header": { "alg": "RS256", "kid": "entra-1", "typ": "JWT" },
        "claims": { "aud": "https://servicebus.azure.net", "iss": format!("https://sts.windows.net/{TENANT}/"),
            "appid": "6977c771-7ec5-5c54-9864-189d96bd2654", "oid": object, "sub": object,
            "tid": TENANT, "ver": "1.0", "exp": expires } });
    let steps = json!([
        { "number": 1, "title": "Kubernetes issues a service-account token to the pod", "outcome": "done",
          "summary": format!("a token for {subject} in /var/run/secrets/azure/tokens/azure-identity-token"),
          "durationMs": 0, "token": projected,
          "values": [["file", "/var/run/secrets/azure/tokens/azure-identity-token"], ["iss", issuer],
              ["sub", subject], ["aud", audience], ["exp", expires]] },
        { "number": 2, "title": "The pod presents it to Entra ID and asks for one resource", "outcome": "done",
          "summary": "asked for https://servicebus.azure.net/.default", "durationMs": 18, "token": projected,
          "values": [["request", format!("POST https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token")],
              ["client_id", "6977c771-7ec5-5c54-9864-189d96bd2654"],
              ["scope", "https://servicebus.azure.net/.default"], ["at", "2026-11-23T14:00:00Z"]] },
        { "number": 3, "title": "Entra ID checks the trust in the cluster's issuer", "outcome": "done",
          "summary": "a federated credential has this issuer, subject and audience, and the issuer's published keys made the signature",
          "durationMs": null, "token": null,
          "values": [["iss", issuer], ["sub", subject], ["aud", audience]] },
        { "number": 4, "title": "Entra ID issues an access token", "outcome": "done",
          "summary": "an access token for https://servicebus.azure.net", "durationMs": null, "token": access,
          "values": [["iss", format!("https://sts.windows.net/{TENANT}/")], ["aud", "https://servicebus.azure.net"],
              ["oid", object], ["sub", object], ["appid", "6977c771-7ec5-5c54-9864-189d96bd2654"],
              ["tid", TENANT], ["expires", "2026-11-23T15:00:00Z"]] },
        { "number": 5, "title": "The resource validates the token and the role assignment", "outcome": "done",
          "summary": "GET /secrets/session-key: allowed", "durationMs": 9, "token": null,
          "values": [["allowed", 8], ["refused", 14], ["failed", 0]] }
    ]);
    let exchanges: Vec<Value> = ["vault.azure.net", "cosmos.azure.com", "storage.azure.com", "servicebus.azure.net"]
        .iter()
        .map(|resource| json!({ "scope": format!("https://{resource}/.default"),
            "at": "2026-11-23T14:00:00Z", "durationMs": 18, "assertion": projected,
            "outcome": "issued", "expiresAt": "2026-11-23T15:00:00Z", "token": access }))
        .collect();
    (steps, json!(exchanges))
}
