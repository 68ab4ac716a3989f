//! The control API of the local cloud: what a test or a lab does that on Azure
//! an administrator, or time itself, would do.
//!
//! It listens on loopback, wants the bearer token that lies in the state
//! directory, and answers no browser: a request with an `Origin`, or for another
//! `Host` than its own, is refused. Whoever holds that token can have any token
//! signed, and so can be any service account and any identity of this cloud.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::audit::{Record, rfc3339};
use crate::cloud::Planes;
use crate::holds::Matcher;
use crate::lab::Lab;
use crate::model::{Grant, Scope};

mod cluster;
mod faults;
mod forge;
mod keys;
pub(crate) mod lab;
mod trust;

pub use forge::{ForgeBody, Issuer};

/// What the control API works on, and who may use it.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) planes: Arc<Planes>,
    pub(crate) address: SocketAddr,
    pub(crate) token: Arc<str>,
    pub(crate) lab: Lab,
}

/// A role assignment, as it is added or removed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    /// The identity's name.
    pub identity: String,
    /// The role's name.
    pub role: String,
    /// The logical scope, such as `vault/secrets/session-key`.
    pub scope: String,
}

impl From<GrantBody> for Grant {
    fn from(body: GrantBody) -> Self {
        Self {
            identity: body.identity,
            role: body.role,
            scope: Scope::new(body.scope.split('/')),
        }
    }
}

impl From<Grant> for GrantBody {
    fn from(grant: Grant) -> Self {
        Self {
            identity: grant.identity,
            role: grant.role,
            scope: grant.scope.to_string(),
        }
    }
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enabled {
    enabled: bool,
}

/// A refusal: status and what to do about it.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

fn bad_request(why: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, why.into())
}

fn not_found(what: &str) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, format!("there is no {what}"))
}

/// The API.
pub(crate) fn router(control: Control) -> Router {
    Router::new()
        .route("/audit", get(audit))
        .route("/state", get(state))
        .route("/grants", get(grants).post(grant).delete(revoke))
        .route("/clock/advance", post(advance))
        .route("/holds", post(hold))
        .route("/holds/{number}", get(held).delete(release))
        .route(
            "/vaults/{vault}/secrets/{secret}/versions",
            post(add_version),
        )
        .route(
            "/vaults/{vault}/secrets/{secret}/versions/{version}",
            put(set_enabled),
        )
        .route("/forge", post(forge::forge))
        .merge(cluster::routes())
        .merge(faults::router())
        .merge(keys::router())
        .merge(trust::router())
        .with_state(control.clone())
        .merge(lab::router(control.lab.clone()))
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(control, guard))
}

async fn guard(
    State(control): State<Control>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    match check(&control, &headers) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn check(control: &Control, headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let port = control.address.port();
    let own_hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    if !text(header::HOST).is_some_and(|host| own_hosts.iter().any(|own| own == host)) {
        return Err(Refusal(
            StatusCode::MISDIRECTED_REQUEST,
            "this is not a host of the control API".to_owned(),
        ));
    }
    if headers.contains_key(header::ORIGIN) {
        return Err(Refusal(
            StatusCode::FORBIDDEN,
            "the control API answers no web page".to_owned(),
        ));
    }
    if bears(headers, &control.token) {
        return Ok(());
    }
    let why = "the control API wants the token in the state directory's file `control-token`";
    Err(Refusal(StatusCode::UNAUTHORIZED, why.to_owned()))
}

/// Whether a request bears this token; compared without telling how much of it.
pub(crate) fn bears(headers: &HeaderMap, token: &str) -> bool {
    let presented = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .unwrap_or_default();
    let same =
        aws_lc_rs::constant_time::verify_slices_are_equal(presented.as_bytes(), token.as_bytes());
    same.is_ok()
}

async fn unknown(method: Method, uri: Uri) -> Refusal {
    not_found(&format!("{method} {} in the control API", uri.path()))
}

/// The header says how many of the oldest records the log has let go.
async fn audit(State(control): State<Control>, Query(from): Query<After>) -> impl IntoResponse {
    let audit = &control.planes.audit;
    let records: Vec<Record> = audit.after(from.after);
    let dropped = audit.extent().dropped.to_string();
    ([("audit-dropped", dropped)], Json(records))
}

async fn state(State(control): State<Control>) -> Json<Value> {
    Json(control.planes.digest())
}

async fn grants(State(control): State<Control>) -> Json<Vec<GrantBody>> {
    let grants = control.planes.gate.grants();
    Json(grants.into_iter().map(GrantBody::from).collect())
}

async fn grant(
    State(control): State<Control>,
    Json(body): Json<GrantBody>,
) -> Result<StatusCode, Refusal> {
    control
        .planes
        .gate
        .grant(body.into())
        .map_err(bad_request)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke(
    State(control): State<Control>,
    Json(body): Json<GrantBody>,
) -> Result<StatusCode, Refusal> {
    if control.planes.gate.revoke(&body.into()) {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(not_found("such grant"))
}

async fn advance(
    State(control): State<Control>,
    Json(by): Json<Advance>,
) -> Result<Json<Value>, Refusal> {
    const YEAR: u64 = 366 * 24 * 60 * 60;
    if by.seconds > YEAR {
        return Err(bad_request("the clock is advanced by a year at most"));
    }
    control
        .planes
        .clock
        .advance(Duration::from_secs(by.seconds));
    Ok(Json(json!({ "now": rfc3339(control.planes.clock.now()) })))
}

async fn hold(
    State(control): State<Control>,
    Json(matcher): Json<Matcher>,
) -> (StatusCode, Json<Value>) {
    let number = control.planes.holds.arm(matcher);
    (StatusCode::CREATED, Json(json!({ "hold": number })))
}

async fn held(
    State(control): State<Control>,
    Path(number): Path<u64>,
) -> Result<Json<Value>, Refusal> {
    let state = control
        .planes
        .holds
        .state(number)
        .ok_or_else(|| not_found("such hold"))?;
    Ok(Json(json!({ "state": state })))
}

async fn release(
    State(control): State<Control>,
    Path(number): Path<u64>,
) -> Result<Json<Value>, Refusal> {
    let state = control
        .planes
        .holds
        .release(number)
        .ok_or_else(|| not_found("such hold"))?;
    Ok(Json(json!({ "state": state })))
}

async fn add_version(
    State(control): State<Control>,
    Path((vault, secret)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let vault = control
        .planes
        .vaults
        .get(&vault)
        .ok_or_else(|| not_found("such vault"))?;
    let version = vault
        .add_version(&secret)
        .ok_or_else(|| not_found("such secret"))?;
    Ok(Json(json!({ "version": version })))
}

async fn set_enabled(
    State(control): State<Control>,
    Path((vault, secret, version)): Path<(String, String, String)>,
    Json(body): Json<Enabled>,
) -> Result<StatusCode, Refusal> {
    let vault = control
        .planes
        .vaults
        .get(&vault)
        .ok_or_else(|| not_found("such vault"))?;
    if vault.set_enabled(&secret, &version, body.enabled) {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(not_found("such version"))
}

#[cfg(test)]
mod tests;
