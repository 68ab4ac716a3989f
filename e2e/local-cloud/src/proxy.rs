//! The loopback CONNECT proxy by which clients reach the planes under their
//! real host names. It knows only the names that the local cloud plays, and
//! refuses all others with 502: through it nobody reaches the real Azure.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http_body_util::{Either, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::front_door::send_at_once;
use crate::network::from_this_machine;

type Answer = Response<Either<Full<Bytes>, Empty<Bytes>>>;

/// A running proxy; dropping it ends it and the tunnels through it.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

/// Starts a proxy that tunnels these hosts (port 443) to a port on loopback.
pub(crate) fn start(
    listener: TcpListener,
    hosts: impl IntoIterator<Item = String>,
    to: u16,
) -> Proxy {
    let address = from_this_machine(&listener);
    let hosts: Arc<BTreeSet<String>> = Arc::new(hosts.into_iter().collect());
    let serving = tokio::spawn(serve(listener, hosts, to));
    Proxy {
        address,
        _serving: AbortOnDropHandle::new(serving),
    }
}

/// A client for what is behind the proxy: it trusts the private CA alone, goes
/// through the proxy alone, speaks https alone, and follows no redirect.
pub(crate) fn client(ca_pem: &str, proxy: SocketAddr) -> Result<reqwest::Client, reqwest::Error> {
    let ca = reqwest::Certificate::from_pem(ca_pem.as_bytes())?;
    reqwest::Client::builder()
        .tls_certs_only([ca])
        .proxy(reqwest::Proxy::https(format!("http://{proxy}"))?)
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

async fn serve(listener: TcpListener, hosts: Arc<BTreeSet<String>>, to: u16) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((socket, _)) = accepted {
                let hosts = Arc::clone(&hosts);
                connections.spawn(async move { connection(socket, hosts, to).await });
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// One client's connection; the tunnel, if there is one, ends with it.
async fn connection(socket: TcpStream, hosts: Arc<BTreeSet<String>>, to: u16) {
    send_at_once(&socket);
    let tunnels = tokio::sync::Mutex::new(JoinSet::new());
    let service = service_fn(|request: Request<Incoming>| {
        let known = is_known(&request, &hosts);
        let (tunnels, hosts) = (&tunnels, &hosts);
        async move {
            let answer = match known {
                Some(true) => {
                    tunnels.lock().await.spawn(tunnel(request, to));
                    Response::new(Either::Right(Empty::new()))
                }
                Some(false) => refusal(StatusCode::BAD_GATEWAY, &unknown_host(&request, hosts)),
                None => refusal(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "This proxy of the local cloud knows only CONNECT.",
                ),
            };
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let http = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    if let Err(error) = http.await {
        tracing::debug!(%error, "a proxy connection ended");
    }
    while tunnels.lock().await.join_next().await.is_some() {}
}

/// Whether a request asks for a host that is played here; `None` if it is not
/// a CONNECT at all.
fn is_known(request: &Request<Incoming>, hosts: &BTreeSet<String>) -> Option<bool> {
    if request.method() != Method::CONNECT {
        return None;
    }
    let authority = request.uri().authority()?;
    Some(
        authority.port_u16() == Some(443) && hosts.contains(&authority.host().to_ascii_lowercase()),
    )
}

fn unknown_host(request: &Request<Incoming>, hosts: &BTreeSet<String>) -> String {
    let played: Vec<&str> = hosts.iter().map(String::as_str).collect();
    format!(
        "The local cloud does not play {}. It plays, on port 443: {}.",
        request.uri(),
        played.join(", ")
    )
}

fn refusal(status: StatusCode, text: &str) -> Answer {
    tracing::warn!(%status, text, "the proxy refused a request");
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(text.to_owned()))));
    *response.status_mut() = status;
    response
}

async fn tunnel(request: Request<Incoming>, to: u16) {
    let both = async {
        let mut client = TokioIo::new(
            hyper::upgrade::on(request)
                .await
                .map_err(std::io::Error::other)?,
        );
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await?;
        server.set_nodelay(true)?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await
    };
    if let Err(error) = both.await {
        tracing::debug!(%error, "a tunnel ended");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn first_line(request: &str) -> String {
        let listener = crate::network::loopback().await.expect("a port");
        let proxy = start(listener, ["known.test".to_owned()], 1);
        let mut stream = TcpStream::connect(proxy.address)
            .await
            .expect("the proxy listens");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = vec![0; 64];
        let read = stream.read(&mut answer).await.expect("an answer");
        String::from_utf8_lossy(&answer[..read])
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    #[tokio::test]
    async fn a_host_that_is_not_played_is_refused() {
        for host in ["evil.test:443", "known.test:22", "known.test.evil.test:443"] {
            let line =
                first_line(&format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
            assert_eq!(line, "HTTP/1.1 502 Bad Gateway", "{host}");
        }
    }

    #[tokio::test]
    async fn plain_requests_are_not_forwarded() {
        let line = first_line("GET http://known.test/ HTTP/1.1\r\nHost: known.test\r\n\r\n").await;
        assert_eq!(line, "HTTP/1.1 405 Method Not Allowed");
    }

    #[tokio::test]
    async fn a_played_host_gets_a_tunnel() {
        let line =
            first_line("CONNECT known.test:443 HTTP/1.1\r\nHost: known.test:443\r\n\r\n").await;
        assert_eq!(line, "HTTP/1.1 200 OK");
    }
}
