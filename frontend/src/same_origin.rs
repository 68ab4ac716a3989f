//! Who may post: the pages of this origin. The session's token in each form says
//! so too; this stands before it, and does not depend on it.
//!
//! A browser says on every POST where it comes from, and no page can forge that.
//! - `Sec-Fetch-Site`, where it is sent (to https and to localhost), decides:
//!   `same-origin`, or `none` for what a person began, such as a reload.
//! - Without it, `Origin` decides: it has to be the one that the request was sent
//!   to. `null` says nothing: it is what `Referrer-Policy: no-referrer` makes of
//!   our own forms.
//! - Without both, the token alone decides.
//!
//! Fetch Metadata Request Headers (W3C); OWASP, *Cross-Site Request Forgery
//! Prevention*.

use axum::Extension;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, Method, header};
use url::Origin;

use crate::origin::Ours;
use crate::pages::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what comes from elsewhere and would change something. A layer for the
/// whole router, within that of the origins.
pub(crate) async fn layer(
    Extension(Ours(ours)): Extension<Ours>,
    request: Request,
    next: Next,
) -> Response {
    let changes = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if changes && !is_ours(request.headers(), &ours) {
        return Problem::from_elsewhere().into_response();
    }
    next.run(request).await
}

fn is_ours(headers: &HeaderMap, ours: &Origin) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    match headers.get(header::ORIGIN) {
        None => true,
        Some(origin) => origin == "null" || origin == ours.ascii_serialization().as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use url::Url;

    fn is_ours(headers: &[(HeaderName, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        let ours = Url::parse("https://todo.example").expect("a URL").origin();
        super::is_ours(&headers, &ours)
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
            let headers = [
                (SEC_FETCH_SITE, site),
                (header::ORIGIN, "https://todo.example"),
            ];

            assert_eq!(is_ours(&headers), ours, "{site}");
        }
    }

    #[test]
    fn without_it_the_origin_has_to_be_that_of_the_request() {
        for (origin, ours) in [
            ("https://todo.example", true),
            ("http://todo.example", false),
            ("https://todo.example:8443", false),
            ("https://todo.example.evil.test", false),
            ("https://todo.example@evil.test", false),
            ("", false),
        ] {
            assert_eq!(is_ours(&[(header::ORIGIN, origin)]), ours, "{origin}");
        }
    }

    #[test]
    fn a_request_that_does_not_say_where_it_is_from_is_left_to_the_token() {
        assert!(is_ours(&[]));
        assert!(is_ours(&[(header::ORIGIN, "null")]));
    }
}
