//! Tokens that this workload signs for itself, such as sessions and links, with
//! the versioned keys of one secret in Key Vault.
//!
//! A token names the version of the secret that signed it. Verification takes
//! exactly that version, so a new version breaks nothing, and disabling one
//! withdraws what it signed, within the time for which Key Vault's answers are
//! kept (`KEY_CACHE_SECONDS`). No pod is restarted for either.
//!
//! The tokens are JSON Web Tokens (RFC 7519) under HS256 and nothing else, made
//! for one purpose (`aud`) and one time (`exp`); RFC 8725 says what to refuse.

mod keys;
mod vault;
mod versions;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::azure::Clients;

pub use keys::KeysError;
use keys::{Keys, Lookup};
use vault::Vault;
use versions::VersionId;

/// More than any token has that is signed here, and as much as a browser keeps
/// of a cookie.
const LONGEST_TOKEN_BYTES: usize = 4096;

/// Why a token is not good, or none can be signed. None of it quotes a token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SigningError {
    /// Nothing like it was ever signed for this purpose.
    #[error("the token was not signed here")]
    Forged,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// The version of the key that signed it was disabled since.
    #[error("the key that signed the token was withdrawn")]
    Withdrawn,
    /// It cannot be told, or signed, without a key.
    #[error("the signing keys are not to be had")]
    Unavailable(#[source] Arc<KeysError>),
}

impl From<Arc<KeysError>> for SigningError {
    fn from(error: Arc<KeysError>) -> Self {
        Self::Unavailable(error)
    }
}

/// Keys of one secret in Key Vault, all its versions. A cheap handle; clones
/// share the keys.
#[derive(Clone)]
pub struct SigningKeys {
    keys: Arc<Keys>,
    purpose: &'static str,
}

/// What a token says. The claims have a place of their own, so that they cannot
/// stand for the others.
#[derive(Serialize, Deserialize)]
struct Token<T> {
    aud: String,
    exp: i64,
    claims: T,
}

impl SigningKeys {
    /// Keys that are fetched when they are first needed. The purpose is bound
    /// into each token: a token for another purpose is forged.
    pub fn new(clients: Clients, secret: String, purpose: &'static str) -> Self {
        let cached = clients.estate().vault.key_cache;
        Self::with_vault(Box::new(clients), secret, cached, purpose)
    }

    fn with_vault(
        vault: Box<dyn Vault>,
        secret: String,
        cached: Duration,
        purpose: &'static str,
    ) -> Self {
        Self {
            keys: Keys::new(secret, cached, vault),
            purpose,
        }
    }

    /// Fetches the key to sign with, so that a pod can wait for it before it is
    /// ready.
    pub async fn warm_up(&self) -> Result<(), SigningError> {
        self.keys.to_sign(OffsetDateTime::now_utc()).await?;
        Ok(())
    }

    /// Signs the claims, good until then.
    ///
    /// # Panics
    ///
    /// When the claims cannot be written as JSON.
    pub async fn sign<T: Serialize>(
        &self,
        claims: &T,
        expires_at: OffsetDateTime,
    ) -> Result<String, SigningError> {
        self.sign_at(claims, expires_at, OffsetDateTime::now_utc())
            .await
    }

    /// The claims of a token that was signed here, for this purpose, whose time
    /// is not over and whose key is still enabled.
    pub async fn verify<T: DeserializeOwned>(&self, token: &str) -> Result<T, SigningError> {
        self.verify_at(token, OffsetDateTime::now_utc()).await
    }

    async fn sign_at<T: Serialize>(
        &self,
        claims: &T,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<String, SigningError> {
        let (version, key) = self.keys.to_sign(now).await?;
        let header = Header {
            kid: Some(version.as_str().to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        let token = Token {
            aud: self.purpose.to_owned(),
            exp: expires_at.unix_timestamp(),
            claims,
        };
        Ok(jsonwebtoken::encode(&header, &token, &key.encoding)
            .expect("claims can be written as JSON, and the key is one for HS256"))
    }

    async fn verify_at<T: DeserializeOwned>(
        &self,
        token: &str,
        now: OffsetDateTime,
    ) -> Result<T, SigningError> {
        let version = named_version(token).ok_or(SigningError::Forged)?;
        let key = match self.keys.to_verify(&version).await? {
            Lookup::Key(key) => key,
            Lookup::Disabled => return Err(SigningError::Withdrawn),
            Lookup::Unknown => return Err(SigningError::Forged),
        };
        let token = jsonwebtoken::decode::<Token<T>>(token, &key.decoding, &signature_only())
            .map_err(|_| SigningError::Forged)?
            .claims;
        if token.aud != self.purpose {
            return Err(SigningError::Forged);
        }
        if now.unix_timestamp() >= token.exp {
            return Err(SigningError::Expired);
        }
        Ok(token.claims)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys")
            .field("keys", &self.keys)
            .field("purpose", &self.purpose)
            .finish()
    }
}

/// The version that a token names, before anything else of it is believed.
fn named_version(token: &str) -> Option<VersionId> {
    if token.len() > LONGEST_TOKEN_BYTES {
        return None;
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    if header.alg != Algorithm::HS256 {
        return None;
    }
    VersionId::parse(&header.kid?)
}

/// The signature under HS256. Purpose and time are judged here, so that each has
/// its own answer.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

#[cfg(test)]
mod tests;
