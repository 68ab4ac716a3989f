//! How a pod serves and how it ends: on SIGTERM it stops being ready, takes no
//! new connections, lets open requests end for a while, and goes.
//!
//! The pause that lets a cluster's load balancer notice is no business of this
//! process: the Deployment's `preStop` sleep makes it, before the signal comes.

mod connection;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::time::Duration;

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use connection::Bounds;
pub use connection::stopped_coming;

/// The pause when a connection cannot be accepted, as when there are no more
/// file descriptors: others may end meanwhile.
const NO_ROOM: Duration = Duration::from_millis(500);

/// Whether the pod has been asked to end. A cheap handle; every clone is asked
/// at once.
#[derive(Debug, Clone)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Asked by SIGTERM, as by the kubelet, or by SIGINT, as by Ctrl-C. A second
    /// signal changes nothing. Needs a Tokio runtime.
    // No identity: it waits for a signal.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::manual();
        for (kind, name) in [
            (SignalKind::terminate(), "SIGTERM"),
            (SignalKind::interrupt(), "SIGINT"),
        ] {
            let mut signals = signal(kind)?;
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    shutdown.request(name);
                }
            });
        }
        Ok(shutdown)
    }

    /// Asked also by the end of standard input, which is what remains of a
    /// starter that was killed. For pods that are started by a program.
    // No identity: it waits for the end of standard input.
    #[must_use]
    pub fn also_when_stdin_closes(self) -> Self {
        let shutdown = self.clone();
        // A thread of its own: the runtime waits for its blocking threads when it
        // ends, and a read of standard input may never return.
        std::thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            let ended = io::copy(&mut stdin, &mut io::sink());
            shutdown.request(if ended.is_ok() {
                "end of standard input"
            } else {
                "broken standard input"
            });
        });
        self
    }

    /// Asked only by [`request`](Self::request).
    pub fn manual() -> Self {
        Self(CancellationToken::new())
    }

    /// Asks the pod to end. `why` is for the log.
    pub fn request(&self, why: &str) {
        let first = !self.0.is_cancelled();
        self.0.cancel();
        if first {
            tracing::info!(why, "shutdown requested");
        }
    }

    /// Whether the pod has been asked to end.
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the pod is asked to end.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }
}

/// Serves until the pod is asked to end; then takes no new connections and lets
/// the open ones end, for `drain` at most. What is still open then ends with the
/// process. Handlers that stream without end have to watch the shutdown
/// themselves.
pub async fn serve(listener: TcpListener, router: Router, shutdown: &Shutdown, drain: Duration) {
    serve_within(Bounds::DEFAULT, listener, router, shutdown, drain).await;
}

async fn serve_within(
    bounds: Bounds,
    listener: TcpListener,
    router: Router,
    shutdown: &Shutdown,
    drain: Duration,
) {
    let connections = GracefulShutdown::new();
    tokio::select! {
        never = accept(listener, router, bounds, &connections) => match never {},
        () = shutdown.requested() => {}
    }
    if timeout(drain, connections.shutdown()).await.is_err() {
        tracing::warn!(
            drain_seconds = drain.as_secs(),
            "some requests did not end in time"
        );
    }
}

/// Takes connections, each served by a task of its own.
// No identity: each handler says its own.
async fn accept(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    connections: &GracefulShutdown,
) -> Infallible {
    loop {
        let stream = next(&listener).await;
        let watcher = connections.watcher();
        tokio::spawn(connection::serve(stream, router.clone(), bounds, watcher));
    }
}

async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Gone before it was there: that says nothing about others.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(NO_ROOM).await;
            }
        }
    }
}

/// Serves the management port for as long as the pod's work goes on, so that it
/// answers to the kubelet until the end. Gives what the work gives.
pub async fn serve_while<F: Future>(
    listener: TcpListener,
    management: Router,
    work: F,
) -> F::Output {
    let connections = GracefulShutdown::new();
    tokio::select! {
        output = work => output,
        never = accept(listener, management, Bounds::DEFAULT, &connections) => match never {},
    }
}

#[cfg(test)]
mod slow_clients;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use std::sync::Arc;

    use axum::routing::get;
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A server with one route, which answers when the test lets it.
    struct Slow {
        address: SocketAddr,
        arrived: Arc<Notify>,
        answer: Arc<Notify>,
        serving: JoinHandle<()>,
    }

    async fn slow(shutdown: &Shutdown, drain: Duration) -> Slow {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (arrived, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let route = {
            let (arrived, answer) = (Arc::clone(&arrived), Arc::clone(&answer));
            get(move || async move {
                arrived.notify_one();
                answer.notified().await;
                "done"
            })
        };
        let shutdown = shutdown.clone();
        let serving = tokio::spawn(async move {
            serve(listener, Router::new().route("/", route), &shutdown, drain).await;
        });
        Slow {
            address,
            arrived,
            answer,
            serving,
        }
    }

    fn ask(address: SocketAddr) -> JoinHandle<reqwest::Result<String>> {
        tokio::spawn(async move {
            let client = reqwest::Client::builder().no_proxy().build()?;
            client
                .get(format!("http://{address}/"))
                .send()
                .await?
                .text()
                .await
        })
    }

    async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
        timeout(PATIENCE, future)
            .await
            .unwrap_or_else(|_| panic!("{what} did not happen within {PATIENCE:?}"))
    }

    #[tokio::test]
    async fn an_open_request_is_answered_before_the_server_ends() {
        let shutdown = Shutdown::manual();
        let server = slow(&shutdown, PATIENCE).await;
        let response = ask(server.address);
        soon("the request", server.arrived.notified()).await;

        shutdown.request("test");
        server.answer.notify_one();

        let text = soon("the answer", response).await.expect("a task");
        assert_eq!(text.expect("an answer"), "done");
        soon("the end", server.serving).await.expect("a task");
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_does_not_hold_up_the_server() {
        let shutdown = Shutdown::manual();
        let server = slow(&shutdown, Duration::from_millis(50)).await;
        let _response = ask(server.address);
        soon("the request", server.arrived.notified()).await;

        shutdown.request("test");

        soon("the end", server.serving).await.expect("a task");
    }

    #[tokio::test]
    async fn the_management_port_answers_for_as_long_as_there_is_work() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let done = Arc::new(Notify::new());
        let work = {
            let done = Arc::clone(&done);
            async move {
                done.notified().await;
                "output"
            }
        };
        let router = Router::new().route("/", get(|| async { "alive" }));
        let managed = tokio::spawn(serve_while(listener, router, work));

        let text = soon("the answer", ask(address)).await.expect("a task");
        assert_eq!(text.expect("an answer"), "alive");

        done.notify_one();
        let output = soon("the end", managed).await.expect("a task");
        assert_eq!(output, "output");
    }
}
