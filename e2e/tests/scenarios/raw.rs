//! HTTP by hand, for requests that no honest client sends.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// A request, byte by byte as it is put together.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// What a server answered before it closed the connection.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 0 when there was no answer at all.
    pub(crate) status: u16,
    /// The lines of the head after the first.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Request {
    /// A request without a body, that ends its connection.
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
        .header("connection", "close")
    }

    /// Adds a header, or replaces the one of this name.
    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self = self.without(name);
        self.and_header(name, value)
    }

    /// Adds a header, also when there is one of this name.
    #[must_use]
    pub(crate) fn and_header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self
    }

    /// With a body, and its length said.
    #[must_use]
    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_owned();
        self.header("content-length", body.as_ref().len().to_string())
    }

    /// With a body in pieces, and its length not said.
    #[must_use]
    pub(crate) fn chunked(mut self, body: &[u8]) -> Self {
        self.body = Vec::new();
        for piece in body.chunks(4096).chain([&b""[..]]) {
            self.body
                .extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            self.body.extend_from_slice(piece);
            self.body.extend_from_slice(b"\r\n");
        }
        self.without("content-length")
            .header("transfer-encoding", "chunked")
    }

    /// With its body in pieces, and its length not said.
    #[must_use]
    pub(crate) fn in_chunks(self) -> Self {
        let body = self.body.clone();
        self.chunked(&body)
    }

    /// With other bytes in its body, as many as before.
    #[must_use]
    pub(crate) fn replacing(self, from: &[u8], to: &[u8]) -> Self {
        let windows = self.body.windows(from.len());
        let at = windows.clone().position(|window| window == from);
        let at = at.expect("the body has these bytes");
        let body = [&self.body[..at], to, &self.body[at + from.len()..]].concat();
        self.body(body)
    }

    /// Sends all of it.
    pub(crate) async fn send(&self, address: SocketAddr) -> Answer {
        let mut connection = self.begin(address).await;
        // A server that has answered already need not take the rest.
        drop(connection.write_all(&self.body).await);
        read(connection).await
    }

    /// Sends its head and this much of its body, and then the rest a byte at a time
    /// with a pause before each, until the server has had enough.
    pub(crate) async fn dribble(
        &self,
        address: SocketAddr,
        at_once: usize,
        pause: Duration,
    ) -> Answer {
        let (reading, mut writing) = self.begin(address).await.into_split();
        let (at_once, rest) = self.body.split_at(at_once);
        writing.write_all(at_once).await.expect("written");
        let rest = rest.to_owned();
        let dribbling = tokio::spawn(async move {
            for byte in rest {
                tokio::time::sleep(pause).await;
                if writing.write_all(&[byte]).await.is_err() {
                    return;
                }
            }
        });
        let answer = read(reading).await;
        dribbling.abort();
        answer
    }

    async fn begin(&self, address: SocketAddr) -> TcpStream {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        let host = ("host".to_owned(), address.to_string().into_bytes());
        let named = self.headers.iter().any(|(name, _)| name == "host");
        let headers = self.headers.iter().chain((!named).then_some(&host));
        for (name, value) in headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        let mut connection = TcpStream::connect(address).await.expect("connected");
        connection.write_all(&head).await.expect("written");
        connection
    }
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(own, _)| own.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value)
    }
}

/// Reads until the server closes the connection.
async fn read(mut connection: impl AsyncRead + Unpin) -> Answer {
    let mut bytes = Vec::new();
    let reading = tokio::time::timeout(PATIENCE, async {
        let mut buffer = vec![0; 16 * 1024];
        // A reset after an answer is an end like another.
        while let Ok(count @ 1..) = connection.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..count]);
        }
    });
    let ended = reading.await.is_ok();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(ended, "the connection stays open after {text:?}");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let (first, head) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        status: status.unwrap_or_default(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
