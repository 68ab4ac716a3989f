//! Clients who take their time, against a server with little of it.

use super::connection::Bounds;
use super::*;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::routing::{get, post};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(10);

/// Long enough that a tenth of it is no pause on a busy machine.
const HASTE: Duration = Duration::from_secs(1);

const HASTY: Bounds = Bounds {
    head: HASTE,
    head_bytes: 1024,
    body_pause: HASTE,
    answer_pause: HASTE,
};

/// Serves in haste, for as long as the test runs.
async fn hasty(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        serve_within(HASTY, listener, router, &Shutdown::manual(), PATIENCE).await;
    });
    address
}

/// Reads a whole body, and says how that went.
async fn swallow(request: Request) -> (StatusCode, String) {
    match to_bytes(request.into_body(), usize::MAX).await {
        Ok(body) => (StatusCode::OK, format!("{} bytes", body.len())),
        Err(error) if stopped_coming(&error) => (StatusCode::REQUEST_TIMEOUT, "slow".to_owned()),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    }
}

fn router() -> Router {
    Router::new().route("/", get(async || "done").post(swallow))
}

async fn connect(address: SocketAddr, first: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(first.as_bytes()).await.expect("a write");
    stream
}

/// All that the server says until it closes the connection.
async fn to_the_end(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    // Data that the server did not read makes its end a reset.
    let _end = soon("the end", stream.read_to_end(&mut said)).await;
    String::from_utf8(said).expect("text")
}

fn ask(address: SocketAddr) -> JoinHandle<reqwest::Result<String>> {
    tokio::spawn(async move {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let request = client.get(format!("http://{address}/"));
        request.send().await?.text().await
    })
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen within {PATIENCE:?}"))
}

#[tokio::test]
async fn heads_that_do_not_end_are_closed_and_hold_up_nobody() {
    let address = hasty(router()).await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        slow.push(connect(address, "GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await);
    }

    let answer = soon("another's answer", ask(address)).await;
    assert_eq!(answer.expect("a task").expect("an answer"), "done");

    for stream in slow {
        assert_eq!(to_the_end(stream).await, "");
    }
}

#[tokio::test]
async fn a_head_that_drips_is_closed_as_one_that_stands_still() {
    let address = hasty(router()).await;
    let mut stream = connect(address, "GET / HTTP/1.1\r\nx-slow: ").await;

    let dripping = async {
        let mut drops = tokio::time::interval(HASTE / 10);
        loop {
            drops.tick().await;
            if stream.write_all(b"a").await.is_err() {
                break;
            }
        }
    };

    soon("the end", dripping).await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let address = hasty(router()).await;
    let head = format!("GET / HTTP/1.1\r\nx-large: {}\r\n\r\n", "a".repeat(2000));

    let said = to_the_end(connect(address, &head).await).await;

    assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
}

#[tokio::test]
async fn a_body_that_stands_still_is_not_waited_for() {
    let address = hasty(router()).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc";

    let said = to_the_end(connect(address, head).await).await;

    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
}

#[tokio::test]
async fn a_body_that_moves_may_take_its_time() {
    let address = hasty(router()).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 30\r\n\r\n";
    let mut stream = connect(address, head).await;

    let mut drops = tokio::time::interval(HASTE / 10);
    for _ in 0..30 {
        drops.tick().await;
        stream.write_all(b"a").await.expect("a write");
    }

    let said = to_the_end(stream).await;
    assert!(said.ends_with("30 bytes"), "{said}");
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    /// Tells when it is dropped.
    struct Dropped(Arc<Notify>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }

    let given_up = Arc::new(Notify::new());
    let guard = Arc::clone(&given_up);
    let endless = post(async move || {
        let guard = Dropped(Arc::clone(&guard));
        let piece = Bytes::from(vec![0; 64 * 1024]);
        Body::from_stream(futures::stream::repeat_with(move || {
            let _held = &guard;
            Ok::<_, io::Error>(piece.clone())
        }))
    });
    let address = hasty(Router::new().route("/", endless)).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";

    let _open = connect(address, head).await;

    soon("the end of the answer", given_up.notified()).await;
}
