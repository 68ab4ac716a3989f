//! Who may post: the pages of this origin.
//!
//! A browser says on every POST where it comes from, and no page can forge that.
//! - `Sec-Fetch-Site`, where it is sent (to https and to localhost), decides:
//!   `same-origin`, or `none` for what a person began, such as a reload.
//! - Without it, `Origin` decides: its host and port have to be those of the
//!   request. `null` is no origin.
//! - Without both, the caller is no browser. It carries nobody's session, so no
//!   page made it do this: it is let through.
//!
//! This is what stands against cross-site request forgery while nobody is signed
//! in; a token that is bound to the session's cookie comes with sessions.
//!
//! Fetch Metadata Request Headers (W3C); OWASP, *Cross-Site Request Forgery
//! Prevention*.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method, Uri, header};
use url::Url;

use crate::pages::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what comes from elsewhere and would change something. A layer for the
/// whole router.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let changes = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if changes && !is_ours(request.headers(), request.uri()) {
        return Problem::from_elsewhere().into_response();
    }
    next.run(request).await
}

fn is_ours(headers: &HeaderMap, uri: &Uri) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    // HTTP/2 has no header for the host: it is in the address.
    let host = match headers.get(header::HOST) {
        Some(host) => host.to_str().ok(),
        None => uri.authority().map(Authority::as_str),
    };
    match (origin.to_str().ok().and_then(authority), host) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// The host, and the port unless it is the scheme's own: as a browser writes
/// `Host`. The scheme is not compared, because TLS may end before this pod.
fn authority(origin: &str) -> Option<String> {
    let url = Url::parse(origin).ok()?;
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

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    fn path() -> Uri {
        Uri::from_static("/lists/inbox/todos")
    }

    #[test]
    fn the_browsers_word_about_the_site_decides() {
        for (site, ours) in [
            ("same-origin", true),
            ("none", true),
            ("same-site", false),
            ("cross-site", false),
            ("", false),
        ] {
            // The origin is not asked.
            let headers = headers(&[
                (SEC_FETCH_SITE, site),
                (header::ORIGIN, "http://localhost:8080"),
                (header::HOST, "localhost:8080"),
            ]);

            assert_eq!(is_ours(&headers, &path()), ours, "{site}");
        }
    }

    #[test]
    fn without_it_the_origin_has_to_be_the_host() {
        for (origin, host, ours) in [
            ("http://localhost:8080", "localhost:8080", true),
            ("https://todo.example", "todo.example", true),
            ("https://TODO.example", "todo.EXAMPLE", true),
            ("http://localhost:8081", "localhost:8080", false),
            ("https://todo.example.evil.test", "todo.example", false),
            ("https://todo.example@evil.test", "todo.example", false),
            ("null", "todo.example", false),
            ("", "", false),
        ] {
            let headers = headers(&[(header::ORIGIN, origin), (header::HOST, host)]);

            assert_eq!(is_ours(&headers, &path()), ours, "{origin} {host}");
        }
    }

    #[test]
    fn over_http_2_the_host_is_in_the_address() {
        let headers = headers(&[(header::ORIGIN, "https://todo.example")]);
        let ours = Uri::from_static("https://todo.example/lists/inbox/todos");
        let other = Uri::from_static("https://other.example/lists/inbox/todos");

        assert!(is_ours(&headers, &ours));
        assert!(!is_ours(&headers, &other));
        assert!(!is_ours(&headers, &path()));
    }

    #[test]
    fn a_caller_that_says_neither_is_no_browser() {
        assert!(is_ours(
            &headers(&[(header::HOST, "localhost:8080")]),
            &path()
        ));
    }
}
