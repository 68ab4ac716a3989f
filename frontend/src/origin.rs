//! The origins under which the pages are: what a browser has in its address bar.
//!
//! Loopback is always one of them, so that a port can be forwarded to a pod. The
//! other is `PUBLIC_ORIGIN`, where a gateway is before the pods. Any other host
//! in a request is somebody else's name that leads here (DNS rebinding), and
//! what such a page would read is refused.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::uri::Authority;
use http::{HeaderMap, Uri, header};
use url::{Host, Origin, Url};

use crate::pages::Problem;

/// Where the pages are. A cheap handle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    public: Option<Url>,
}

impl Origins {
    /// Reads `PUBLIC_ORIGIN`: scheme, host and port, and nothing behind them.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("is not an origin: {error}"))?;
        let is_bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if !matches!(url.scheme(), "https" | "http") || !is_bare {
            return Err("is not an origin, as https://todo.example".to_owned());
        }
        Ok(Self { public: Some(url) })
    }

    /// Whether browsers come by https.
    pub(crate) fn is_https(&self) -> bool {
        self.public
            .as_ref()
            .is_some_and(|public| public.scheme() == "https")
    }

    /// The origin that a request was sent to, if it is one of ours. TLS ends
    /// before this pod, so only the public origin can be https.
    pub(crate) fn of(&self, headers: &HeaderMap, uri: &Uri) -> Option<Origin> {
        let host = host(headers, uri)?;
        if let Some(public) = &self.public
            && authority(public).is_some_and(|ours| ours.eq_ignore_ascii_case(&host))
        {
            return Some(public.origin());
        }
        let url = Url::parse(&format!("http://{host}/")).ok()?;
        let is_loopback = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        is_loopback.then(|| url.origin())
    }
}

/// Refuses what was sent to another host. A layer for the whole router.
pub(crate) async fn layer(
    State(origins): State<Origins>,
    mut request: Request,
    next: Next,
) -> Response {
    match origins.of(request.headers(), request.uri()) {
        Some(origin) => {
            request.extensions_mut().insert(Ours(origin));
            next.run(request).await
        }
        None => Problem::other_host().into_response(),
    }
}

/// The origin that the request at hand was sent to.
#[derive(Debug, Clone)]
pub(crate) struct Ours(pub(crate) Origin);

/// The host and port of a request: one host, in one place, as it is written in an
/// address. HTTP/2 has no header for it: it is in the address.
fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let mut named = headers.get_all(header::HOST).into_iter();
    let host = match (named.next(), named.next(), uri.authority()) {
        (Some(host), None, None) => host.to_str().ok()?,
        (None, None, Some(authority)) => authority.as_str(),
        (Some(host), None, Some(authority)) if host == authority.as_str() => authority.as_str(),
        _ => return None,
    };
    let authority: Authority = host.parse().ok()?;
    (!host.contains('@')).then(|| authority.to_string())
}

/// As a browser writes `Host`: with the port unless it is the scheme's own.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(origins: &Origins, host: &'static str) -> Option<String> {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
        let origin = origins.of(&headers, &Uri::from_static("/lists"))?;
        Some(origin.ascii_serialization())
    }

    #[test]
    fn loopback_is_served_and_no_other_host() {
        let origins = Origins::default();

        for (host, origin) in [
            ("localhost", Some("http://localhost")),
            ("localhost:8080", Some("http://localhost:8080")),
            ("LocalHost:8080", Some("http://localhost:8080")),
            ("127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("[::1]:8080", Some("http://[::1]:8080")),
            ("evil.test:8080", None),
            ("localhost.evil.test", None),
            ("evil.test@localhost", None),
            ("localhost@evil.test", None),
            ("10.0.0.7:8080", None),
            ("", None),
            ("localhost/..", None),
        ] {
            assert_eq!(of(&origins, host).as_deref(), origin, "{host}");
        }
    }

    #[test]
    fn the_public_origin_is_served_with_its_scheme_and_port() {
        let origins = Origins::parse("https://todo.example").expect("an origin");

        assert!(origins.is_https());
        for (host, origin) in [
            ("todo.example", Some("https://todo.example")),
            ("TODO.example", Some("https://todo.example")),
            ("localhost:8080", Some("http://localhost:8080")),
            ("todo.example:8443", None),
            ("www.todo.example", None),
        ] {
            assert_eq!(of(&origins, host).as_deref(), origin, "{host}");
        }
    }

    #[test]
    fn a_public_origin_with_a_port_is_served_at_that_port_only() {
        let origins = Origins::parse("https://todo.example:8443").expect("an origin");

        for (host, origin) in [
            ("todo.example:8443", Some("https://todo.example:8443")),
            ("todo.example", None),
            ("todo.example:443", None),
        ] {
            assert_eq!(of(&origins, host).as_deref(), origin, "{host}");
        }
    }

    #[test]
    fn a_request_has_one_host() {
        let origins = Origins::default();
        let local = (header::HOST, HeaderValue::from_static("localhost"));
        let other = (header::HOST, HeaderValue::from_static("evil.test"));
        let mut both = HeaderMap::from_iter([local.clone()]);
        both.append(header::HOST, other.1);
        let one = HeaderMap::from_iter([local]);

        assert!(origins.of(&both, &Uri::from_static("/")).is_none());
        assert!(
            origins
                .of(&HeaderMap::new(), &Uri::from_static("/"))
                .is_none()
        );
        let over_http_2 = Uri::from_static("http://localhost/");
        assert!(origins.of(&HeaderMap::new(), &over_http_2).is_some());
        let elsewhere = Uri::from_static("http://evil.test/");
        assert!(origins.of(&HeaderMap::new(), &elsewhere).is_none());
        assert!(origins.of(&one, &elsewhere).is_none());
    }

    #[test]
    fn an_origin_has_nothing_behind_its_port() {
        for text in [
            "todo.example",
            "ftp://todo.example",
            "https://todo.example/path",
            "https://todo.example/?x",
            "https://me@todo.example",
        ] {
            assert!(Origins::parse(text).is_err(), "{text}");
        }
    }
}
