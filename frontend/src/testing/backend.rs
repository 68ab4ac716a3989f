//! A backend that answers on a port, as it was told, and remembers what it was
//! asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

/// What the backend was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// `POST /api/v1/lists/inbox/todos`, with the query.
    pub(crate) request: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// Answers each kind of request with what it was told to. A cheap handle.
#[derive(Clone, Default)]
pub(crate) struct FakeBackend {
    answers: Arc<Mutex<BTreeMap<String, (StatusCode, Value)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Connections that are closed before they are looked at.
    broken: Arc<Mutex<u32>>,
}

impl FakeBackend {
    /// Answers requests of this method and path, which is below `/api/v1`, and
    /// with a query if it matters.
    pub(crate) fn on(self, request: &str, status: u16, body: Value) -> Self {
        let status = StatusCode::from_u16(status).expect("a status");
        let request = request.replacen(' ', " /api/v1", 1);
        let mut answers = self.answers.lock().expect("no panic");
        answers.insert(request, (status, body));
        drop(answers);
        self
    }

    /// Refuses requests of this method and path with a problem.
    pub(crate) fn refusing(self, request: &str, status: u16, code: &str, detail: &str) -> Self {
        let problem = json!({ "type": "about:blank", "title": "", "status": status, "code": code,
            "detail": detail });
        self.on(request, status, problem)
    }

    /// Closes so many connections before it looks at one.
    pub(crate) fn breaking(self, connections: u32) -> Self {
        *self.broken.lock().expect("no panic") = connections;
        self
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    /// What it was asked to change.
    pub(crate) fn changes(&self) -> Vec<Asked> {
        let mut asked = self.asked();
        asked.retain(|asked| !asked.request.starts_with("GET "));
        asked
    }

    /// Serves, and gives its address.
    pub(crate) async fn serve(&self) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let inner = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (outer, address) = (listener.local_addr(), inner.local_addr());
        let (outer, address) = (outer.expect("an address"), address.expect("an address"));
        let router = Router::new().fallback(remember).with_state(self.clone());
        tokio::spawn(async move { axum::serve(inner, router).await });
        let broken = Arc::clone(&self.broken);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let is_broken = {
                    let mut left = broken.lock().expect("no panic");
                    let is_broken = *left > 0;
                    *left = left.saturating_sub(1);
                    is_broken
                };
                if is_broken {
                    continue;
                }
                tokio::spawn(async move {
                    let mut server = tokio::net::TcpStream::connect(address).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        format!("http://{outer}/").parse().expect("a URL")
    }
}

impl Asked {
    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

async fn remember(State(backend): State<FakeBackend>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 100_000).await.expect("a body");
    let path = format!("{} {}", head.method, head.uri.path());
    let whole = format!("{} {}", head.method, head.uri);
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| {
        let value = value.to_str().expect("text");
        (name.as_str().to_owned(), value.to_owned())
    });
    backend.asked.lock().expect("no panic").push(Asked {
        request: whole.clone(),
        headers: headers.collect(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    });
    let answers = backend.answers.lock().expect("no panic");
    let answer = answers.get(&whole).or_else(|| answers.get(&path));
    match answer {
        Some((status, _)) if *status == StatusCode::NO_CONTENT => status.into_response(),
        Some((status, body)) => (*status, Json(body.clone())).into_response(),
        None => (
            StatusCode::NOT_IMPLEMENTED,
            Json(json!({ "code": "untold", "detail": whole })),
        )
            .into_response(),
    }
}
