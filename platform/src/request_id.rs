//! The id of a request: taken from `x-request-id` or made up
//! (`telemetry/http.rs`), in every event that the request causes, in its answer,
//! and in the calls that it causes ([`RequestId::current`]).

use std::future::Future;

use http::{HeaderName, HeaderValue};
use uuid::Uuid;

/// The header that carries the id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// More than any id needs.
const LONGEST: usize = 128;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The id of a request: letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// An id of our own.
    pub fn fresh() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// An id that somebody sent. `None` when it is not one: it goes into logs
    /// and headers.
    pub fn parse(text: &str) -> Option<Self> {
        let sound = (1..=LONGEST).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        sound.then(|| Self(text.to_owned()))
    }

    /// The id of the request that is being answered.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as the value of a header.
    #[expect(
        clippy::missing_panics_doc,
        reason = "an id is checked when it is made"
    )]
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("an id has only characters of a header")
    }

    /// What the work says with this id as the current one.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_id_is_refused() {
        assert_eq!(RequestId::parse(&"a".repeat(129)), None);
    }
}
