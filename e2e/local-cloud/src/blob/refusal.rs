//! Blob Storage's refusals: XML and the header `x-ms-error-code`; the header
//! alone where an answer has no body.
//!
//! Codes and texts after the Azure Storage REST reference, *Common REST API
//! error codes* and *Blob Storage error codes*.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;

use super::engine::Failure;
use super::malformed::Malformed;
use super::response::Context;
use crate::behind::Unanswered;
use crate::gate::TokenRefusal;
use crate::names;

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    Token(TokenRefusal),
    /// A bearer token without a version of the service that knows such tokens.
    VersionTooOld,
    /// The account's key instead of a token.
    SharedKey,
    /// No role grants the action.
    Denied,
    Failure(Failure),
    InvalidRange {
        length: u64,
    },
    Malformed(Malformed),
    /// The emulator behind the gate says nothing.
    Unanswered,
    /// The local cloud does not play this.
    NotPlayed(String),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Unanswered> for Refusal {
    fn from(_: Unanswered) -> Self {
        Self::Unanswered
    }
}

#[derive(Serialize)]
#[serde(rename = "Error", rename_all = "PascalCase")]
struct ErrorXml<'a> {
    code: &'a str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    authentication_error_detail: Option<&'static str>,
}

impl Refusal {
    /// The answer to a request.
    pub(super) fn answer(&self, context: &Context) -> Response {
        let (status, code, message) = self.parts();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert("x-ms-error-code", HeaderValue::from_static(code));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, challenge());
        }
        if let Self::InvalidRange { length } = self {
            let range = HeaderValue::try_from(format!("bytes */{length}"));
            headers.insert(CONTENT_RANGE, range.expect("a number is ASCII"));
        }
        if context.method == Method::HEAD || status == StatusCode::NOT_MODIFIED {
            return response;
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        let error = ErrorXml {
            code,
            message: format!(
                "{message}\nRequestId:{}\nTime:{}",
                context.request_id,
                context.time()
            ),
            authentication_error_detail: self.authentication_detail(),
        };
        let xml = quick_xml::se::to_string(&error).expect("an error has a form in XML");
        *response.body_mut() =
            Body::from(format!(r#"<?xml version="1.0" encoding="utf-8"?>{xml}"#));
        response
    }

    fn parts(&self) -> (StatusCode, &'static str, Cow<'static, str>) {
        let (status, code, message) = match self {
            // Observed (azure-sdk-for-net's tests, from version 2019-12-12 on).
            Self::Token(TokenRefusal::Missing) => (
                StatusCode::UNAUTHORIZED,
                "NoAuthenticationInformation",
                "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
            ),
            // Observed (azure-sdk-for-js' recordings, AzureStor#119).
            Self::Token(_) => (
                StatusCode::UNAUTHORIZED,
                "InvalidAuthenticationInfo",
                "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
            ),
            Self::VersionTooOld => (
                StatusCode::FORBIDDEN,
                "AuthenticationFailed",
                "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.",
            ),
            Self::SharedKey => (
                StatusCode::FORBIDDEN,
                "KeyBasedAuthenticationNotPermitted",
                "Key based authentication is not permitted on this storage account.",
            ),
            Self::Denied => (
                StatusCode::FORBIDDEN,
                "AuthorizationPermissionMismatch",
                "This request is not authorized to perform this operation using this permission.",
            ),
            Self::Failure(failure) => return failure_parts(*failure),
            Self::InvalidRange { .. } => (
                StatusCode::RANGE_NOT_SATISFIABLE,
                "InvalidRange",
                "The range specified is invalid for the current size of the resource.",
            ),
            Self::Malformed(malformed) => return malformed.parts(),
            Self::Unanswered => (
                StatusCode::BAD_GATEWAY,
                "InternalError",
                "The emulator behind the gate of the local cloud, which is not Azure, does not answer.",
            ),
            Self::NotPlayed(what) => {
                let message = format!("The local cloud, which is not Azure, does not play {what}.");
                return (
                    StatusCode::NOT_IMPLEMENTED,
                    "NotImplemented",
                    message.into(),
                );
            }
        };
        (status, code, message.into())
    }

    fn authentication_detail(&self) -> Option<&'static str> {
        match self {
            Self::VersionTooOld => {
                Some("Authentication scheme Bearer is not supported in this version.")
            }
            Self::Token(refusal) => match refusal {
                TokenRefusal::Missing => None,
                // Observed (azcopy's source, AzureStor#119, StorageExplorer#3147).
                TokenRefusal::Expired => Some("Lifetime validation failed. The token is expired."),
                TokenRefusal::Audience { .. } => {
                    Some("Audience validation failed. Audience did not match.")
                }
                TokenRefusal::Issuer { .. } => {
                    Some("Issuer validation failed. Issuer did not match.")
                }
                // Assumed, after the others.
                TokenRefusal::NotYetValid => {
                    Some("Lifetime validation failed. The token is not yet valid.")
                }
                TokenRefusal::Malformed(_)
                | TokenRefusal::Algorithm(_)
                | TokenRefusal::UnknownKey
                | TokenRefusal::Signature => {
                    Some("Signature validation failed. Signature verification failed.")
                }
                TokenRefusal::UnknownPrincipal => {
                    Some("Principal validation failed. The principal does not exist.")
                }
            },
            _ => None,
        }
    }
}

fn failure_parts(failure: Failure) -> (StatusCode, &'static str, Cow<'static, str>) {
    let (status, code, message) = match failure {
        Failure::ContainerNotFound => (
            StatusCode::NOT_FOUND,
            "ContainerNotFound",
            "The specified container does not exist.",
        ),
        Failure::ContainerAlreadyExists => (
            StatusCode::CONFLICT,
            "ContainerAlreadyExists",
            "The specified container already exists.",
        ),
        Failure::ContainerBeingDeleted => (
            StatusCode::CONFLICT,
            "ContainerBeingDeleted",
            "The specified container is being deleted. Try operation later.",
        ),
        Failure::BlobNotFound => (
            StatusCode::NOT_FOUND,
            "BlobNotFound",
            "The specified blob does not exist.",
        ),
        Failure::BlobAlreadyExists => (
            StatusCode::CONFLICT,
            "BlobAlreadyExists",
            "The specified blob already exists.",
        ),
        Failure::ConditionNotMet => (
            StatusCode::PRECONDITION_FAILED,
            "ConditionNotMet",
            "The condition specified using HTTP conditional header(s) is not met.",
        ),
        Failure::NotModified => (
            StatusCode::NOT_MODIFIED,
            "ConditionNotMet",
            "The condition specified using HTTP conditional header(s) is not met.",
        ),
        Failure::UnsatisfiableCondition => (
            StatusCode::BAD_REQUEST,
            "UnsatisfiableCondition",
            "The request includes an unsatisfiable condition for this operation.",
        ),
        Failure::MultipleConditions => (
            StatusCode::BAD_REQUEST,
            "MultipleConditionHeadersNotSupported",
            "Multiple condition headers are not supported.",
        ),
        Failure::InvalidBlockList => (
            StatusCode::BAD_REQUEST,
            "InvalidBlockList",
            "The specified block list is invalid.",
        ),
        Failure::InvalidBlobOrBlock => (
            StatusCode::BAD_REQUEST,
            "InvalidBlobOrBlock",
            "The specified blob or block content is invalid.",
        ),
    };
    (status, code, message.into())
}

/// Without quotation marks and commas (observed).
fn challenge() -> HeaderValue {
    let challenge = format!(
        "Bearer authorization_uri=https://{}/{}/oauth2/authorize resource_id=https://storage.azure.com",
        names::LOGIN_HOST,
        names::tenant_id()
    );
    HeaderValue::try_from(challenge).expect("a tenant id is ASCII")
}
