//! Entra ID: the endpoints that the tenant publishes.
//!
//! Which requests lead to a token is decided in `exchange`; what stands in the
//! documents is in `discovery`. This file only speaks HTTP.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::gate::Gate;
use crate::keys::KeyRing;
use crate::model::Model;

pub(crate) mod access_token;
mod discovery;
mod error;
mod exchange;
mod explained;
mod federation;
mod form;
mod issuer_keys;
mod issuers;

use error::AadError;
pub(crate) use exchange::known_resources;
use issuer_keys::IssuerKeys;
pub use issuers::ExternalIssuer;
pub(crate) use issuers::Issuers;

/// The audience that a federated credential of Entra ID always has.
pub const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// What the token endpoint reads of a request at the most, in bytes.
const MAX_BODY: usize = 64 * 1024;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// The tenant.
pub(crate) struct Entra {
    keys: KeyRing,
    issuers: Issuers,
    issuer_keys: IssuerKeys,
    directory: Directory,
    gate: Gate,
    resources: Vec<String>,
    model: Model,
    clock: Clock,
    audit: Audit,
}

impl Entra {
    /// A tenant with the identities of the gate's directory. Their trust is
    /// checked with the keys of `issuers`.
    pub(crate) fn new(
        model: &Model,
        gate: Gate,
        keys: KeyRing,
        issuers: Issuers,
        clock: Clock,
        audit: Audit,
    ) -> Self {
        Self {
            keys,
            issuer_keys: IssuerKeys::new(issuers.clone(), clock.clone()),
            issuers,
            directory: gate.directory().clone(),
            gate,
            resources: known_resources(model),
            model: model.clone(),
            clock,
            audit,
        }
    }

    /// Lets an external issuer be asked for its keys from now on.
    pub(crate) fn declare_issuer(&self, external: ExternalIssuer) -> Result<(), String> {
        let issuer = external.issuer.clone();
        self.issuers.declare(external)?;
        self.issuer_keys.forget(&issuer);
        Ok(())
    }

    /// Drops what is kept of an issuer's keys, and that it did not answer.
    pub(crate) fn forget_keys_of(&self, issuer: &str) {
        self.issuer_keys.forget(issuer);
    }

    /// Takes a declaration back; whether there was one.
    pub(crate) fn withdraw_issuer(&self, issuer: &str) -> bool {
        self.issuer_keys.forget(issuer);
        self.issuers.withdraw(issuer)
    }

    /// The external issuers that were declared.
    pub(crate) fn declared_issuers(&self) -> Vec<ExternalIssuer> {
        self.issuers.declared()
    }

    /// What the login host serves.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/{tenant}/oauth2/v2.0/token", any(token))
            .route(
                "/{tenant}/v2.0/.well-known/openid-configuration",
                get(discovery::v2),
            )
            .route(
                "/{tenant}/.well-known/openid-configuration",
                get(discovery::v1),
            )
            .route("/{tenant}/discovery/v2.0/keys", get(discovery::keys))
            .route("/{tenant}/discovery/keys", get(discovery::keys))
            .route("/common/discovery/instance", get(discovery::instance))
            .fallback(not_implemented)
            .with_state(self)
    }
}

async fn token(
    State(entra): State<Arc<Entra>>,
    Path(tenant): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome = answer(&entra, &tenant, &method, &headers, body).await;
    let response = match outcome {
        Ok(token) => {
            let mut response = error::no_store(Json(token).into_response());
            error::name(&mut response, Uuid::new_v4());
            response
        }
        Err(refusal) => refusal.response(entra.clock.now(), correlation_id(&headers)),
    };
    correlated(response, &headers)
}

async fn answer(
    entra: &Entra,
    tenant: &str,
    method: &Method,
    headers: &HeaderMap,
    body: Body,
) -> Result<Value, AadError> {
    if *method != Method::POST {
        return Err(AadError::post_only(method.as_str()));
    }
    let body = to_bytes(body, MAX_BODY)
        .await
        .map_err(|_| AadError::too_large())?;
    // What is no form has no parameters: who sends JSON is told that the first of
    // them is missing.
    let form = if is_form(headers) { body } else { Bytes::new() };
    entra.exchange(tenant, &form).await
}

fn is_form(headers: &HeaderMap) -> bool {
    let text = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = text.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| {
        kind.trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

/// The caller's own id of the request, if it is one.
fn correlation_id(headers: &HeaderMap) -> Option<Uuid> {
    let id = headers
        .get(CLIENT_REQUEST_ID)
        .or_else(|| headers.get("x-ms-client-request-id"))?;
    id.to_str().ok()?.parse().ok()
}

/// Who asks for it gets the id of the request back.
fn correlated(mut response: Response, headers: &HeaderMap) -> Response {
    let wanted = headers
        .get("return-client-request-id")
        .is_some_and(|wanted| wanted.as_bytes().eq_ignore_ascii_case(b"true"));
    let id = correlation_id(headers)
        .filter(|_| wanted)
        .and_then(|id| HeaderValue::from_str(&id.to_string()).ok());
    if let Some(id) = id {
        response.headers_mut().insert(CLIENT_REQUEST_ID, id);
    }
    response
}

async fn not_implemented(method: Method, uri: Uri) -> Response {
    let text = format!(
        "the local cloud does not implement {method} {} of Entra ID",
        uri.path()
    );
    let body = json!({ "error": "not_implemented", "error_description": text });
    (StatusCode::NOT_IMPLEMENTED, Json(body)).into_response()
}

#[cfg(test)]
mod tests;
