//! The lab console: a page of the local cloud, on a port of loopback of its own.
//!
//! The page is the same for everybody and knows nothing. Whoever opens it with the
//! key behind the `#` of its address may use it: a browser sends no such part to
//! anybody, and the page sends the key as a bearer token. So no other page can use
//! the console by way of this browser, whatever it posts.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Lab;
use crate::control;

const PAGE: &str = include_str!("console/page.html");
const STYLE: &str = include_str!("console/style.css");
const SCRIPT: &str = include_str!("console/script.js");

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// Who may use the console.
#[derive(Clone)]
struct Door {
    address: SocketAddr,
    key: Arc<str>,
}

/// The console at this address, for whoever has the key.
pub(crate) fn router(lab: Lab, address: SocketAddr, key: Arc<str>) -> Router {
    let door = Door { address, key };
    let calls =
        control::lab::router(lab).layer(middleware::from_fn_with_state(door.clone(), with_the_key));
    Router::new()
        .route("/", get(async || text("text/html; charset=utf-8", PAGE)))
        .route("/style.css", get(async || text("text/css", STYLE)))
        .route("/script.js", get(async || text("text/javascript", SCRIPT)))
        .merge(calls)
        .layer(middleware::from_fn_with_state(door, under_its_own_name))
}

fn text(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, text).into_response()
}

async fn under_its_own_name(State(door): State<Door>, request: Request, next: Next) -> Response {
    match door.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

impl Door {
    /// A name that somebody else points at loopback is not ours, nor is a page of
    /// another origin.
    fn check(&self, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
        let port = self.address.port();
        let own = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        let text = |name| {
            let value: Option<&HeaderValue> = headers.get(name);
            value.map(|value| value.to_str().unwrap_or_default())
        };
        if !text(header::HOST).is_some_and(|host| own.iter().any(|own| own == host)) {
            let why = "this is not a host of the lab console";
            return Err((StatusCode::MISDIRECTED_REQUEST, why));
        }
        let is_own = |origin: &str| own.iter().any(|own| origin == format!("http://{own}"));
        if !text(header::ORIGIN).is_none_or(is_own) {
            let why = "the lab console answers no other web page";
            return Err((StatusCode::FORBIDDEN, why));
        }
        Ok(())
    }
}

async fn with_the_key(State(door): State<Door>, request: Request, next: Next) -> Response {
    if control::bears(request.headers(), &door.key) {
        return next.run(request).await;
    }
    let why = "the lab console wants the key that stands behind the # of its address";
    (StatusCode::UNAUTHORIZED, why).into_response()
}
