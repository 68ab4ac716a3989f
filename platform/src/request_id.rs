//! The id of a request: taken from `x-request-id` or made up, in every event
//! that the request causes, in its answer, and in the calls that it causes
//! ([`RequestId::current`]).

use std::future::Future;
use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use tracing::Instrument as _;
use uuid::Uuid;

/// The header that carries the id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// More than any id needs.
const LONGEST: usize = 128;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The id of a request: letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// An id of our own.
    pub fn fresh() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// An id that somebody sent. `None` when it is not one: it goes into logs
    /// and headers.
    pub fn parse(text: &str) -> Option<Self> {
        let sound = (1..=LONGEST).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        sound.then(|| Self(text.to_owned()))
    }

    /// The id of the request that is being answered.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as the value of a header.
    #[expect(
        clippy::missing_panics_doc,
        reason = "an id is checked when it is made"
    )]
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("an id has only characters of a header")
    }

    /// What the work says with this id as the current one.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

/// Gives each request an id and a span. A layer for the whole router:
/// `Router::layer(axum::middleware::from_fn(request_id::layer))`.
pub async fn layer(request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| RequestId::parse(value.to_str().ok()?))
        .unwrap_or_else(RequestId::fresh);
    // The path and not the query, which may hold a signature.
    let span = tracing::info_span!(
        "request",
        request.id = id.as_str(),
        http.method = %request.method(),
        http.path = request.uri().path(),
    );
    let start = Instant::now();
    let answer = async {
        let mut response = next.run(request).await;
        response.headers_mut().insert(REQUEST_ID, id.header_value());
        let duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status = response.status().as_u16(), duration_ms, "answered");
        response
    };
    id.clone().scope(answer.instrument(span)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt as _;

    async fn answered_to(id: Option<&str>) -> Response {
        let router = Router::new()
            .route(
                "/",
                get(|| async { RequestId::current().map_or_else(String::new, |id| id.0) }),
            )
            .layer(from_fn(layer));
        let mut request = Request::builder().uri("/");
        if let Some(id) = id {
            request = request.header(REQUEST_ID, id);
        }
        let request = request.body(Body::empty()).expect("a request");
        router.oneshot(request).await.expect("an answer")
    }

    #[tokio::test]
    async fn an_id_that_came_goes_through_to_the_answer() {
        let response = answered_to(Some("abc-1")).await;

        assert_eq!(response.headers()[REQUEST_ID], "abc-1");
        let seen = axum::body::to_bytes(response.into_body(), 100)
            .await
            .expect("a body");
        assert_eq!(seen, "abc-1");
    }

    #[tokio::test]
    async fn an_id_that_is_none_is_replaced() {
        for id in [None, Some(""), Some("a b"), Some("a\"b")] {
            let response = answered_to(id).await;

            let id = response.headers()[REQUEST_ID].to_str().expect("text");
            assert!(Uuid::parse_str(id).is_ok(), "{id}");
        }
    }

    #[test]
    fn an_endless_id_is_refused() {
        assert_eq!(RequestId::parse(&"a".repeat(129)), None);
    }
}
