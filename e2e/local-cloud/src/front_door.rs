//! Where HTTP enters: accept -> TLS -> host name -> plane.
//!
//! One listener serves every plane under its real host name, over HTTP/1.1 and
//! HTTP/2 (the Cosmos client speaks nothing else). Nothing behind this file
//! needs to know about connections.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// Which plane answers under which host name.
#[derive(Clone)]
pub(crate) struct Routes {
    by_host: Arc<BTreeMap<String, Router>>,
    otherwise: Option<Router>,
}

impl Routes {
    /// Each host name has its plane; all others are refused.
    pub(crate) fn by_host(planes: BTreeMap<String, Router>) -> Self {
        Self {
            by_host: Arc::new(planes),
            otherwise: None,
        }
    }

    /// One plane for whatever name it is reached under.
    pub(crate) fn all_to(plane: Router) -> Self {
        Self {
            by_host: Arc::default(),
            otherwise: Some(plane),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response {
        let mut request = request.map(Body::new);
        // HTTP/2 has the host in the URI's authority, HTTP/1.1 in a header.
        let authority = request
            .uri()
            .authority()
            .map(|authority| authority.as_str().to_owned());
        let header = || {
            request
                .headers()
                .get(header::HOST)?
                .to_str()
                .ok()
                .map(str::to_owned)
        };
        let authority = authority.or_else(header).unwrap_or_default();
        if let Ok(host) = HeaderValue::from_str(&authority) {
            request.headers_mut().insert(header::HOST, host);
        }
        let host = authority
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let Some(plane) = self.by_host.get(&host).or(self.otherwise.as_ref()) else {
            let text = format!("This is the local cloud, not Azure; it plays no host `{host}`.");
            return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
        };
        match plane.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Serves HTTP on a listener until the future is dropped, which also ends the
/// connections.
pub(crate) async fn serve_tls(listener: TcpListener, tls: Arc<ServerConfig>, routes: Routes) {
    accept_tls(listener, tls, move |stream| {
        let routes = routes.clone();
        async move {
            let service = hyper::service::service_fn(move |request| {
                let routes = routes.clone();
                async move { Ok::<_, std::convert::Infallible>(routes.answer(request).await) }
            });
            let http = auto::Builder::new(TokioExecutor::new());
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection ended");
            }
        }
    })
    .await;
}

/// Sets `TCP_NODELAY`. Without it an answer in several parts waits for the delayed
/// acknowledgement of the client, some 40 ms each.
pub(crate) fn send_at_once(socket: &TcpStream) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY is refused");
    }
}

/// Accepts TLS connections and hands each to `serve`, until the future is dropped.
pub(crate) async fn accept_tls<F, S>(listener: TcpListener, tls: Arc<ServerConfig>, serve: S)
where
    S: Fn(tokio_rustls::server::TlsStream<TcpStream>) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(tls);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    let (acceptor, serve) = (acceptor.clone(), serve.clone());
                    connections.spawn(async move {
                        send_at_once(&socket);
                        match acceptor.accept(socket).await {
                            Ok(stream) => serve(stream).await,
                            Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
                        }
                    });
                }
                // Out of descriptors, or a connection that was reset in the backlog.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::task::yield_now().await;
                }
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    #[tokio::test]
    async fn a_host_without_a_plane_is_misdirected() {
        let hosts = ["played.test", "other.test"].map(str::to_owned);
        let tls = crate::tls::issue(&hosts).expect("certificates");
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let plane = Router::new().fallback(async || "the plane");
        let routes = Routes::by_host(BTreeMap::from([("played.test".to_owned(), plane)]));
        let serving = tokio::spawn(serve_tls(listener, Arc::clone(&tls.server), routes));
        let _serving = tokio_util::task::AbortOnDropHandle::new(serving);
        let listener = crate::network::loopback().await.expect("a port");
        let proxy = crate::proxy::start(listener, hosts, port);
        let client = crate::proxy::client(&tls.ca_pem, proxy.address).expect("a client");
        let ask = async |host: &str| {
            let answer = client.get(format!("https://{host}/")).send().await;
            let answer = answer.expect("an answer");
            (answer.status().as_u16(), answer.text().await.expect("text"))
        };

        assert_eq!(ask("played.test").await, (200, "the plane".to_owned()));
        let text = "This is the local cloud, not Azure; it plays no host `other.test`.";
        assert_eq!(ask("other.test").await, (421, text.to_owned()));
    }
}
