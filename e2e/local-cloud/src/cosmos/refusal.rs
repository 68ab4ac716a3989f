//! How Cosmos DB refuses: status, `x-ms-substatus` and the text of the body.
//!
//! Sub-statuses after the official clients' own tables (`StatusCodes.cs` of the
//! .NET client, `cosmos_status.rs` of the Rust client). Texts, observed in
//! public issues: 5000, 5006 (azure-sdk-for-js#22620), 5007, 5202, 5300
//! (efcore#32197), 5301 (azure-cosmos-dotnet-v3#3110). Assumed: the texts of
//! 5001, 5003, 5004, 5005, 5008, 5011 and 5200, and that 5302 says what 5301 says.

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;
use uuid::Uuid;

use super::operation::READ_METADATA;
use crate::gate::{Denied, TokenRefusal};
use crate::names;

/// A request that goes no further.
#[derive(Debug)]
pub(super) enum Refusal {
    /// 401: who are you.
    Unauthorized {
        substatus: u16,
        message: String,
        /// Whether the message opens with "Request blocked by Auth".
        blocked: bool,
    },
    /// 403: not you.
    Forbidden { substatus: u16, message: String },
    /// 403/5300: not with any role. The request's method and path.
    ControlPlane { request: String },
    /// 400.
    BadRequest(String),
    /// 413.
    TooLarge,
    /// 501: what the local cloud does not play.
    NotImplemented(String),
    /// 500: the engine's fault, or ours.
    Internal(String),
}

impl Refusal {
    pub(super) fn missing_authorization() -> Self {
        Self::unauthorized(
            5000,
            "Required Header authorization is missing. Ensure a valid Authorization token is passed.",
            false,
        )
    }

    pub(super) fn malformed_authorization() -> Self {
        Self::unauthorized(
            5001,
            "Authorization header doesn't confirm to the required format. Please verify and try again.",
            false,
        )
    }

    /// Keys, and tokens made of keys, are switched off.
    pub(super) fn local_auth_disabled() -> Self {
        Self::unauthorized(
            5202,
            "Local Authorization is disabled. Use an AAD token to authorize all requests.",
            false,
        )
    }

    /// The gate's refusal of a token, in Cosmos DB's words.
    pub(super) fn of_token(refusal: &TokenRefusal, token: &str, now: OffsetDateTime) -> Self {
        let (substatus, message) = match refusal {
            TokenRefusal::Missing => return Self::missing_authorization(),
            TokenRefusal::Malformed(_) => (
                5003,
                "Provided AAD token is not in a valid format.".to_owned(),
            ),
            TokenRefusal::Algorithm(_) | TokenRefusal::Signature => (
                5004,
                "Provided AAD token does not have a valid signature.".to_owned(),
            ),
            TokenRefusal::UnknownKey => (
                5200,
                "Provided AAD token was signed with an unknown key.".to_owned(),
            ),
            TokenRefusal::NotYetValid => (
                5005,
                format!(
                    "Provided AAD token is not yet valid. Current server time is [{}].",
                    server_time(now)
                ),
            ),
            TokenRefusal::Expired => (
                5006,
                format!(
                    "Provided AAD token has been expired since [{}]. Current server time is [{}]. \
                     Please refresh the AAD token.",
                    server_time(expiry(token).unwrap_or(now)),
                    server_time(now)
                ),
            ),
            TokenRefusal::Issuer { found } => (
                5007,
                format!(
                    "Provided AAD token was issued by the authority [{}] which is not trusted by \
                     this database account. Please ensure the token has been issued by the AAD \
                     tenant(s) [{}].",
                    authority(found),
                    names::tenant_id()
                ),
            ),
            TokenRefusal::Audience { found } => (
                5008,
                format!("Provided AAD token has an invalid audience [{found}]."),
            ),
            TokenRefusal::UnknownPrincipal => (
                5011,
                "Provided AAD token does not name a principal of this tenant.".to_owned(),
            ),
        };
        Self::unauthorized(substatus, message, true)
    }

    /// A role is missing on a resource such as `dbs/x/colls/y`.
    pub(super) fn denied(denied: &Denied, resource: &str) -> Self {
        let action = denied.permission.name();
        let principal = denied.caller.object_id;
        Self::Forbidden {
            substatus: if action == READ_METADATA { 5301 } else { 5302 },
            message: format!(
                "Request is blocked because principal [{principal}] does not have required RBAC \
                 permissions to perform action [{action}] on resource [{resource}]. \
                 Learn more: https://aka.ms/cosmos-native-rbac."
            ),
        }
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::BadRequest(message.to_owned())
    }

    pub(super) fn not_implemented(operation: impl Into<String>) -> Self {
        Self::NotImplemented(operation.into())
    }

    fn unauthorized(substatus: u16, message: impl Into<String>, blocked: bool) -> Self {
        Self::Unauthorized {
            substatus,
            message: message.into(),
            blocked,
        }
    }

    /// The answer of the account of this physical name.
    pub(super) fn into_response(self, account: &str, activity: Uuid) -> Response {
        let by_auth = |message: &str| format!("Request blocked by Auth {account} : {message}");
        let (status, code, substatus, message) = match self {
            Self::Unauthorized {
                substatus,
                message,
                blocked,
            } => {
                let message = if blocked { by_auth(&message) } else { message };
                let status = StatusCode::UNAUTHORIZED;
                (status, "Unauthorized", Some(substatus), message)
            }
            Self::Forbidden { substatus, message } => {
                let message = by_auth(&message);
                (StatusCode::FORBIDDEN, "Forbidden", Some(substatus), message)
            }
            Self::ControlPlane { request } => {
                let message = by_auth(&format!(
                    "The given request [{request}] cannot be authorized by AAD token in data plane. \
                     Learn more: https://aka.ms/cosmos-native-rbac."
                ));
                (StatusCode::FORBIDDEN, "Forbidden", Some(5300), message)
            }
            Self::BadRequest(message) => (StatusCode::BAD_REQUEST, "BadRequest", None, message),
            Self::TooLarge => {
                let message = "Request size is too large".to_owned();
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                (status, "RequestEntityTooLarge", None, message)
            }
            Self::NotImplemented(what) => {
                let message = format!("local cloud, not Azure: Cosmos DB does not play {what}");
                (StatusCode::NOT_IMPLEMENTED, "NotImplemented", None, message)
            }
            Self::Internal(why) => {
                let message = format!("local cloud, not Azure: {why}");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                (status, "InternalServerError", None, message)
            }
        };

        let message =
            format!("{message}\r\nActivityId: {activity}, Microsoft.Azure.Documents.Common/2.14.0");
        let body = json!({ "code": code, "message": message }).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Some(substatus) = substatus {
            headers.insert("x-ms-substatus", HeaderValue::from(substatus));
        }
        let activity = HeaderValue::from_str(&activity.to_string());
        headers.insert("x-ms-activity-id", activity.expect("a UUID is ASCII"));
        response
    }
}

/// The client's own id of the request, or a new one.
pub(super) fn activity_id(headers: &HeaderMap) -> Uuid {
    headers
        .get("x-ms-activity-id")
        .and_then(|id| id.to_str().ok()?.parse().ok())
        .unwrap_or_else(Uuid::new_v4)
}

/// The tenant in an issuer such as `https://sts.windows.net/<tenant>/`, or the
/// issuer itself.
fn authority(issuer: &str) -> &str {
    issuer
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(issuer)
}

/// The expiry in a token that the gate has verified but for its times.
fn expiry(token: &str) -> Option<OffsetDateTime> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    OffsetDateTime::from_unix_timestamp(claims["exp"].as_i64()?).ok()
}

/// Such as `7/17/2022 5:09:09 PM (UTC)`.
fn server_time(at: OffsetDateTime) -> String {
    let format = format_description!(
        "[month padding:none]/[day padding:none]/[year] \
         [hour repr:12 padding:none]:[minute]:[second] [period] (UTC)"
    );
    at.format(&format)
        .expect("the format asks for nothing that a time lacks")
}
