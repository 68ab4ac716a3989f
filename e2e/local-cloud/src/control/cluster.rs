//! What stands in for the cluster's API server: service accounts, pods, tokens.
//! A pod that is not admitted is answered in the API server's form, and audited.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, post, put};
use axum::{Json, Router};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Control, Refusal, bad_request, not_found};
use crate::cluster::{Denial, TokenRequest};

pub(super) fn routes() -> Router<Control> {
    Router::new()
        .route("/cluster/service-accounts", put(apply_account))
        .route(
            "/cluster/service-accounts/{namespace}/{name}",
            delete(delete_account),
        )
        .route("/cluster/tokens", post(sign_token))
        .route("/cluster/token-requests", put(set_signing))
        .route("/cluster/pods", post(create_pod))
        .route("/cluster/pods/{namespace}/{name}", delete(delete_pod))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    answered: bool,
}

async fn apply_account(
    State(control): State<Control>,
    Json(account): Json<ServiceAccount>,
) -> StatusCode {
    control.planes.cluster.apply(account);
    StatusCode::NO_CONTENT
}

async fn delete_account(
    State(control): State<Control>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    if control.planes.cluster.remove(&namespace, &name) {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(not_found("such service account"))
}

async fn sign_token(
    State(control): State<Control>,
    Json(request): Json<TokenRequest>,
) -> Json<Value> {
    Json(json!({ "token": control.planes.cluster.sign(&request) }))
}

async fn set_signing(State(control): State<Control>, Json(body): Json<Answered>) -> StatusCode {
    control.planes.cluster.set_signing(body.answered);
    StatusCode::NO_CONTENT
}

async fn create_pod(State(control): State<Control>, Json(pod): Json<Pod>) -> Response {
    let asked = pod.clone();
    match control.planes.cluster.create(pod) {
        Ok(running) => Json(running).into_response(),
        Err(denial) => {
            let record = control.planes.cluster.not_admitted(&asked, &denial);
            control.planes.audit.record(record);
            refused(&denial)
        }
    }
}

fn refused(denial: &Denial) -> Response {
    let status = StatusCode::from_u16(denial.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(denial.status())).into_response()
}

async fn delete_pod(
    State(control): State<Control>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    if control
        .planes
        .cluster
        .delete(&namespace, &name)
        .map_err(bad_request)?
    {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(not_found("such pod"))
}
