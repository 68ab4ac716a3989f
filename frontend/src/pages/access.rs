//! The Access page: how this pod came to its tokens, step by step, and what it
//! and the backend may do, as each service answered it.

mod matrix;
mod steps;

use askama::Template;
use axum::extract::State;
use axum::response::{Redirect, Response};
use platform::access::{AccessReport, Probe};
use platform::telemetry::{error_chain, redact};
use time::OffsetDateTime;

use super::layout::Layout;
use super::words::{Milliseconds, moment};
use super::{Access, Notice, Noticed, Pages, Problem, page};
use crate::backend::{Backend, BackendFailure};
use crate::grants::AccessModel;
use matrix::{Column, Group};
use steps::{ExchangeView, StepView};

#[derive(Template)]
#[template(path = "access.html")]
struct AccessPage {
    layout: Layout,
    was_too_soon: bool,
    identity: IdentityView,
    steps: Vec<StepView>,
    exchanges: Vec<ExchangeView>,
    columns: Vec<Column>,
    groups: Vec<Group>,
    /// Why the grants are not named, if they should be.
    model_problem: Option<String>,
}

/// Whose steps they are.
struct IdentityView {
    pod: String,
    client_id: String,
    tenant_id: String,
    at: String,
    duration: Milliseconds,
}

/// Access: identity `frontend`, by the roles that the matrix shows; the backend,
/// as this pod's service account, for the backend's own report.
pub(super) async fn show(
    State(pages): State<Pages>,
    Noticed(notice): Noticed,
) -> Result<Response, Problem> {
    let access = pages.access.ok_or_else(Problem::not_found)?;
    let (own, backend) = tokio::join!(own_report(&access.probe), backend_report(&pages.backend));
    let own = own.ok_or_else(Problem::being_probed)?;
    let model = model(&access).await;
    let view = AccessPage::new(
        &own,
        backend.as_ref().map_err(String::as_str),
        model.as_ref().map(Option::as_ref).map_err(Clone::clone),
        notice,
        OffsetDateTime::now_utc(),
    );
    Ok(page(&view))
}

/// Tries everything again, here and at the backend.
///
/// Access: as [`show`].
pub(super) async fn run(State(pages): State<Pages>) -> Result<Redirect, Problem> {
    let access = pages.access.ok_or_else(Problem::not_found)?;
    let (own, backend) = tokio::join!(access.probe.run(), pages.backend.probe_access());
    if let Err(failure) = backend {
        // The page shows it: it asks the backend again.
        let cause = redact(&error_chain(&failure)).into_owned();
        tracing::info!(cause, "the backend's probe did not run");
    }
    Ok(Redirect::to(match own {
        Ok(_) => "/access",
        Err(_) => "/access?notice=probed-just-now",
    }))
}

/// The last report, or the first. `None` while the first is being made.
async fn own_report(probe: &Probe) -> Option<AccessReport> {
    match probe.last() {
        Some(report) => Some(report),
        None => probe.run().await.ok(),
    }
}

async fn backend_report(backend: &Backend) -> Result<AccessReport, String> {
    let report = match backend.access().await {
        Ok(Some(report)) => Ok(report),
        Ok(None) => backend.probe_access().await,
        Err(failure) => Err(failure),
    };
    report.map_err(|failure| {
        let told = match &failure {
            BackendFailure::Refused { refusal, .. } => format!("The backend answered {refusal}"),
            BackendFailure::Token(_) | BackendFailure::Lost { .. } => failure.to_string(),
        };
        let cause = redact(&error_chain(&failure)).into_owned();
        tracing::warn!(cause, "no access report of the backend");
        told
    })
}

/// The access model, if there is one; or why it cannot be read.
async fn model(access: &Access) -> Result<Option<AccessModel>, String> {
    match &access.model {
        None => Ok(None),
        Some(path) => AccessModel::read(path)
            .await
            .map(Some)
            .map_err(|error| error_chain(&error)),
    }
}

impl AccessPage {
    /// `backend` is the backend's report, or why there is none.
    fn new(
        own: &AccessReport,
        backend: Result<&AccessReport, &str>,
        model: Result<Option<&AccessModel>, String>,
        notice: Option<Notice>,
        now: OffsetDateTime,
    ) -> Self {
        let (model, model_problem) = match model {
            Ok(model) => (model, None),
            Err(problem) => (None, Some(problem)),
        };
        Self {
            layout: Layout::new("Access", "access", true),
            was_too_soon: notice == Some(Notice::ProbedJustNow),
            identity: IdentityView::new(own),
            steps: steps::views(&own.steps, now),
            exchanges: steps::exchanges(&own.exchanges, now),
            columns: vec![
                Column::new(&own.pod, Ok(own)),
                Column::new("backend", backend),
            ],
            groups: matrix::groups(&[Some(own), backend.ok()], model),
            model_problem,
        }
    }
}

impl IdentityView {
    fn new(report: &AccessReport) -> Self {
        Self {
            pod: report.pod.clone(),
            client_id: report.client_id.clone(),
            tenant_id: report.tenant_id.clone(),
            at: moment(report.at),
            duration: Milliseconds(report.duration_ms),
        }
    }
}
