//! The documents that Entra ID publishes: what its endpoints are, which keys
//! verify its tokens, and which hosts stand for one another.
//!
//! The tokens that the resources here take are of version 1.0; their issuer is
//! that of the document without a version.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::error::AadError;
use super::{Entra, correlated, correlation_id, exchange};
use crate::names::{self, LOGIN_HOST};

pub(super) async fn v2(
    State(entra): State<Arc<Entra>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Response {
    let issuer = format!("https://{LOGIN_HOST}/{}/v2.0", names::tenant_id());
    let document = exchange::check_tenant(&tenant).map(|()| configuration(&issuer, "/v2.0"));
    entra.publish(&headers, document)
}

pub(super) async fn v1(
    State(entra): State<Arc<Entra>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Response {
    let issuer = names::token_issuer(names::tenant_id());
    let document = exchange::check_tenant(&tenant).map(|()| configuration(&issuer, ""));
    entra.publish(&headers, document)
}

pub(super) async fn keys(
    State(entra): State<Arc<Entra>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Response {
    let document = exchange::check_tenant(&tenant).map(|()| entra.key_set());
    entra.publish(&headers, document)
}

#[derive(Deserialize)]
pub(super) struct Instance {
    authorization_endpoint: Option<String>,
}

/// MSAL asks here which hosts stand for one another before it trusts one.
pub(super) async fn instance(
    State(entra): State<Arc<Entra>>,
    Query(asked): Query<Instance>,
    headers: HeaderMap,
) -> Response {
    let document = match asked.authorization_endpoint {
        None => Err(AadError::missing_parameter("authorization_endpoint")),
        Some(endpoint) if is_ours(&endpoint) => Ok(json!({
            "tenant_discovery_endpoint":
                format!("https://{LOGIN_HOST}/{}/v2.0/.well-known/openid-configuration", names::tenant_id()),
            "api-version": "1.1",
            "metadata": [{
                "preferred_network": LOGIN_HOST,
                "preferred_cache": LOGIN_HOST,
                "aliases": [LOGIN_HOST],
            }],
        })),
        Some(_) => Err(AadError::unknown_instance()),
    };
    entra.publish(&headers, document)
}

fn is_ours(endpoint: &str) -> bool {
    Url::parse(endpoint)
        .is_ok_and(|url| url.scheme() == "https" && url.host_str() == Some(LOGIN_HOST))
}

/// The OpenID Connect configuration. What it says of flows for people is what
/// Entra ID says; those endpoints are not played.
fn configuration(issuer: &str, version: &str) -> Value {
    let base = format!("https://{LOGIN_HOST}/{}", names::tenant_id());
    json!({
        "token_endpoint": format!("{base}/oauth2{version}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/discovery{version}/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "authorization_endpoint": format!("{base}/oauth2{version}/authorize"),
        "device_authorization_endpoint": format!("{base}/oauth2{version}/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/oauth2{version}/logout"),
        "claims_supported": [
            "sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host",
            "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash",
            "c_hash", "email",
        ],
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    })
}

impl Entra {
    /// The published keys, each with a certificate of its own making: who knows
    /// them from this document needs nobody to vouch for it.
    fn key_set(&self) -> Value {
        let issuer = format!("https://{LOGIN_HOST}/{}/v2.0", names::tenant_id());
        let keys = self.keys.published_pairs(self.clock.now());
        let keys = keys.iter().map(|key| {
            let jwk = key.jwk();
            json!({
                "kty": jwk.kty,
                "use": jwk.usage,
                "kid": jwk.kid,
                "x5t": jwk.kid,
                "n": jwk.n,
                "e": jwk.e,
                "x5c": [key.certificate()],
                "issuer": issuer,
            })
        });
        json!({ "keys": keys.collect::<Vec<_>>() })
    }

    fn publish(&self, headers: &HeaderMap, document: Result<Value, AadError>) -> Response {
        let response = match document {
            Ok(document) => Json(document).into_response(),
            Err(refusal) => refusal.response(self.clock.now(), correlation_id(headers)),
        };
        correlated(response, headers)
    }
}
