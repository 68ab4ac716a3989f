//! The version that a change is made to: `If-Match` (RFC 9110, 13.1.1). A change
//! without it could undo what somebody else did (RFC 6585, 428).

use axum::extract::FromRequestParts;
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use platform::error::ApiError;
use platform::error::kinds::MALFORMED;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

use super::problems::PRECONDITION_REQUIRED;
use super::texts;

/// `*` or an `ETag`.
const PATTERN: &str = r#"^(\*|"[!#-~]*")$"#;

/// Which version a change may be made to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// Whatever there is: `*`.
    Any,
    /// This `ETag`.
    Version(String),
}

impl IfMatch {
    /// Whether it is the version that the caller knows.
    pub(super) fn holds_for(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Version(known) => known == etag,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        let tag = text.strip_prefix('"')?.strip_suffix('"')?;
        let sound = tag.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
        sound.then(|| Self::Version(text.to_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all(IF_MATCH).iter();
        let value = values
            .next()
            .ok_or_else(|| ApiError::new(PRECONDITION_REQUIRED, "there is no If-Match"))?;
        value
            .to_str()
            .ok()
            .and_then(Self::parse)
            .filter(|_| values.next().is_none())
            .ok_or_else(|| ApiError::new(MALFORMED, "If-Match is neither * nor one strong ETag"))
    }
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some(
                "The ETag of the version that the change is made to, or `*` for any.",
            ))
            .schema(Some(texts::matching(PATTERN)));
        vec![parameter.build()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_strong_etag_or_any_version() {
        let version = IfMatch::parse("\"7\"").expect("an ETag");

        assert!(version.holds_for("\"7\""));
        assert!(!version.holds_for("\"8\""));
        assert!(!version.holds_for("7"));
        assert!(IfMatch::parse("*").is_some_and(|any| any.holds_for("\"8\"")));
        for broken in ["", "7", "\"", "W/\"7\"", "\"7\", \"8\"", "\"a b\"", "**"] {
            assert_eq!(IfMatch::parse(broken), None, "{broken}");
        }
    }
}
