//! The link that somebody has: the header `Share-Link`. It is a header, and not
//! part of a path, so that it is in no log.

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use platform::error::ApiError;
use platform::error::kinds::MALFORMED;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Object, Required, Type};

use super::shares::no_such_link;

const NAME: HeaderName = HeaderName::from_static("share-link");

/// A link. Nobody has looked at it yet.
pub(super) struct ShareLink(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for ShareLink {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all(NAME).iter();
        let value = values
            .next()
            .filter(|_| values.next().is_none())
            .ok_or_else(|| ApiError::new(MALFORMED, "there is not exactly one Share-Link"))?;
        // Whatever is no text is no link that was made here.
        let link = value.to_str().map_err(|_| no_such_link())?;
        Ok(Self(link.to_owned()))
    }
}

impl IntoParams for ShareLink {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name("Share-Link")
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some("The link, as it was made."))
            .schema(Some(Object::with_type(Type::String)));
        vec![parameter.build()]
    }
}
