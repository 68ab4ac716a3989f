//! The control API's part for trust: federated credentials, which external
//! issuers may be asked for their keys, and resources with an identity of their
//! own. Refusals have the form of Azure Resource Manager, whose part this plays.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Control, Refusal, bad_request, not_found};
use crate::directory::{ArmError, CredentialText, FederatedCredential, Identity};
use crate::entra::ExternalIssuer;

/// The routes.
pub(super) fn router() -> Router<Control> {
    Router::new()
        .route("/identities", get(identities))
        .route(
            "/identities/{identity}/federated-credentials",
            get(credentials),
        )
        .route(
            "/identities/{identity}/federated-credentials/{name}",
            put(put_credential).delete(delete_credential),
        )
        .route("/issuers", get(issuers).put(declare).delete(withdraw))
        .route("/resources", post(create_resource).delete(delete_resource))
        .route("/resources/token", post(resource_token))
}

impl IntoResponse for ArmError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let error = json!({ "code": self.code, "message": self.message });
        let mut response = (status, Json(json!({ "error": error }))).into_response();
        if let Some(seconds) = self.retry_after {
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issuer {
    issuer: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    resource: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceToken {
    resource: String,
    audience: String,
}

async fn identities(State(control): State<Control>) -> Json<Value> {
    let identities = control.planes.gate.directory().identities();
    Json(identities.iter().map(view).collect())
}

fn view(identity: &Identity) -> Value {
    json!({
        "name": identity.name,
        "clientId": identity.client_id,
        "principalId": identity.object_id,
        "federatedCredentials": &identity.federated_credentials[..],
    })
}

async fn credentials(
    State(control): State<Control>,
    Path(identity): Path<String>,
) -> Result<Json<Vec<FederatedCredential>>, ArmError> {
    let directory = control.planes.gate.directory();
    directory.credentials(&identity).map(Json)
}

async fn put_credential(
    State(control): State<Control>,
    Path((identity, name)): Path<(String, String)>,
    Json(text): Json<CredentialText>,
) -> Result<Json<FederatedCredential>, ArmError> {
    let directory = control.planes.gate.directory();
    directory
        .put_credential(&identity, &name, text)
        .await
        .map(Json)
}

async fn delete_credential(
    State(control): State<Control>,
    Path((identity, name)): Path<(String, String)>,
) -> Result<StatusCode, ArmError> {
    let directory = control.planes.gate.directory();
    directory.delete_credential(&identity, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn issuers(State(control): State<Control>) -> Json<Vec<ExternalIssuer>> {
    Json(control.planes.entra.declared_issuers())
}

async fn declare(
    State(control): State<Control>,
    Json(external): Json<ExternalIssuer>,
) -> Result<StatusCode, Refusal> {
    let declared = control.planes.entra.declare_issuer(external);
    declared.map_err(bad_request)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn withdraw(
    State(control): State<Control>,
    Json(body): Json<Issuer>,
) -> Result<StatusCode, Refusal> {
    if control.planes.entra.withdraw_issuer(&body.issuer) {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(not_found("such external issuer"))
}

async fn create_resource(
    State(control): State<Control>,
    Json(body): Json<Resource>,
) -> Result<(StatusCode, Json<Value>), ArmError> {
    let directory = control.planes.gate.directory();
    let identity = directory.create_resource(&body.resource)?;
    Ok((StatusCode::CREATED, Json(view(&identity))))
}

async fn delete_resource(
    State(control): State<Control>,
    Json(body): Json<Resource>,
) -> Result<StatusCode, ArmError> {
    let gate = &control.planes.gate;
    let gone = gate.directory().delete_resource(&body.resource);
    let gone = gone.ok_or_else(|| ArmError::no_resource(&body.resource))?;
    gate.forget(&gone.name);
    Ok(StatusCode::NO_CONTENT)
}

/// What the resource itself gets from its metadata endpoint, and nobody else.
async fn resource_token(
    State(control): State<Control>,
    Json(body): Json<ResourceToken>,
) -> Result<Json<Value>, Refusal> {
    let token = control
        .planes
        .entra
        .issue_to_resource(&body.resource, &body.audience);
    token
        .map(Json)
        .map_err(|why| Refusal(StatusCode::BAD_REQUEST, why))
}
