//! What a pod is asked on its management port. The kubelet asks for `/livez`
//! (does the process answer) and `/readyz` (can it do its work, and if not, what
//! is it waiting for); Prometheus asks for `/metrics`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::Serialize;

use crate::access::{self, Probe};
use crate::error::no_such_route;
use crate::server::Shutdown;
use crate::telemetry::metrics;

/// Whether the pod can do its work. A cheap handle.
///
/// A pod becomes ready when each of its checks has. It stops being ready as soon
/// as it has been asked to end, before anything else ends.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// What each check waits for; `None` when it is ready. Held for a line.
    checks: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
    shutdown: Shutdown,
}

impl Readiness {
    /// Ready, as there are no checks yet.
    pub fn new(shutdown: &Shutdown) -> Self {
        Self {
            checks: Arc::default(),
            shutdown: shutdown.clone(),
        }
    }

    /// Adds a check that is not ready yet. Its name says what it is about, for
    /// example `session-key`.
    pub fn check(&self, name: &'static str) -> Check {
        let check = Check {
            readiness: self.clone(),
            name,
        };
        check.waiting("not tried yet");
        check
    }

    /// The state as `/readyz` tells it.
    pub fn report(&self) -> ReadinessReport {
        let waiting_for: Vec<Waiting> = self
            .checks()
            .iter()
            .filter_map(|(name, why)| {
                Some(Waiting {
                    check: name,
                    why: why.clone()?,
                })
            })
            .collect();
        let draining = self.shutdown.is_requested();
        ReadinessReport {
            ready: waiting_for.is_empty() && !draining,
            draining,
            waiting_for,
        }
    }

    fn checks(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Option<String>>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thing that the pod needs before it is ready.
#[derive(Debug, Clone)]
pub struct Check {
    readiness: Readiness,
    name: &'static str,
}

impl Check {
    /// What it is about.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// It is there.
    pub fn ready(&self) {
        self.readiness.checks().insert(self.name, None);
    }

    /// It is not there, and why: a text for an operator, without secrets.
    pub fn waiting(&self, why: impl Into<String>) {
        self.readiness.checks().insert(self.name, Some(why.into()));
    }
}

/// The answer of `/readyz`: 200 when ready, else 503.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessReport {
    /// Whether requests should come here.
    pub ready: bool,
    /// Whether the pod is ending.
    pub draining: bool,
    /// What is missing.
    pub waiting_for: Vec<Waiting>,
}

/// A check that is not ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The check's name.
    pub check: &'static str,
    /// Why it is not ready.
    pub why: String,
}

/// What the management port serves: `/livez`, `/readyz`, `/metrics` and, only
/// with a probe, `/access`.
pub fn management(readiness: Readiness, probe: Option<Probe>) -> Router {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(measured))
        .with_state(readiness);
    let router = match probe {
        Some(probe) => router.merge(access::routes("/access", probe)),
        None => router,
    };
    router.fallback(no_such_route)
}

// No identity: that it answers says enough.
async fn livez() -> &'static str {
    "alive\n"
}

// No identity: it tells what was found out before.
async fn readyz(State(readiness): State<Readiness>) -> Response {
    let report = readiness.report();
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report)).into_response()
}

// No identity: it tells what was counted.
async fn measured() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)],
        metrics::render(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use http::Request;
    use serde_json::{Value, json};
    use tower::ServiceExt as _;

    async fn ask(router: &Router, path: &str) -> (StatusCode, Value) {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = router.clone().oneshot(request).await.expect("an answer");
        let status = response.status();
        let body = to_bytes(response.into_body(), 10_000)
            .await
            .expect("a body");
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    #[tokio::test]
    async fn a_pod_is_ready_when_each_of_its_checks_is() {
        let readiness = Readiness::new(&Shutdown::manual());
        let key = readiness.check("session-key");
        let router = management(readiness, None);
        assert_eq!(ask(&router, "/readyz").await.0, 503, "nothing was tried");

        key.waiting("Key Vault 403 ForbiddenByRbac");
        let (status, body) = ask(&router, "/readyz").await;
        assert_eq!(status, 503);
        assert_eq!(
            body,
            json!({ "ready": false, "draining": false, "waitingFor":
                [{ "check": "session-key", "why": "Key Vault 403 ForbiddenByRbac" }] })
        );

        key.ready();
        assert_eq!(ask(&router, "/readyz").await.0, 200);
    }

    #[tokio::test]
    async fn a_pod_that_ends_is_alive_and_not_ready() {
        let shutdown = Shutdown::manual();
        let router = management(Readiness::new(&shutdown), None);
        assert_eq!(ask(&router, "/readyz").await.0, 200);

        shutdown.request("test");

        let (status, body) = ask(&router, "/readyz").await;
        assert_eq!(status, 503);
        assert_eq!(body["draining"], true);
        assert_eq!(ask(&router, "/livez").await.0, 200);
    }

    #[tokio::test]
    async fn the_probe_is_not_there_unless_it_is_enabled() {
        let router = management(Readiness::new(&Shutdown::manual()), None);

        assert_eq!(ask(&router, "/access").await.0, 404);
    }
}
