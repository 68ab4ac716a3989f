//! The pages on fakes, and someone with a browser in front of them.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, Request, header};
use platform::server::Shutdown;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tower::ServiceExt as _;
use url::Url;

use super::{FakeBackend, MemoryBlobs, MemoryFeed, MemoryJobs, MemoryKeys};
use crate::activity::{Feed, Live};
use crate::attachments::Attachments;
use crate::backend::Backend;
use crate::origin::Origins;
use crate::pages::{self, Pages};
use crate::session::{Cookies, Sessions, Signature};

/// The pages, and a browser that keeps their cookie.
pub(crate) struct Site {
    pub(crate) router: Router,
    pub(crate) blobs: Arc<MemoryBlobs>,
    pub(crate) jobs: Arc<MemoryJobs>,
    pub(crate) feed: Arc<MemoryFeed>,
    pub(crate) keys: Arc<MemoryKeys>,
    _token_file: NamedTempFile,
    pub(crate) shutdown: Shutdown,
    cookie: Mutex<Option<String>>,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Site {
    /// The pages with this backend.
    pub(crate) async fn with(backend: &FakeBackend) -> Self {
        Self::new(backend.serve().await, Origins::default())
    }

    /// The pages with this backend, behind this origin.
    pub(crate) async fn behind(origin: &str, backend: &FakeBackend) -> Self {
        let origins = Origins::parse(origin).expect("an origin");
        Self::new(backend.serve().await, origins)
    }

    /// The pages with nobody at the backend's address.
    pub(crate) async fn without_backend() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let address = format!("http://{address}/").parse().expect("a URL");
        Self::new(address, Origins::default())
    }

    fn new(backend: Url, origins: Origins) -> Self {
        let mut token_file = NamedTempFile::new().expect("a file");
        token_file.write_all(b"pod-token").expect("a token");
        let blobs = Arc::new(MemoryBlobs::default());
        let jobs = Arc::new(MemoryJobs::default());
        let feed = Arc::new(MemoryFeed::default());
        let keys = Arc::new(MemoryKeys::default());
        let shutdown = Shutdown::manual();
        let read: Arc<dyn Feed> = Arc::<MemoryFeed>::clone(&feed);
        let signature: Arc<dyn Signature> = Arc::<MemoryKeys>::clone(&keys);
        let router = pages::router(Pages {
            sessions: Sessions {
                signature,
                cookies: Cookies::new(origins.is_https()),
            },
            origins,
            backend: Backend::new(backend, token_file.path().to_owned()),
            live: Live::start(Arc::clone(&read), &shutdown),
            feed: read,
            attachments: Attachments::new(
                Arc::<MemoryBlobs>::clone(&blobs),
                Arc::<MemoryJobs>::clone(&jobs),
                25 * 1024 * 1024,
            ),
            access: None,
        });
        Self {
            router,
            blobs,
            jobs,
            feed,
            keys,
            _token_file: token_file,
            shutdown,
            cookie: Mutex::default(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        self.send(request).await
    }

    /// Sends a form of one of our pages.
    pub(crate) async fn post(&self, path: &str, fields: &str) -> Answer {
        let token = self.token().await;
        self.send(form(path, &format!("csrf={token}&{fields}")))
            .await
    }

    /// Sends a form with a file, in parts and without telling its length. The
    /// head is that of the file.
    pub(crate) async fn upload(&self, path: &str, head: &str, content: Vec<Bytes>) -> Answer {
        let field = |name: &str, value: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let token = self.token().await;
        let fields = field("csrf", &token) + &field("key", "00000000-0000-0000-0000-000000000001");
        let before = Bytes::from(format!("{fields}--b\r\n{head}\r\n\r\n"));
        let after = Bytes::from_static(b"\r\n--b--\r\n");
        let parts = std::iter::once(before).chain(content).chain([after]);
        let parts: Vec<_> = parts.map(Ok::<_, Infallible>).collect();
        self.send(multipart(path, Body::from_stream(stream::iter(parts))))
            .await
    }

    /// The token that the forms of this browser's session carry.
    pub(crate) async fn token(&self) -> String {
        // Whatever becomes of the page, its session has begun.
        let _page = self.get("/lists").await;
        let cookie = self.cookie.lock().expect("no panic").clone();
        let (_, signed) = cookie
            .as_deref()
            .and_then(|cookie| cookie.split_once('='))
            .expect("a cookie");
        let session = self.keys.verify(signed).await.expect("a session");
        session.token().to_owned()
    }

    /// The cookie that this browser has, and forgets.
    pub(crate) fn take_cookie(&self) -> Option<String> {
        self.cookie.lock().expect("no panic").take()
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let headers = request.headers_mut();
        headers
            .entry(header::HOST)
            .or_insert("localhost:8080".parse().expect("a host"));
        let cookie = self.cookie.lock().expect("no panic").clone();
        if let Some(cookie) = cookie {
            headers
                .entry(header::COOKIE)
                .or_insert(cookie.parse().expect("a cookie"));
        }
        let response = self.router.clone().oneshot(request).await;
        let (head, body) = response.expect("an answer").into_parts();
        if let Some(set) = head.headers.get(header::SET_COOKIE) {
            let (cookie, _) = set
                .to_str()
                .expect("text")
                .split_once(';')
                .expect("attributes");
            *self.cookie.lock().expect("no panic") = Some(cookie.to_owned());
        }
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: to_bytes(body, 100_000_000).await.expect("a body"),
        }
    }
}

/// A form as a browser sends it from our page.
pub(crate) fn form(path: &str, fields: &str) -> Request<Body> {
    Request::post(path)
        .header("origin", "http://localhost:8080")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(fields.to_owned()))
        .expect("a request")
}

/// A form with a file as a browser sends it from our page.
pub(crate) fn multipart(path: &str, body: Body) -> Request<Body> {
    Request::post(path)
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(body)
        .expect("a request")
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}"));
        value.to_str().expect("text")
    }

    /// Says what is on the page when something is not.
    pub(crate) fn says(&self, words: &str) {
        assert!(
            self.text().contains(words),
            "{words} is not in {} {}",
            self.status,
            self.text()
        );
    }

    pub(crate) fn says_not(&self, words: &str) {
        assert!(
            !self.text().contains(words),
            "{words} is in {} {}",
            self.status,
            self.text()
        );
    }
}
