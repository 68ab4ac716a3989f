//! Creates that may be repeated: the id of what is made follows from the
//! `Idempotency-Key`, so that the second attempt finds what the first one made.
//! Nothing else has to be remembered.

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use platform::error::ApiError;
use platform::error::kinds::MALFORMED;
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use uuid::{Uuid, uuid};

use super::problems::IDEMPOTENCY_KEY_REUSED;
use super::texts;
use crate::todos::Fingerprint;

const NAME: HeaderName = HeaderName::from_static("idempotency-key");

const LONGEST: usize = 64;

const PATTERN: &str = "^[A-Za-z0-9_-]{1,64}$";

/// Ids that follow from keys are UUIDs of version 5 within this one.
const NAMESPACE: Uuid = uuid!("5d0e5a0b-94c4-4bd0-9f0b-2a3f3c6f8a11");

/// By what a create may be repeated; `None` when it may not.
pub(super) struct IdempotencyKey(Option<String>);

impl IdempotencyKey {
    /// The id of what the request makes at this path, and what the request says,
    /// in short.
    pub(super) fn identify(&self, path: &str, request: &impl Serialize) -> (Uuid, Fingerprint) {
        let Some(key) = &self.0 else {
            return (Uuid::new_v4(), None);
        };
        // No key has a slash.
        let id = Uuid::new_v5(&NAMESPACE, format!("{path}/{key}").as_bytes());
        let said = serde_json::to_vec(request).expect("what came as JSON is JSON");
        (id, Some(Uuid::new_v5(&id, &said)))
    }
}

/// What is there already was made by this request; or its key was used for
/// another one.
pub(super) fn check(made_by: Fingerprint, request: Fingerprint) -> Result<(), ApiError> {
    if made_by == request {
        return Ok(());
    }
    Err(ApiError::new(
        IDEMPOTENCY_KEY_REUSED,
        "the Idempotency-Key belongs to another request",
    ))
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all(NAME).iter();
        let Some(value) = values.next() else {
            return Ok(Self(None));
        };
        let sound = (1..=LONGEST).contains(&value.len())
            && value
                .as_bytes()
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(b));
        match value.to_str() {
            Ok(key) if sound && values.next().is_none() => Ok(Self(Some(key.to_owned()))),
            _ => Err(ApiError::new(
                MALFORMED,
                "an Idempotency-Key is 1 to 64 letters, digits, _ and -",
            )),
        }
    }
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("The same request under the same key makes one thing."))
            .schema(Some(texts::matching(PATTERN)));
        vec![parameter.build()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_key_at_the_same_path_is_the_same_thing() {
        let key = IdempotencyKey(Some("k1".to_owned()));
        let (id, fingerprint) = key.identify("lists/inbox/todos", &json!({ "title": "a" }));

        let (again, same) = key.identify("lists/inbox/todos", &json!({ "title": "a" }));
        assert_eq!((again, same), (id, fingerprint));
        let (again, other) = key.identify("lists/inbox/todos", &json!({ "title": "b" }));
        assert_eq!(again, id);
        assert_ne!(other, fingerprint);
        let (elsewhere, _) = key.identify("lists/other/todos", &json!({ "title": "a" }));
        assert_ne!(elsewhere, id);
    }

    #[test]
    fn without_a_key_every_request_is_one_of_its_own() {
        let none = IdempotencyKey(None);

        let (one, fingerprint) = none.identify("lists", &json!({}));
        let (two, _) = none.identify("lists", &json!({}));

        assert_ne!(one, two);
        assert_eq!(fingerprint, None);
    }

    #[test]
    fn a_key_that_was_used_for_something_else_is_refused() {
        let one = Some(Uuid::from_u128(1));

        assert!(check(one, one).is_ok());
        let refused = check(one, Some(Uuid::from_u128(2))).expect_err("another request");
        assert_eq!(refused.kind(), IDEMPOTENCY_KEY_REUSED);
        assert!(check(None, one).is_err());
    }
}
