//! A form of one of our pages. Only here are a form's fields to be had, and only
//! when the form is of the session that sends it.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FormRejection};
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use http::{HeaderMap, StatusCode, header};
use percent_encoding::percent_decode;
use platform::server::stopped_coming;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use tokio::time::timeout;

use super::{FORM_BYTES, Problem};
use crate::session::Session;

/// The time that a form may take to arrive. None of its fields is long.
const SLOWEST: Duration = Duration::from_secs(10);

/// The fields of a form.
pub(super) struct Form<T>(pub(super) T);

/// A form that is only a button.
#[derive(Debug, Deserialize)]
pub(super) struct Button {}

/// The field by which a form is known to be of a session.
#[derive(Deserialize)]
struct Token {
    csrf: String,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut head, body) = request.into_parts();
        if !is_form(&head.headers) {
            return Err(Problem::no_form());
        }
        if content_length(&head.headers) > Some(FORM_BYTES as u64) {
            return Err(Problem::form_too_large());
        }
        let session = Session::from_request_parts(&mut head, state).await?;
        let body = Request::from_parts(head.clone(), body);
        let body = timeout(SLOWEST, Bytes::from_request(body, state)).await;
        let body = body.map_err(|slow| Problem::too_slow().caused_by(slow))??;
        // A name or value that is no UTF-8 would be stored as something else.
        if percent_decode(&body).decode_utf8().is_err() {
            return Err(Problem::garbled());
        }
        let fields = || Request::from_parts(head.clone(), body.clone().into());
        match axum::Form::<Token>::from_request(fields(), state).await {
            Ok(axum::Form(Token { csrf })) if session.is_of_form(&csrf) => {}
            _ => return Err(Problem::without_session()),
        }
        let axum::Form(form) = axum::Form::<T>::from_request(fields(), state).await?;
        Ok(Self(form))
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| {
        essence
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

/// The length that a body is said to have: what is too long need not come.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::form_too_large(),
            _ if stopped_coming(&rejection) => Self::too_slow(),
            _ => Self::broken_off(),
        }
        .caused_by(rejection)
    }
}

impl From<FormRejection> for Problem {
    fn from(rejection: FormRejection) -> Self {
        Self::incomplete().caused_by(rejection)
    }
}

/// A box that is ticked sends `on`; one that is not sends nothing.
pub(super) fn ticked<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    String::deserialize(deserializer).map(|value| value == "on")
}

/// What was typed in a field of several lines: browsers send CRLF.
pub(super) fn lines<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| text.replace("\r\n", "\n"))
}
