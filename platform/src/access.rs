//! The access probe: tries each action of the access matrix with the pod's own
//! identity, without side effects, and reports what each service answered.
//!
//! It knows what there is to try and never who may: what should succeed is
//! compared elsewhere. `docs/fidelity.md` says why a refusal can be told from an
//! answer about something that does not exist.

mod attempts;
mod report;
mod steps;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use futures::StreamExt as _;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::azure::Clients;
use crate::error::ApiError;
use crate::identity::{TokenView, WorkloadIdentity};

pub use report::{AccessReport, Cell, Outcome, Step, StepOutcome};

/// Attempts that run at the same time.
const AT_ONCE: usize = 6;

/// The time between the beginnings of two runs, at least.
const INTERVAL: Duration = Duration::from_secs(5);

/// Tries the actions of the access matrix. A cheap handle; its clones share the
/// last report and the limits.
#[derive(Debug, Clone)]
pub struct Probe(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clients: Clients,
    identity: WorkloadIdentity,
    /// When the last run began. Locked for as long as a run lasts.
    running: tokio::sync::Mutex<Option<Instant>>,
    /// Held for a line.
    last: Mutex<Option<AccessReport>>,
}

/// Why the probe does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access probe runs once at a time and once per 5 seconds")]
pub struct TooSoon {
    /// When it may.
    pub retry_after: Duration,
}

impl Probe {
    /// A probe of this identity. The clients have to be that identity's.
    pub fn new(clients: Clients, identity: WorkloadIdentity) -> Self {
        Self(Arc::new(Inner {
            clients,
            identity,
            running: tokio::sync::Mutex::default(),
            last: Mutex::default(),
        }))
    }

    /// Tries everything, now.
    pub async fn run(&self) -> Result<AccessReport, TooSoon> {
        let busy = TooSoon {
            retry_after: Duration::from_secs(1),
        };
        let mut running = self.0.running.try_lock().map_err(|_| busy)?;
        let begin = Instant::now();
        if let Some(retry_after) = too_soon(*running, begin) {
            return Err(TooSoon { retry_after });
        }
        Ok(self.run_at(begin, &mut running).await)
    }

    /// What the last run found. Before there is one, tries everything, or waits
    /// for whoever is trying.
    pub async fn last_or_first(&self) -> AccessReport {
        if let Some(report) = self.last() {
            return report;
        }
        let mut running = self.0.running.lock().await;
        match self.last() {
            Some(report) => report,
            None => self.run_at(Instant::now(), &mut running).await,
        }
    }

    async fn run_at(&self, begin: Instant, running: &mut Option<Instant>) -> AccessReport {
        *running = Some(begin);
        let report = self.attempt_all(begin).await;
        *self.last_slot() = Some(report.clone());
        report
    }

    fn last(&self) -> Option<AccessReport> {
        self.last_slot().clone()
    }

    async fn attempt_all(&self, begin: Instant) -> AccessReport {
        let Inner {
            clients, identity, ..
        } = &*self.0;
        let at = OffsetDateTime::now_utc();
        let projected = steps::read_projected(identity).await;
        let cells: Vec<Cell> = futures::stream::iter(attempts::all(clients))
            .buffered(AT_ONCE)
            .collect()
            .await;
        let exchanges = identity.exchanges();
        let steps = steps::five(identity, &projected, &exchanges, &cells, at);
        let report = AccessReport {
            pod: pod_name(projected.token.as_ref()),
            client_id: identity.settings().client_id.clone(),
            tenant_id: identity.settings().tenant_id.clone(),
            at,
            duration_ms: milliseconds(begin.elapsed()),
            cells,
            steps,
            exchanges,
        };
        tracing::info!(
            duration_ms = report.duration_ms,
            allowed = report.count(|outcome| matches!(outcome, Outcome::Allowed)),
            refused = report.count(|outcome| matches!(outcome, Outcome::Refused { .. })),
            failed = report.count(|outcome| matches!(outcome, Outcome::Failed { .. })),
            "access probed"
        );
        report
    }

    fn last_slot(&self) -> std::sync::MutexGuard<'_, Option<AccessReport>> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<TooSoon> for ApiError {
    fn from(error: TooSoon) -> Self {
        Self::too_many_requests(error.to_string(), error.retry_after)
    }
}

/// The probe over HTTP: `POST` runs it, `GET` shows the last report, or the first.
pub fn routes(path: &str, probe: Probe) -> Router {
    Router::new()
        .route(path, get(show).post(run))
        .with_state(probe)
}

// No identity: it tries every action with the pod's own, and relies on none.
async fn show(State(probe): State<Probe>) -> Json<AccessReport> {
    Json(probe.last_or_first().await)
}

// No identity: it tries every action with the pod's own, and relies on none.
async fn run(State(probe): State<Probe>) -> Result<Json<AccessReport>, ApiError> {
    Ok(Json(probe.run().await?))
}

/// How long to wait until the next run may begin.
fn too_soon(last: Option<Instant>, now: Instant) -> Option<Duration> {
    let next = last? + INTERVAL;
    (now < next).then(|| next - now)
}

/// The pod's name in the matrix: that of its service account.
fn pod_name(token: Option<&TokenView>) -> String {
    token
        .and_then(|token| token.claim("sub"))
        .and_then(|subject| subject.rsplit(':').next())
        .unwrap_or("unknown")
        .to_owned()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_probe_waits_until_five_seconds_after_the_last_began() {
        let begin = Instant::now();

        assert_eq!(too_soon(None, begin), None);
        assert_eq!(
            too_soon(Some(begin), begin + Duration::from_secs(2)),
            Some(Duration::from_secs(3))
        );
        assert_eq!(too_soon(Some(begin), begin + Duration::from_secs(5)), None);
    }

    #[test]
    fn a_pod_is_called_as_its_service_account() {
        let token = TokenView {
            header: json!({}),
            claims: json!({ "sub": "system:serviceaccount:todolist:frontend" }),
        };

        assert_eq!(pod_name(Some(&token)), "frontend");
        assert_eq!(pod_name(None), "unknown");
    }
}
