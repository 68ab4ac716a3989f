//! How a pod serves and how it ends: on SIGTERM it stops being ready, takes no
//! new connections, lets open requests end for a while, and goes.
//!
//! The pause that lets a cluster's load balancer notice is no business of this
//! process: the Deployment's `preStop` sleep makes it, before the signal comes.

use std::future::Future;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Whether the pod has been asked to end. A cheap handle; every clone is asked
/// at once.
#[derive(Debug, Clone)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Asked by SIGTERM, as by the kubelet, or by SIGINT, as by Ctrl-C. A second
    /// signal changes nothing. Needs a Tokio runtime.
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
        if !self.0.is_cancelled() {
            tracing::info!(why, "shutdown requested");
        }
        self.0.cancel();
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
/// the open ones end, for `drain` at most. Handlers that stream without end have
/// to watch the shutdown themselves.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: &Shutdown,
    drain: Duration,
) -> io::Result<()> {
    // Small answers over a connection that stays open would wait for
    // acknowledgements otherwise (20 to 40 ms each).
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    let asked = shutdown.clone();
    let serving = axum::serve(listener, router)
        .with_graceful_shutdown(async move { asked.requested().await });
    tokio::select! {
        served = serving => served,
        () = past_deadline(shutdown, drain) => {
            tracing::warn!(drain_seconds = drain.as_secs(), "requests were cut off");
            Ok(())
        }
    }
}

/// Serves the management port for as long as the pod's work goes on, so that it
/// answers to the kubelet until the end. Gives what the work gives.
pub async fn serve_while<F: Future>(
    listener: TcpListener,
    management: Router,
    work: F,
) -> io::Result<F::Output> {
    tokio::select! {
        output = work => Ok(output),
        served = axum::serve(listener, management) => {
            Err(served.err().unwrap_or_else(|| io::Error::other("the management port closed")))
        }
    }
}

async fn past_deadline(shutdown: &Shutdown, drain: Duration) {
    shutdown.requested().await;
    tokio::time::sleep(drain).await;
}
