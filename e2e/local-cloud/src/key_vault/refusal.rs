//! Key Vault's refusals: JSON `{"error":{"code","message"[,"innererror"]}}`.
//!
//! Texts marked *observed* are from answers of Azure that users published;
//! those marked *assumed* only keep the shape.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use serde_json::json;

use crate::gate::{Denied, TokenRefusal};
use crate::names;

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is no token: the challenge that starts every client.
    Challenge,
    /// The token is not good for this vault.
    Token(TokenRefusal),
    /// No role grants the action. The second value is the vault's host.
    Denied(Box<Denied>, String),
    /// There is no such secret or version; named `name` or `name/version`.
    NotFound(String),
    /// The version is disabled.
    Disabled,
    /// The emulator behind the gate says nothing.
    Unanswered,
    /// The request cannot be understood.
    BadParameter(String),
    /// The local cloud does not play this operation.
    NotPlayed(Method, String),
    /// The local cloud does not play this property of an operation.
    PropertyNotPlayed(&'static str, String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Challenge => unauthorized("AKV10000: Request is missing a Bearer or PoP token."),
            Self::Token(refusal) => unauthorized(&token_message(&refusal)),
            Self::Denied(denied, host) => error(
                StatusCode::FORBIDDEN,
                "Forbidden",
                &denied_message(&denied, &host),
                Some("ForbiddenByRbac"),
            ),
            // Observed: azure-sdk-for-js' recordings.
            Self::NotFound(what) => error(
                StatusCode::NOT_FOUND,
                "SecretNotFound",
                &format!(
                    "A secret with (name/id) {what} was not found in this key vault. If you recently \
                     deleted this secret you may be able to recover it using the correct recovery command. \
                     For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
                ),
                None,
            ),
            // Observed: azure-sdk-for-js' recordings, azure-sdk-for-java#17991.
            Self::Disabled => error(
                StatusCode::FORBIDDEN,
                "Forbidden",
                "Operation get is not allowed on a disabled secret.",
                Some("SecretDisabled"),
            ),
            Self::Unanswered => error(
                StatusCode::BAD_GATEWAY,
                "InternalError",
                "The emulator behind the gate of the local cloud, which is not Azure, does not answer.",
                None,
            ),
            Self::BadParameter(message) => {
                error(StatusCode::BAD_REQUEST, "BadParameter", &message, None)
            }
            Self::NotPlayed(method, path) => error(
                StatusCode::NOT_IMPLEMENTED,
                "NotImplemented",
                &format!("The local cloud, which is not Azure, does not play {method} {path}."),
                None,
            ),
            Self::PropertyNotPlayed(operation, property) => error(
                StatusCode::NOT_IMPLEMENTED,
                "NotImplemented",
                &format!(
                    "The local cloud, which is not Azure, does not play the property {property} of {operation}."
                ),
                None,
            ),
        }
    }
}

/// 401 with the challenge that the official clients look for.
fn unauthorized(message: &str) -> Response {
    let challenge = format!(
        r#"Bearer authorization="https://{}/{}", resource="https://vault.azure.net""#,
        names::LOGIN_HOST,
        names::tenant_id()
    );
    let mut response = error(StatusCode::UNAUTHORIZED, "Unauthorized", message, None);
    response.headers_mut().insert(
        WWW_AUTHENTICATE,
        HeaderValue::from_str(&challenge).expect("a tenant id is ASCII"),
    );
    response
}

pub(super) fn token_message(refusal: &TokenRefusal) -> String {
    match refusal {
        // Observed: azure-docs#109562.
        TokenRefusal::Audience { found } => {
            format!("AKV10022: Invalid audience. Expected https://vault.azure.net, found: {found}.")
        }
        // Observed; Azure also names the issuers of Microsoft's own tenants.
        TokenRefusal::Issuer { found } => format!(
            "AKV10032: Invalid issuer. Expected one of {}, found {found}.",
            names::token_issuer(names::tenant_id())
        ),
        // Observed: terraform-provider-azurerm#30912, AzureSignTool#330.
        TokenRefusal::UnknownKey => {
            "AKV10046: Unable to resolve the key used for signature validation.".to_owned()
        }
        // Observed: azure-sdk-for-python#27266.
        TokenRefusal::Expired => "[TokenExpired] Error validating token: 'S2S12086'.".to_owned(),
        // The text is observed; that it stands for these causes is assumed.
        TokenRefusal::Missing
        | TokenRefusal::Malformed(_)
        | TokenRefusal::Algorithm(_)
        | TokenRefusal::Signature
        | TokenRefusal::NotYetValid
        | TokenRefusal::UnknownPrincipal => {
            "[AggregatedAuthenticationFailure] Error validating token: 'S2S17001'.".to_owned()
        }
    }
}

/// Observed: terraform-provider-azurerm#27817.
fn denied_message(denied: &Denied, host: &str) -> String {
    let vault = host.split('.').next().unwrap_or(host);
    let within: String = denied
        .scope
        .segments()
        .iter()
        .skip(1)
        .flat_map(|segment| ["/", segment])
        .collect();
    let resource = format!(
        "/subscriptions/{}/resourcegroups/{}/providers/microsoft.keyvault/vaults/{vault}{within}",
        names::subscription_id(),
        names::RESOURCE_GROUP,
    );
    [
        "Caller is not authorized to perform action on resource.",
        "If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.",
        &format!(
            "Caller: appid={};oid={};iss={}",
            denied.caller.client_id, denied.caller.object_id, denied.caller.issuer
        ),
        &format!("Action: '{}'", denied.permission.name()),
        &format!("Resource: '{}'", resource.to_lowercase()),
        "Assignment: (not found)",
        "DenyAssignmentId: null",
        "DecisionReason: 'DeniedWithNoValidRBAC'",
        &format!("Vault: {vault};location={}", names::REGION),
    ]
    .join("\r\n")
}

fn error(status: StatusCode, code: &str, message: &str, inner: Option<&str>) -> Response {
    let mut error = json!({ "code": code, "message": message });
    if let Some(inner) = inner {
        error["innererror"] = json!({ "code": inner });
    }
    (status, Json(json!({ "error": error }))).into_response()
}
