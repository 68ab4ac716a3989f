//! Entra ID: the tenant, its user-assigned identities with their federated
//! credentials, and the endpoints that it publishes.
//!
//! Which requests lead to a token is decided in `exchange`; this file only
//! speaks HTTP.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::keys::{KeyRing, jwks};
use crate::model::Model;
use crate::names::{self, LOGIN_HOST};

pub(crate) mod access_token;
mod error;
mod exchange;
mod federation;
mod issuer_keys;

use federation::Directory;
use issuer_keys::IssuerKeys;

/// The audience that a federated credential of Entra ID always has.
pub const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// The tenant.
pub(crate) struct Entra {
    keys: KeyRing,
    issuer_keys: IssuerKeys,
    directory: Directory,
    resources: Vec<String>,
    clock: Clock,
    audit: Audit,
}

impl Entra {
    /// A tenant with the model's identities, each trusting its service accounts
    /// of the cluster. `client` fetches what issuers publish.
    pub(crate) fn new(
        model: &Model,
        keys: KeyRing,
        client: reqwest::Client,
        clock: Clock,
        audit: Audit,
    ) -> Self {
        Self {
            keys,
            issuer_keys: IssuerKeys::new(client, clock.clone()),
            directory: Directory::from_model(model),
            resources: exchange::known_resources(model),
            clock,
            audit,
        }
    }

    /// What the login host serves.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/{tenant}/oauth2/v2.0/token", any(token))
            .route(
                "/{tenant}/v2.0/.well-known/openid-configuration",
                get(discovery_v2),
            )
            .route(
                "/{tenant}/.well-known/openid-configuration",
                get(discovery_v1),
            )
            .route("/{tenant}/discovery/v2.0/keys", get(keys_of))
            .route("/{tenant}/discovery/keys", get(keys_of))
            .route("/common/discovery/instance", get(instance_discovery))
            .fallback(not_implemented)
            .with_state(self)
    }
}

async fn token(
    State(entra): State<Arc<Entra>>,
    Path(tenant): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let correlation_id: Option<Uuid> = headers
        .get("client-request-id")
        .or_else(|| headers.get("x-ms-client-request-id"))
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let outcome = if method == Method::POST {
        entra.exchange(&tenant, &body).await
    } else {
        Err(error::AadError::post_only(method.as_str()))
    };
    match outcome {
        Ok(token) => error::no_store(Json(token).into_response()),
        Err(refusal) => refusal.response(entra.clock.now(), correlation_id),
    }
}

async fn discovery_v2(State(entra): State<Arc<Entra>>, Path(tenant): Path<String>) -> Response {
    let issuer = format!("https://{LOGIN_HOST}/{}/v2.0", names::tenant_id());
    entra.discovery(&tenant, &issuer, "/v2.0")
}

async fn discovery_v1(State(entra): State<Arc<Entra>>, Path(tenant): Path<String>) -> Response {
    entra.discovery(&tenant, &names::token_issuer(names::tenant_id()), "")
}

impl Entra {
    fn discovery(&self, tenant: &str, issuer: &str, version: &str) -> Response {
        if let Err(refusal) = exchange::check_tenant(tenant) {
            return refusal.response(self.clock.now(), None);
        }
        let base = format!("https://{LOGIN_HOST}/{}", names::tenant_id());
        Json(json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{base}/oauth2{version}/authorize"),
            "token_endpoint": format!("{base}/oauth2{version}/token"),
            "jwks_uri": format!("{base}/discovery{version}/keys"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }))
        .into_response()
    }
}

async fn keys_of(State(entra): State<Arc<Entra>>, Path(tenant): Path<String>) -> Response {
    match exchange::check_tenant(&tenant) {
        Ok(()) => Json(jwks(&entra.keys.published(entra.clock.now()))).into_response(),
        Err(refusal) => refusal.response(entra.clock.now(), None),
    }
}

/// MSAL asks here which hosts stand for one another before it trusts one.
async fn instance_discovery() -> Json<Value> {
    Json(json!({
        "tenant_discovery_endpoint":
            format!("https://{LOGIN_HOST}/{}/v2.0/.well-known/openid-configuration", names::tenant_id()),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": LOGIN_HOST, "preferred_cache": LOGIN_HOST, "aliases": [LOGIN_HOST] }],
    }))
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
