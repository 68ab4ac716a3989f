//! The one answer to a request that fails: problem details (RFC 9457) for the
//! caller, the whole chain of causes for the log, the request id for both.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::azure::AzureFailure;
use crate::request_id::RequestId;
use crate::telemetry::{error_chain, redact};

/// A request that fails. The detail is for the caller; the source is not.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An answer with any status. The code is a word that programs compare.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after: None,
            source: None,
        }
    }

    /// 401 `caller_unauthenticated`: who are you?
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "caller_unauthenticated", detail)
    }

    /// 403 `caller_forbidden`: not you.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "caller_forbidden", detail)
    }

    /// 404 `not_found`: not there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 412 `changed`: it has changed under you.
    pub fn changed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "changed", detail)
    }

    /// 413 `too_large`.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// 422 `invalid`: the request makes no sense, and why.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    /// 429 `too_many_requests`, with `Retry-After`.
    pub fn too_many_requests(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
            .retry_after(retry_after)
    }

    /// 503 `dependency_unavailable`, naming the dependency, with `Retry-After`.
    pub fn unavailable(
        dependency: impl fmt::Display,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "dependency_unavailable",
            format!("{dependency} did not do what was asked of it"),
        )
        .retry_after(Duration::from_secs(1))
        .caused_by(source)
    }

    /// 500 `internal`: our bug. The caller learns nothing but the request id.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong here",
        )
        .caused_by(source)
    }

    /// With the time after which the caller may try again.
    #[must_use]
    pub fn retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// With a cause, for the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The word that programs compare.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The problem as it is sent.
    pub fn problem(&self) -> Problem {
        Problem {
            r#type: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code.to_owned(),
            request_id: RequestId::current().map(|id| id.as_str().to_owned()),
        }
    }

    fn log(&self) {
        let cause = self
            .source
            .as_ref()
            .map(|source| redact(&error_chain(source.as_ref())).into_owned());
        let status = self.status.as_u16();
        if self.status.is_server_error() {
            tracing::error!(status, code = self.code, cause, "{}", self.detail);
        } else {
            tracing::info!(status, code = self.code, cause, "{}", self.detail);
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// An answer of Azure that the handler did not expect: the dependency is named,
/// with the code that tells an operator what to check, and nothing else.
impl From<AzureFailure> for ApiError {
    fn from(failure: AzureFailure) -> Self {
        let error = Self::unavailable(failure.service, "");
        let detail = match failure.refusal() {
            Some(refusal) => format!(
                "{} refused this pod's identity ({refusal}): see infra/access.json",
                failure.service
            ),
            None => format!("{failure} is not the answer that was expected"),
        };
        Self { detail, ..error }.caused_by(failure)
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self::from_rejection(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::from_rejection(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::from_rejection(rejection.status(), rejection.body_text())
    }
}

impl ApiError {
    fn from_rejection(status: StatusCode, detail: String) -> Self {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(detail),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(status, "invalid", detail),
            status if status.is_server_error() => Self::internal(detail),
            _ => Self::invalid(detail),
        }
    }
}

/// What a router answers to a path that it does not have.
pub async fn no_such_route(uri: http::Uri) -> ApiError {
    ApiError::not_found(format!("there is nothing at {}", uri.path()))
}

/// Problem details as of RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Always `about:blank`: the code says what it is.
    pub r#type: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, for people.
    pub detail: String,
    /// What happened, for programs.
    pub code: String,
    /// By which the log can be searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let body = serde_json::to_vec(&self.problem()).expect("texts and a number are JSON");
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    async fn sent(error: ApiError) -> (http::response::Parts, Problem) {
        let (parts, body) = error.into_response().into_parts();
        let body = to_bytes(body, 10_000).await.expect("a body");
        (parts, serde_json::from_slice(&body).expect("a problem"))
    }

    #[tokio::test]
    async fn the_caller_gets_the_detail_and_not_the_cause() {
        let error = ApiError::internal("the password is swordfish");

        let (parts, problem) = sent(error).await;

        assert_eq!(parts.status, 500);
        assert_eq!(
            parts.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
        assert_eq!(problem.code, "internal");
        assert_eq!(problem.detail, "something went wrong here");
    }

    #[tokio::test]
    async fn the_problem_carries_the_request_id() {
        let id = RequestId::parse("req-1").expect("an id");

        let (_, problem) = id.scope(sent(ApiError::not_found("no such list"))).await;

        assert_eq!(problem.request_id.as_deref(), Some("req-1"));
        assert_eq!(problem.title, "Not Found");
    }

    #[tokio::test]
    async fn too_many_requests_says_when_to_come_again() {
        let error = ApiError::too_many_requests("one probe per 5 s", Duration::from_millis(4200));

        let (parts, problem) = sent(error).await;

        assert_eq!(parts.status, 429);
        assert_eq!(parts.headers[header::RETRY_AFTER], "5");
        assert_eq!(problem.code, "too_many_requests");
    }

    #[tokio::test]
    async fn a_missing_role_is_an_unavailable_dependency_that_is_named() {
        let failure = AzureFailure::key_vault(azure_core::Error::with_message(
            azure_core::error::ErrorKind::HttpResponse {
                status: azure_core::http::StatusCode::Forbidden,
                error_code: Some("ForbiddenByRbac".to_owned()),
                raw_response: None,
            },
            "Caller is not authorized; object id 1234",
        ));

        let (parts, problem) = sent(failure.into()).await;

        assert_eq!(parts.status, 503);
        assert_eq!(problem.code, "dependency_unavailable");
        assert_eq!(
            problem.detail,
            "Key Vault refused this pod's identity (403 ForbiddenByRbac): see infra/access.json"
        );
    }
}
