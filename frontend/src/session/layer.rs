//! A session for every page, and no form without one.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};
use platform::signing::SigningError;
use time::OffsetDateTime;

use super::{Cookies, LIFETIME, Session, Signature};
use crate::pages::Problem;

/// What sessions stand on. A cheap handle.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub(crate) signature: Arc<dyn Signature>,
    pub(crate) cookies: Cookies,
}

/// A session, and the cookie to set if it is a new one or due to be renewed.
type Given = (Session, Option<HeaderValue>);

/// Gives a page its session, and begins one where there is none. What would
/// change something is refused without one, before any of it is read.
pub(crate) async fn layer(
    State(sessions): State<Sessions>,
    mut request: Request,
    next: Next,
) -> Response {
    let (session, cookie) = match sessions.at(request.method(), request.headers()).await {
        Ok(Some(found)) => found,
        Ok(None) => return Problem::without_session().into_response(),
        Err(unavailable) => return Problem::without_keys(unavailable).into_response(),
    };
    request.extensions_mut().insert(session);
    with_cookie(next.run(request).await, cookie)
}

/// The same where the keys can be had. While they cannot, nobody has a session,
/// and the page is asked for without: for what has to be seen just then.
pub(crate) async fn layer_where_keys_are(
    State(sessions): State<Sessions>,
    mut request: Request,
    next: Next,
) -> Response {
    let cookie = match sessions.at(request.method(), request.headers()).await {
        Ok(Some((session, cookie))) => {
            request.extensions_mut().insert(session);
            cookie
        }
        Ok(None) if sessions.has_keys().await => {
            return Problem::without_session().into_response();
        }
        Ok(None) => None,
        Err(unavailable) => {
            tracing::info!(%unavailable, "a page without a session");
            None
        }
    };
    with_cookie(next.run(request).await, cookie)
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

impl Sessions {
    /// The session of a request, and the cookie to set if it is a new one or due
    /// to be renewed. `None` for a form that has none.
    async fn at(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Option<Given>, SigningError> {
        let is_form = !matches!(*method, Method::GET | Method::HEAD);
        let now = OffsetDateTime::now_utc();
        let session = match self.known(headers).await? {
            Some(session) if is_form || !session.is_due(now) => return Ok(Some((session, None))),
            Some(session) => session.renewed(now),
            None if is_form => return Ok(None),
            None => Session::begin(now),
        };
        let signed = self.signature.sign(&session, now + LIFETIME).await?;
        let cookie = self.cookies.set(signed);
        Ok(Some((session, Some(cookie))))
    }

    /// Whether a session can begin.
    async fn has_keys(&self) -> bool {
        let now = OffsetDateTime::now_utc();
        let session = Session::begin(now);
        let signed = self.signature.sign(&session, now + LIFETIME).await;
        signed.is_ok()
    }

    /// The session in the cookie of a request, if it is good.
    async fn known(&self, headers: &HeaderMap) -> Result<Option<Session>, SigningError> {
        let Some(signed) = self.cookies.find(headers) else {
            return Ok(None);
        };
        match self.signature.verify(&signed).await {
            Ok(session) => Ok(Some(session)),
            Err(unavailable @ SigningError::Unavailable(_)) => Err(unavailable),
            Err(refusal) => {
                tracing::debug!(%refusal, "no session");
                Ok(None)
            }
        }
    }
}

/// The session that the layer gave.
impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let session = parts.extensions.get::<Self>().cloned();
        session.ok_or_else(|| Problem::internal("this page is not behind the sessions' layer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemoryKeys;
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt as _;

    /// A page behind each of the two layers that says whether it has a session.
    fn pages(keys: &Arc<MemoryKeys>) -> Router {
        let sessions = Sessions {
            signature: Arc::<MemoryKeys>::clone(keys),
            cookies: Cookies::new(false),
        };
        let says = async |session: Result<Session, Problem>| match session {
            Ok(_) => "with",
            Err(_) => "without",
        };
        let page = || Router::new().route("/", get(says).post(says));
        let strict = from_fn_with_state(sessions.clone(), layer);
        let lenient = from_fn_with_state(sessions, layer_where_keys_are);
        Router::new()
            .nest("/strict", page().route_layer(strict))
            .nest("/lenient", page().route_layer(lenient))
    }

    /// Status, body and whether there is a cookie.
    async fn answer(pages: &Router, method: Method, path: &str) -> (u16, String, bool) {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).expect("a request");
        let answer = pages.clone().oneshot(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, 100_000).await.expect("a body");
        let text = String::from_utf8(body.to_vec()).expect("text");
        let has_cookie = head.headers.contains_key(header::SET_COOKIE);
        (head.status.as_u16(), text, has_cookie)
    }

    #[tokio::test]
    async fn where_there_are_keys_both_layers_give_a_session_and_take_no_form_without() {
        let keys = Arc::default();
        let pages = pages(&keys);

        for path in ["/strict", "/lenient"] {
            let page = answer(&pages, Method::GET, path).await;
            assert_eq!(page, (200, "with".to_owned(), true), "{path}");
            let (status, text, _) = answer(&pages, Method::POST, path).await;
            assert_eq!(status, 403, "{path}");
            assert!(text.contains("This page is too old"), "{text}");
        }
    }

    #[tokio::test]
    async fn without_keys_one_page_is_there_without_a_session_and_the_others_are_not() {
        let keys: Arc<MemoryKeys> = Arc::default();
        let pages = pages(&keys);
        keys.take_away();

        let (status, text, _) = answer(&pages, Method::GET, "/strict").await;
        assert_eq!(status, 503);
        assert!(text.contains("Sessions cannot be checked now"), "{text}");
        let (status, _, _) = answer(&pages, Method::POST, "/strict").await;
        assert_eq!(status, 403);
        for method in [Method::GET, Method::POST] {
            let page = answer(&pages, method, "/lenient").await;
            assert_eq!(page, (200, "without".to_owned(), false));
        }
    }
}
