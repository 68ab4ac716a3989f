//! The JSON of a request's body: of the right media type, not too long, in time,
//! and nothing in it that the operation does not know.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use platform::error::ApiError;
use platform::error::kinds::{
    BODY_TOO_LARGE, BODY_TOO_SLOW, INVALID, MALFORMED, UNSUPPORTED_MEDIA_TYPE,
};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use tokio::time::timeout;

use super::{LONGEST_BODY, SLOWEST_BODY};
use crate::todos::Invalid;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// What axum says before it says what is wrong.
const PREAMBLE: &str = "Failed to deserialize the JSON body into the target type: ";

/// A body of `application/json`.
pub(super) struct Body<T>(pub(super) T);

/// A JSON merge patch (RFC 7396), under its own media type or that of any JSON.
pub(super) struct Patch<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        read(request, state, &[JSON]).await.map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Patch<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        read(request, state, &[MERGE_PATCH, JSON]).await.map(Self)
    }
}

async fn read<T: DeserializeOwned, S: Send + Sync>(
    request: Request,
    state: &S,
    accepted: &[&str],
) -> Result<T, ApiError> {
    let media_type = media_type(request.headers());
    if !accepted.iter().any(|a| media_type.eq_ignore_ascii_case(a)) {
        let accepted = accepted.join(" or ");
        return Err(ApiError::new(
            UNSUPPORTED_MEDIA_TYPE,
            format!("the body has to be {accepted}"),
        ));
    }
    if announced(request.headers()) > Some(LONGEST_BODY) {
        return Err(too_large());
    }
    let bytes = timeout(SLOWEST_BODY, Bytes::from_request(request, state)).await;
    let bytes = bytes
        .map_err(|_| {
            let seconds = SLOWEST_BODY.as_secs();
            ApiError::new(
                BODY_TOO_SLOW,
                format!("the body did not arrive within {seconds} s"),
            )
        })?
        .map_err(|rejection| not_read(&rejection))?;
    let Json(body) = Json::from_bytes(&bytes).map_err(|rejection| not_understood(&rejection))?;
    // Serde would also take the members one after the other, without their names.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::new(INVALID, "the body is not a JSON object"));
    }
    Ok(body)
}

/// The media type of the body without its parameters.
fn media_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
}

/// The length that the body is said to have: what is too long need not come.
fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn not_read(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    ApiError::new(MALFORMED, "the body cannot be read")
}

/// The rest of it is not read, so that nothing more can be asked on its connection.
fn too_large() -> ApiError {
    ApiError::new(
        BODY_TOO_LARGE,
        format!("the body is longer than {LONGEST_BODY} bytes"),
    )
    .header(CONNECTION, HeaderValue::from_static("close"))
}

fn not_understood(rejection: &JsonRejection) -> ApiError {
    let text = rejection.body_text();
    match rejection {
        JsonRejection::JsonDataError(_) => {
            ApiError::new(INVALID, text.strip_prefix(PREAMBLE).unwrap_or(&text))
        }
        _ => ApiError::new(MALFORMED, "the body is not JSON"),
    }
}

/// A member of a merge patch: `null` is not the same as no member.
#[derive(Debug, Clone, Default)]
pub(super) enum Sent<T> {
    /// It is not there.
    #[default]
    Absent,
    /// It is `null`: what the member names is to be taken away.
    Null,
    /// It has this value.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sent<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::deserialize(deserializer)?;
        Ok(value.map_or(Self::Null, Self::Value))
    }
}

impl<T> Sent<T> {
    /// The value of what cannot be taken away.
    pub(super) fn or_refuse_null(self, member: &'static str) -> Result<Option<T>, ApiError> {
        match self {
            Self::Absent => Ok(None),
            Self::Null => Err(ApiError::invalid(
                member,
                format!("{member} cannot be null"),
            )),
            Self::Value(value) => Ok(Some(value)),
        }
    }
}

/// For `map_err`: the member has a value that makes no sense.
pub(super) fn invalid(member: &'static str) -> impl FnOnce(Invalid) -> ApiError {
    move |why| ApiError::invalid(member, why.to_string())
}
