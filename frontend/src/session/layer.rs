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

/// Gives a page its session, and begins one where there is none. What would
/// change something is refused without one, before any of it is read.
pub(crate) async fn layer(
    State(sessions): State<Sessions>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_form = !matches!(*request.method(), Method::GET | Method::HEAD);
    let (session, cookie) = match sessions.at(request.headers(), is_form).await {
        Ok(Some(found)) => found,
        Ok(None) => return Problem::without_session().into_response(),
        Err(unavailable) => return Problem::without_keys(unavailable).into_response(),
    };
    request.extensions_mut().insert(session);
    let mut response = next.run(request).await;
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
        headers: &HeaderMap,
        is_form: bool,
    ) -> Result<Option<(Session, Option<HeaderValue>)>, SigningError> {
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
