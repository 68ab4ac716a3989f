//! One connection: HTTP/1.1 within bounds, so that clients who take their time,
//! by accident or on purpose, do not hold the pod.
//!
//! Every bound is on standing still and none on the whole: how long a body may take
//! that moves depends on what it is, and is for its handler to say.

mod patience;

use std::error::Error;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tower::Layer as _;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutError};

use patience::Patience;

/// What a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The time until a request's head is there, counted from the connection's
    /// beginning or from the answer before: it ends idle connections too.
    pub(super) head: Duration,
    /// The most bytes of a request's head; more are answered with 431.
    pub(super) head_bytes: usize,
    /// The time without a byte of a body that somebody waits for.
    pub(super) body_pause: Duration,
    /// The time without the client taking a byte of the answer.
    pub(super) answer_pause: Duration,
}

impl Bounds {
    pub(super) const DEFAULT: Self = Self {
        head: Duration::from_secs(30),
        head_bytes: 32 * 1024,
        body_pause: Duration::from_secs(20),
        answer_pause: Duration::from_secs(30),
    };
}

/// Whether a body could not be read because its bytes stopped coming.
pub fn stopped_coming(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.any(<dyn Error>::is::<TimeoutError>)
}

/// Serves a connection to its end. Whoever watches it may ask it to end after the
/// request that it is at.
pub(super) async fn serve(stream: TcpStream, router: Router, bounds: Bounds, watcher: Watcher) {
    // Small answers over a connection that stays open would wait for
    // acknowledgements otherwise (20 to 40 ms each).
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let service = RequestBodyTimeoutLayer::new(bounds.body_pause).layer(router);
    let stream = Patience::new(stream, bounds.answer_pause);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_header_size(bounds.head_bytes)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection broke");
    }
}
