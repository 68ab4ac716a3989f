//! Sessions: a signed cookie that holds all there is to a session, and nothing is
//! kept here. A session is what a form has to come from: the cookie and the
//! hidden field of the form carry the same random text, and no page of another
//! site can read either.
//!
//! A cookie whose key was withdrawn, or whose time is over, is no session: the
//! next page begins another. OWASP, *Cross-Site Request Forgery Prevention*;
//! RFC 6265bis for the cookie's name and attributes.

mod cookies;
mod layer;

use std::fmt;

use async_trait::async_trait;
use platform::signing::{SigningError, SigningKeys};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

pub(crate) use cookies::Cookies;
pub(crate) use layer::{Sessions, layer, layer_where_keys_are};

/// What the key is for, and for nothing else.
pub(crate) const PURPOSE: &str = "session";

/// A working day. A session that is used is renewed at half of it.
const LIFETIME: Duration = Duration::hours(12);

/// A session. The forms of its pages carry its token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    token: String,
    /// The second at which the cookie is due to be signed anew.
    renew_at: i64,
}

/// What signs and verifies the cookie.
#[async_trait]
pub(crate) trait Signature: Send + Sync {
    /// The session as a signed text that is good until then.
    async fn sign(&self, session: &Session, until: OffsetDateTime) -> Result<String, SigningError>;
    /// The session in a signed text.
    async fn verify(&self, signed: &str) -> Result<Session, SigningError>;
}

#[async_trait]
impl Signature for SigningKeys {
    /// Signs with the newest version of the key.
    // Identity frontend, Key Vault Secrets User on secret session-key.
    async fn sign(&self, session: &Session, until: OffsetDateTime) -> Result<String, SigningError> {
        Self::sign(self, session, until).await
    }

    /// Verifies with the version that signed it.
    // Identity frontend, Key Vault Secrets User on secret session-key.
    async fn verify(&self, signed: &str) -> Result<Session, SigningError> {
        Self::verify(self, signed).await
    }
}

impl Session {
    /// A session that begins now.
    pub(crate) fn begin(now: OffsetDateTime) -> Self {
        Self {
            token: Uuid::new_v4().simple().to_string(),
            renew_at: renewal(now),
        }
    }

    /// The same session, for another while: open pages stay good.
    fn renewed(self, now: OffsetDateTime) -> Self {
        Self {
            renew_at: renewal(now),
            ..self
        }
    }

    fn is_due(&self, now: OffsetDateTime) -> bool {
        self.renew_at <= now.unix_timestamp()
    }

    /// What the forms of this session's pages carry in the field `csrf`.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Whether a form is of this session. How long this takes says nothing about
    /// the token.
    pub(crate) fn is_of_form(&self, token: &str) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.token.as_bytes(), token.as_bytes())
            .is_ok()
    }
}

fn renewal(now: OffsetDateTime) -> i64 {
    let at: OffsetDateTime = now + LIFETIME / 2;
    at.unix_timestamp()
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_form_is_of_the_session_whose_token_it_carries() {
        let now = datetime!(2026-11-23 10:00 UTC);
        let (one, other) = (Session::begin(now), Session::begin(now));

        assert!(one.is_of_form(one.token()));
        for token in [
            other.token(),
            "",
            &one.token()[1..],
            &one.token().to_uppercase(),
        ] {
            assert!(!one.is_of_form(token), "{token}");
        }
    }

    #[test]
    fn a_session_that_is_renewed_keeps_its_token() {
        let now = datetime!(2026-11-23 10:00 UTC);
        let session = Session::begin(now);

        let renewed = session.clone().renewed(now + LIFETIME / 2);

        assert!(!session.is_due(now + LIFETIME / 2 - Duration::SECOND));
        assert!(session.is_due(now + LIFETIME / 2));
        assert!(!renewed.is_due(now + LIFETIME / 2));
        assert_eq!(renewed.token(), session.token());
    }

    #[test]
    fn a_session_is_not_shown() {
        let session = Session::begin(OffsetDateTime::UNIX_EPOCH);

        assert!(!format!("{session:?}").contains(session.token()));
    }
}
