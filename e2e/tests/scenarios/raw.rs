//! HTTP by hand, for requests that no honest client sends.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to a server.
pub(crate) struct Connection(TcpStream);

/// What the server answered before it closed the connection.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    /// 0 when there was no answer at all.
    pub(crate) status: u16,
    /// The lines of the head after the first.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Connection {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("connected"))
    }

    /// Sends bytes; whether the server still takes them.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Reads until the server closes the connection.
    pub(crate) async fn answer(mut self) -> RawAnswer {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(PATIENCE, async {
            let mut buffer = [0; 16 * 1024];
            // A reset after an answer is an end like another.
            while let Ok(count @ 1..) = self.0.read(&mut buffer).await {
                bytes.extend_from_slice(&buffer[..count]);
            }
        });
        let ended = read.await.is_ok();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(ended, "the connection stays open after {text:?}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let (first, head) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        RawAnswer {
            status: status.unwrap_or_default(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }
}

/// The head of a request that ends its connection.
pub(crate) fn head(method: &str, path: &str, host: &str, more: &[(&str, &str)]) -> String {
    let more = more.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let more: String = more.collect();
    format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{more}\r\n")
}

/// A piece of a chunked body; the empty one ends it.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}
