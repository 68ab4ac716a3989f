//! Who calls: a pod of the same cluster, by its projected service-account token.
//!
//! The token is checked with the keys that the cluster's issuer publishes, for
//! exactly one issuer, one audience and one subject. No secret is shared and no
//! app registration is needed: this hop is Kubernetes' trust, not Azure's.
//!
//! Kubernetes: *Service account issuer discovery*; OIDC Discovery 1.0;
//! RFC 8725 (JSON Web Token Best Current Practices).

mod keys;
mod token;
mod verified;

use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use http::{HeaderMap, header};
use serde::{Deserialize, Deserializer};
use time::{Duration, OffsetDateTime};
use tokio::time::Instant;

use crate::error::{ApiError, kinds};
use crate::settings::{Reader, Value};

pub use keys::KeysError;
use keys::{Documents, Keys, Web};
use token::{TokenError, Unverified};
use verified::Verified;

/// How far the clocks of two machines may be apart.
const SKEW: Duration = Duration::seconds(30);

/// The one caller of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerRules {
    /// `CLUSTER_ISSUER`: the issuer of the cluster's tokens, byte for byte.
    pub issuer: String,
    /// `CALLER_AUDIENCE`: the audience of tokens for this service.
    pub audience: String,
    /// `CALLER_SUBJECT`: the caller's service account, as
    /// `system:serviceaccount:<namespace>:<name>`.
    pub subject: String,
}

impl CallerRules {
    /// Reads the variables.
    pub fn read(reader: &mut Reader) -> Value<Self> {
        let issuer = reader.issuer("CLUSTER_ISSUER", "the issuer of the cluster's tokens");
        let audience = reader.required("CALLER_AUDIENCE", "audience of tokens for this service");
        let subject = reader.parsed(
            "CALLER_SUBJECT",
            "the caller, system:serviceaccount:<namespace>:<name>",
            service_account,
        );
        reader.group(|| Self {
            issuer: issuer.get(),
            audience: audience.get(),
            subject: subject.get(),
        })
    }
}

fn service_account(text: &str) -> Result<String, String> {
    let mut parts = text.split(':');
    let sound = parts.next() == Some("system")
        && parts.next() == Some("serviceaccount")
        && parts.next().is_some_and(|namespace| !namespace.is_empty())
        && parts.next().is_some_and(|name| !name.is_empty())
        && parts.next().is_none();
    if sound {
        Ok(text.to_owned())
    } else {
        Err("is not a service account, system:serviceaccount:<namespace>:<name>".to_owned())
    }
}

/// A pod that has proved who it is. Made by [`CallerVerifier`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    subject: Arc<str>,
    pod: Option<Arc<str>>,
}

impl Caller {
    /// The service account: `system:serviceaccount:<namespace>:<name>`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The pod that the token is bound to, if it is bound to one.
    pub fn pod(&self) -> Option<&str> {
        self.pod.as_deref()
    }
}

/// Why a call is refused. None of it quotes the token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallerRefusal {
    /// There is no `Authorization: Bearer` header.
    #[error("there is no bearer token")]
    Missing,
    /// What is there is not a JSON Web Token with the claims that are needed.
    #[error("the bearer token is malformed: {0}")]
    Malformed(&'static str),
    /// The token is signed in another way than with RS256, or not at all.
    #[error("the token's algorithm is {0:?} and not RS256")]
    Algorithm(String),
    /// The issuer is not the cluster's.
    #[error("the token's issuer is {0:?} and not this cluster's")]
    Issuer(String),
    /// The issuer publishes no such key.
    #[error("the token's key is not one that the issuer publishes")]
    UnknownKey,
    /// The issuer did not sign this.
    #[error("the token's signature does not fit")]
    Signature,
    /// The token's time is over.
    #[error("the token has expired at {0}")]
    Expired(OffsetDateTime),
    /// The token's time has not begun.
    #[error("the token is not valid before {0}")]
    NotYetValid(OffsetDateTime),
    /// The token is for somebody else.
    #[error("the token's audience is {0:?} and not this service's")]
    Audience(Vec<String>),
    /// The token is sound and its bearer is not the one that may call.
    #[error("{0:?} may not call this service")]
    Subject(String),
    /// The issuer's keys could not be had.
    #[error("the keys of the cluster's issuer are not to be had")]
    KeysUnavailable(#[source] Arc<KeysError>),
}

impl From<TokenError> for CallerRefusal {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Malformed(why) => Self::Malformed(why),
            TokenError::Algorithm(algorithm) => Self::Algorithm(algorithm),
            TokenError::Signature => Self::Signature,
        }
    }
}

impl From<CallerRefusal> for ApiError {
    /// 401 for who are you, 403 for not you, 503 when we cannot tell.
    fn from(refusal: CallerRefusal) -> Self {
        match refusal {
            CallerRefusal::Subject(_) => Self::new(kinds::CALLER_FORBIDDEN, refusal.to_string()),
            CallerRefusal::KeysUnavailable(error) => {
                Self::unavailable("the cluster's token issuer", error)
            }
            _ => Self::new(kinds::CALLER_UNAUTHENTICATED, refusal.to_string()),
        }
    }
}

/// Checks the tokens of callers. A cheap handle; clones share the keys.
///
/// As the state of a router it makes [`Caller`] an extractor.
#[derive(Clone)]
pub struct CallerVerifier(Arc<Inner>);

struct Inner {
    rules: CallerRules,
    keys: Keys,
    verified: Verified,
}

impl CallerVerifier {
    /// A verifier that fetches the issuer's keys when it first needs them.
    pub fn new(rules: CallerRules) -> Self {
        Self::with_documents(rules, Arc::new(Web::new()))
    }

    fn with_documents(rules: CallerRules, documents: Arc<dyn Documents>) -> Self {
        let keys = Keys::new(rules.issuer.clone(), documents);
        Self(Arc::new(Inner {
            rules,
            keys,
            verified: Verified::default(),
        }))
    }

    /// Fetches the issuer's keys, so that a pod can wait for them before it is
    /// ready.
    pub async fn warm_up(&self) -> Result<(), Arc<KeysError>> {
        self.0.keys.warm_up().await
    }

    /// Checks the bearer token of a request.
    pub async fn verify(&self, headers: &HeaderMap) -> Result<Caller, CallerRefusal> {
        self.verify_token(bearer(headers)?, OffsetDateTime::now_utc())
            .await
    }

    async fn verify_token(
        &self,
        token: &str,
        now: OffsetDateTime,
    ) -> Result<Caller, CallerRefusal> {
        let Inner {
            rules,
            keys,
            verified,
        } = &*self.0;
        if let Some(keys_of) = keys.fresh_since()
            && let Some(caller) = verified.find(token, keys_of, now)
        {
            return Ok(caller);
        }
        let (claims, keys_of) = self.claims(token).await?;
        let (caller, expires) = claims.judge(rules, now)?;
        verified.remember(token, &caller, expires, (keys_of, now));
        Ok(caller)
    }

    /// What the token says, once the issuer's signature was checked; and when the
    /// keys were fetched that it was checked with.
    async fn claims(&self, token: &str) -> Result<(Claims, Instant), CallerRefusal> {
        let Inner { rules, keys, .. } = &*self.0;
        // Before the signature, only to refuse: nothing is believed yet.
        let token = Unverified::read(token)?;
        if token.issuer() != rules.issuer {
            return Err(CallerRefusal::Issuer(token.issuer().to_owned()));
        }
        let (key, keys_of) = keys.find(token.kid()).await?;
        let claims = token.verify(&key)?;
        Ok((claims, keys_of))
    }
}

impl fmt::Debug for CallerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerVerifier")
            .field("rules", &self.0.rules)
            .finish_non_exhaustive()
    }
}

impl<S> FromRequestParts<S> for Caller
where
    CallerVerifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let verifier = CallerVerifier::from_ref(state);
        Ok(verifier.verify(&parts.headers).await?)
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, CallerRefusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(CallerRefusal::Missing)?;
    if values.next().is_some() {
        return Err(CallerRefusal::Malformed("there are several"));
    }
    let text = value
        .to_str()
        .map_err(|_| CallerRefusal::Malformed("it is not text"))?;
    let (scheme, token) = text.split_once(' ').ok_or(CallerRefusal::Missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(CallerRefusal::Missing);
    }
    Ok(token.trim())
}

#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    aud: Audiences,
    exp: i64,
    #[serde(default, deserialize_with = "whole")]
    nbf: Option<i64>,
    #[serde(default, deserialize_with = "whole")]
    iat: Option<i64>,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Option<Kubernetes>,
}

/// A time that may be missing, and may not be anything but a whole number.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    i64::deserialize(deserializer).map(Some)
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct Kubernetes {
    pod: Option<Named>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

impl Claims {
    fn judge(
        self,
        rules: &CallerRules,
        now: OffsetDateTime,
    ) -> Result<(Caller, OffsetDateTime), CallerRefusal> {
        let instant = |seconds| {
            OffsetDateTime::from_unix_timestamp(seconds)
                .map_err(|_| CallerRefusal::Malformed("a time is out of range"))
        };
        let expires = instant(self.exp)?;
        if now >= expires + SKEW {
            return Err(CallerRefusal::Expired(expires));
        }
        for begins in [self.nbf, self.iat].into_iter().flatten() {
            let begins = instant(begins)?;
            if now + SKEW < begins {
                return Err(CallerRefusal::NotYetValid(begins));
            }
        }
        let audiences = match self.aud {
            Audiences::One(audience) => vec![audience],
            Audiences::Many(audiences) => audiences,
        };
        // A token for several services could be passed on by each of them.
        if audiences != [rules.audience.as_str()] {
            return Err(CallerRefusal::Audience(audiences));
        }
        if self.sub != rules.subject {
            return Err(CallerRefusal::Subject(self.sub));
        }
        let pod = self.kubernetes.and_then(|k| k.pod);
        let caller = Caller {
            subject: self.sub.into(),
            pod: pod.map(|pod| pod.name.into()),
        };
        Ok((caller, expires))
    }
}

#[cfg(test)]
mod tests;
