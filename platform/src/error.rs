//! The one answer to a request that fails: problem details (RFC 9457) for the
//! caller, the whole chain of causes for the log, the request id for both.
//!
//! What may go wrong is a [`Kind`]: a constant with its status and its code, so
//! that neither can be mistyped and documents can list them all.

pub mod kinds;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::azure::AzureFailure;
use crate::request_id::RequestId;
use crate::telemetry::{error_chain, redact};

/// More than any detail that was written to be read.
const LONGEST_DETAIL: usize = 300;

/// What may go wrong, as programs compare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The HTTP status.
    pub status: StatusCode,
    /// The word that programs compare, for example `body_too_large`.
    pub code: &'static str,
    /// What it means, for documents.
    pub meaning: &'static str,
}

impl Kind {
    /// A kind of problem.
    pub const fn new(status: StatusCode, code: &'static str, meaning: &'static str) -> Self {
        Self {
            status,
            code,
            meaning,
        }
    }
}

/// A request that fails. The detail is for the caller; the source is not.
#[derive(Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    detail: String,
    extensions: Map<String, Value>,
    headers: HeaderMap,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// A problem of this kind, in words for the caller. What is longer than
    /// anybody would write is cut: it quotes the caller.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(LONGEST_DETAIL) {
            detail.truncate(end);
            detail.push('…');
        }
        Self(Box::new(Inner {
            kind,
            detail,
            extensions: Map::new(),
            headers: HeaderMap::new(),
            source: None,
        }))
    }

    /// 422 `invalid`: this member of the body, parameter or header makes no
    /// sense, and why.
    pub fn invalid(member: &'static str, detail: impl Into<String>) -> Self {
        Self::new(kinds::INVALID, detail).with("member", member)
    }

    /// 429 `too_many_requests`, with `Retry-After`.
    pub fn too_many_requests(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(kinds::TOO_MANY_REQUESTS, detail).retry_after(retry_after)
    }

    /// 503 `dependency_unavailable`, naming the dependency, with `Retry-After`.
    pub fn unavailable(
        dependency: impl fmt::Display,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::new(
            kinds::DEPENDENCY_UNAVAILABLE,
            format!("{dependency} did not do what was asked of it"),
        )
        .retry_after(Duration::from_secs(1))
        .caused_by(source)
    }

    /// 500 `internal`: our bug. The caller learns nothing but the request id.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(kinds::INTERNAL, "something went wrong here").caused_by(source)
    }

    /// With a further member of the problem.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.extensions.insert(member.to_owned(), value.into());
        self
    }

    /// With a further header of the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// With the time after which the caller may try again.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// With a cause, for the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The problem as it is sent.
    pub fn problem(&self) -> Problem {
        let Kind { status, code, .. } = self.0.kind;
        Problem {
            r#type: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: self.0.detail.clone(),
            code: code.to_owned(),
            request_id: RequestId::current().map(|id| id.as_str().to_owned()),
            extensions: self.0.extensions.clone(),
        }
    }

    fn log(&self) {
        let cause = self
            .0
            .source
            .as_ref()
            .map(|source| redact(&error_chain(source.as_ref())).into_owned());
        let Kind { status, code, .. } = self.0.kind;
        let status_code = status.as_u16();
        if status.is_server_error() {
            tracing::error!(status = status_code, code, cause, "{}", self.0.detail);
        } else {
            tracing::info!(status = status_code, code, cause, "{}", self.0.detail);
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kind { status, code, .. } = self.0.kind;
        write!(f, "{} {code}: {}", status.as_u16(), self.0.detail)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// An answer of Azure that the handler did not expect: the dependency is named,
/// with the code that tells an operator what to check, and nothing else.
impl From<AzureFailure> for ApiError {
    fn from(failure: AzureFailure) -> Self {
        let mut error = Self::unavailable(failure.service, "");
        error.0.detail = match failure.refusal() {
            Some(refusal) => format!(
                "{} refused this pod's identity ({refusal}): see infra/access.json",
                failure.service
            ),
            None => format!("{failure} is not the answer that was expected"),
        };
        error.caused_by(failure)
    }
}

/// What a router answers to a path that it does not have. It does not repeat the
/// path, which may hold what is nobody's business.
pub async fn no_such_route() -> ApiError {
    ApiError::new(kinds::NO_SUCH_ROUTE, "there is nothing at this path")
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
    /// What only some problems have, for example `member`.
    #[serde(flatten)]
    pub extensions: Map<String, Value>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let body = serde_json::to_vec(&self.problem()).expect("texts and a number are JSON");
        let mut response = (self.0.kind.status, body).into_response();
        let headers = response.headers_mut();
        headers.extend(self.0.headers);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.0.kind.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
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

        let (_, problem) = id.scope(sent(ApiError::invalid("name", "too long"))).await;

        assert_eq!(problem.request_id.as_deref(), Some("req-1"));
        assert_eq!(problem.title, "Unprocessable Entity");
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
    async fn a_problem_may_have_members_and_headers_of_its_own() {
        let error = ApiError::invalid("title", "a title must not be empty")
            .header(header::ETAG, HeaderValue::from_static("\"1\""));

        let (parts, problem) = sent(error).await;

        assert_eq!(parts.headers[header::ETAG], "\"1\"");
        assert_eq!(problem.code, "invalid");
        assert_eq!(problem.extensions["member"], "title");
    }

    #[tokio::test]
    async fn what_quotes_the_caller_at_length_is_cut() {
        let (_, problem) = sent(ApiError::invalid("name", "ü".repeat(10_000))).await;

        assert_eq!(problem.detail, format!("{}…", "ü".repeat(LONGEST_DETAIL)));
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
