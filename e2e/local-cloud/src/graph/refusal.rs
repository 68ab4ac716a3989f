//! Refusals, as Microsoft Graph words them (Microsoft Learn, *Microsoft Graph
//! error responses and resource types*; answers quoted in public issue threads).

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use time::OffsetDateTime;
use time::macros::format_description;
use uuid::Uuid;

use super::APPLICATION_ID;
use crate::gate::{Denied, TokenRefusal};

/// Why a request is not answered.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

/// The ids of a request: Graph's own, and the caller's.
pub(super) struct RequestIds {
    pub(super) request: Uuid,
    pub(super) client: Uuid,
}

impl Refusal {
    pub(super) fn not_implemented(method: &Method, uri: &Uri) -> Self {
        let message =
            format!("the local cloud does not implement {method} {uri} of Microsoft Graph");
        Self {
            status: StatusCode::NOT_IMPLEMENTED,
            code: "NotImplemented",
            message,
        }
    }

    pub(super) fn not_found(id: &str) -> Self {
        let id: String = id.chars().take(64).collect();
        let message = format!(
            "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
        );
        Self {
            status: StatusCode::NOT_FOUND,
            code: "Request_ResourceNotFound",
            message,
        }
    }

    pub(super) fn response(&self, ids: &RequestIds, now: OffsetDateTime) -> Response {
        let date = now
            .format(format_description!(
                "[year]-[month]-[day]T[hour]:[minute]:[second]"
            ))
            .expect("a UTC time formats");
        let body = json!({ "error": {
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": date,
                "request-id": ids.request,
                "client-request-id": ids.client,
            },
        } });
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = format!(
                "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
                 client_id=\"{APPLICATION_ID}\""
            );
            if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                let headers = response.headers_mut();
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
        }
        response
    }
}

impl From<TokenRefusal> for Refusal {
    /// The text about the audience was seen; that about time is the current one,
    /// after logs; those about form, signature, key, issuer and principal are
    /// assumed.
    fn from(refusal: TokenRefusal) -> Self {
        let message = match refusal {
            TokenRefusal::Missing => "Access token is empty.",
            TokenRefusal::Audience { .. } => "Access token validation failure. Invalid audience.",
            TokenRefusal::Issuer { .. } => "Access token validation failure. Invalid issuer.",
            TokenRefusal::Expired => "Lifetime validation failed, the token is expired.",
            TokenRefusal::NotYetValid => "Lifetime validation failed, the token is not yet valid.",
            TokenRefusal::Malformed(_) => "IDX14100: JWT is not well formed.",
            TokenRefusal::Algorithm(_) | TokenRefusal::UnknownKey | TokenRefusal::Signature => {
                "Signature is invalid."
            }
            TokenRefusal::UnknownPrincipal => {
                "The identity of the calling application could not be established."
            }
        };
        Self {
            status: StatusCode::UNAUTHORIZED,
            code: "InvalidAuthenticationToken",
            message: message.to_owned(),
        }
    }
}

impl From<Denied> for Refusal {
    fn from(_: Denied) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            code: "Authorization_RequestDenied",
            message: "Insufficient privileges to complete the operation.".to_owned(),
        }
    }
}

impl RequestIds {
    /// Names an answer by both ids.
    pub(super) fn on(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        for (name, id) in [
            ("request-id", self.request),
            ("client-request-id", self.client),
        ] {
            if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
                headers.insert(name, id);
            }
        }
        response
    }
}
