//! What a server tells of each request: a span that continues the caller's
//! trace, the request's id, its metrics, and one line when it is answered.
//!
//! A route is known by its template, never by the path that was asked for:
//! paths have ids in them, some of them secrets.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, StatusCode};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::{context, metrics};
use crate::request_id::{REQUEST_ID, RequestId};

/// What is said in place of a route that does not exist.
const NO_ROUTE: &str = "none";

/// A layer for the whole router:
/// `Router::layer(axum::middleware::from_fn(telemetry::http::layer))`. The last
/// layer, which is the outermost.
pub async fn layer(mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| RequestId::parse(value.to_str().ok()?))
        .unwrap_or_else(RequestId::fresh);
    let observed = Observed::new(&request);
    let span = observed.span(&id);
    context::continue_from_headers(&span, request.headers_mut());
    let answer = async {
        let mut response = next.run(request).await;
        response.headers_mut().insert(REQUEST_ID, id.header_value());
        observed.answered(response.status());
        response
    };
    id.clone().scope(answer.instrument(span)).await
}

/// A request, from its beginning until it is answered or given up: whoever goes
/// away before the answer is counted too.
struct Observed {
    method: &'static str,
    route: String,
    begin: Instant,
    status: Option<StatusCode>,
}

impl Observed {
    fn new(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        Self {
            method: method(request.method()),
            route: route.map_or(NO_ROUTE, MatchedPath::as_str).to_owned(),
            begin: Instant::now(),
            status: None,
        }
    }

    fn span(&self, id: &RequestId) -> Span {
        tracing::info_span!(
            "request",
            otel.name = format!("{} {}", self.method, self.route),
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = self.method,
            http.route = self.route,
            http.response.status_code = Empty,
            request.id = id.as_str(),
        )
    }

    fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
        let span = Span::current();
        span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        let duration_ms = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            method = self.method,
            route = self.route,
            status = status.as_u16(),
            duration_ms,
            "answered"
        );
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        metrics::request(self.method, &self.route, self.status, self.begin.elapsed());
    }
}

/// The methods that there are; a caller's inventions would be labels without end.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::context::current_traceparent;
    use crate::telemetry::testing::written;
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::middleware::from_fn;
    use axum::routing::get;
    use serde_json::Value;
    use tower::ServiceExt as _;
    use uuid::Uuid;

    const REMOTE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// What a handler sees of the request: its id, and its place in a trace.
    async fn seen() -> String {
        let id = RequestId::current().expect("a request");
        let trace = current_traceparent().unwrap_or_default();
        format!("{} {trace}", id.as_str())
    }

    async fn ask(path: &str, headers: &[(&'static str, &str)]) -> (Response, String) {
        let router = Router::new()
            .route("/lists/{list}", get(seen))
            .layer(from_fn(layer));
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1000).await.expect("a body");
        let text = String::from_utf8(body.to_vec()).expect("text");
        (Response::from_parts(parts, Body::empty()), text)
    }

    /// What is written while these requests are answered.
    fn log_of(requests: impl Future<Output = ()>) -> Vec<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        written("info", || runtime.block_on(requests))
    }

    #[tokio::test]
    async fn an_id_that_came_goes_through_to_the_answer() {
        let (response, seen) = ask("/lists/inbox", &[("x-request-id", "abc-1")]).await;

        assert_eq!(response.headers()[REQUEST_ID], "abc-1");
        assert!(seen.starts_with("abc-1 "), "{seen}");
    }

    #[tokio::test]
    async fn an_id_that_is_none_is_replaced() {
        for headers in [
            &[][..],
            &[("x-request-id", "")],
            &[("x-request-id", "a b")],
            &[("x-request-id", "a\"b")],
        ] {
            let (response, _) = ask("/lists/inbox", headers).await;

            let id = response.headers()[REQUEST_ID].to_str().expect("text");
            assert!(Uuid::parse_str(id).is_ok(), "{id}");
        }
    }

    #[test]
    fn the_callers_trace_goes_on() {
        log_of(async {
            let (_, seen) = ask("/lists/inbox", &[("traceparent", REMOTE)]).await;

            let (_, trace) = seen.split_once(' ').expect("id and trace");
            assert_eq!(trace[..36], REMOTE[..36], "the same trace");
            assert_ne!(trace, REMOTE, "and another span");
        });
    }

    #[test]
    fn an_answer_is_one_line_with_its_route_and_no_path() {
        let lines = log_of(async {
            ask(
                "/lists/secret?sig=abc",
                &[("x-request-id", "abc-1"), ("traceparent", REMOTE)],
            )
            .await;
            ask("/no/such/secret", &[]).await;
        });

        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0]["message"], "answered");
        assert_eq!(lines[0]["route"], "/lists/{list}");
        assert_eq!(lines[0]["status"], 200);
        assert_eq!(lines[0]["request_id"], "abc-1");
        assert_eq!(lines[0]["trace_id"], REMOTE[3..35]);
        assert_eq!(lines[1]["route"], "none");
        assert_eq!(lines[1]["status"], 404);
        let text = format!("{lines:?}");
        assert!(!text.contains("secret"), "{text}");
    }
}
