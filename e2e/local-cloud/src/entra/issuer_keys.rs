//! The keys of external token issuers, by way of what they publish: discovery
//! document, then key set, as OpenID Connect Discovery says. Nothing else about
//! an issuer is ever taken from a token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::error::AadError;
use super::issuers::Issuers;
use crate::clock::Clock;
use crate::keys::Jwk;
use crate::unique_map::UniqueMap;

/// How long fetched keys are used. Entra's own time is not documented; keys of a
/// new issuer were seen to take up to half an hour.
const CACHED_FOR: Duration = Duration::hours(1);

/// An unknown key id makes the keys be fetched again, but not more often; and an
/// issuer that failed is left alone for this long.
const REFETCH_AFTER: Duration = Duration::seconds(5);

/// Entra ID stores the first 100 keys of an issuer (Microsoft Learn, *Workload
/// identity federation*).
const MAX_KEYS: usize = 100;

/// What an issuer may answer at the most, in bytes. Ours, as Azure's is unknown.
const MAX_DOCUMENT: usize = 256 * 1024;

/// Of how many issuers anything is kept. Ours.
const MAX_ISSUERS: usize = 1000;

/// Fetches and keeps the keys of issuers.
pub(crate) struct IssuerKeys {
    issuers: Issuers,
    clock: Clock,
    // Held for a lookup only. Each issuer's own lock is held while it is asked, so
    // that many tokens of one issuer cause one request, and a slow issuer holds up
    // nobody else's.
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Known>>>>,
}

/// What is known of one issuer.
#[derive(Default)]
struct Known {
    keys: Option<(Vec<Published>, OffsetDateTime)>,
    failed: Option<(AadError, OffsetDateTime)>,
}

/// A key that an issuer publishes; without a value if it is not for RS256, or weak.
struct Published {
    kid: String,
    key: Option<Jwk>,
}

impl IssuerKeys {
    /// Asks issuers by the ways of `issuers`.
    pub(crate) fn new(issuers: Issuers, clock: Clock) -> Self {
        Self {
            issuers,
            clock,
            known: Mutex::default(),
        }
    }

    /// The published key of this id, from the cache or fetched now.
    pub(crate) async fn find(&self, issuer: &str, kid: &str) -> Result<Jwk, AadError> {
        let known = self.known(issuer);
        let mut known = known.lock().await;
        let now = self.clock.now();
        let unknown = || AadError::unknown_key(kid, issuer);

        let fresh = match &known.keys {
            Some((keys, at)) if now - *at < CACHED_FOR => {
                if let Some(found) = of_id(keys, kid) {
                    return found;
                }
                if now - *at < REFETCH_AFTER {
                    return Err(unknown());
                }
                true
            }
            _ => false,
        };
        if let Some((error, at)) = &known.failed
            && now - *at < REFETCH_AFTER
        {
            return Err(if fresh { unknown() } else { error.clone() });
        }
        match self.fetch(issuer).await {
            Ok(keys) => {
                let found = of_id(&keys, kid);
                *known = Known {
                    keys: Some((keys, now)),
                    failed: None,
                };
                found.unwrap_or_else(|| Err(unknown()))
            }
            Err(error) => {
                known.failed = Some((error.clone(), now));
                Err(if fresh { unknown() } else { error })
            }
        }
    }

    /// Forgets what an issuer published, as when it is declared anew.
    pub(crate) fn forget(&self, issuer: &str) {
        let mut known = self
            .known
            .lock()
            .expect("no one panics while holding the issuers");
        known.remove(issuer);
    }

    /// Of how many issuers something is kept.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        let known = self.known.lock();
        known
            .expect("no one panics while holding the issuers")
            .len()
    }

    fn known(&self, issuer: &str) -> Arc<tokio::sync::Mutex<Known>> {
        let mut known = self
            .known
            .lock()
            .expect("no one panics while holding the issuers");
        if let Some(one) = known.get(issuer) {
            return Arc::clone(one);
        }
        if known.len() >= MAX_ISSUERS {
            known.clear();
        }
        Arc::clone(known.entry(issuer.to_owned()).or_default())
    }

    async fn fetch(&self, issuer: &str) -> Result<Vec<Published>, AadError> {
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let url = format!("{base}/.well-known/openid-configuration");
        let discovery = self.document(issuer, &url).await?;
        let discovery = serde_json::from_slice::<UniqueMap<Value>>(&discovery)
            .map_err(|_| AadError::unusable_metadata())?;
        let field = |name: &str| {
            let value = discovery.0.get(name).and_then(Value::as_str);
            value.ok_or_else(|| AadError::missing_metadata(name))
        };
        let published = field("issuer")?;
        if published != issuer {
            return Err(AadError::metadata_issuer_mismatch(issuer, published));
        }
        let keys = self.document(issuer, field("jwks_uri")?).await?;
        key_set(&keys).ok_or_else(AadError::unusable_keys)
    }

    async fn document(&self, issuer: &str, url: &str) -> Result<Vec<u8>, AadError> {
        let route = self.issuers.route(issuer).map_err(|error| {
            tracing::warn!(error, issuer, "an issuer cannot be asked");
            AadError::issuer_not_asked()
        })?;
        let request = route.get(url).ok_or_else(AadError::issuer_not_asked)?;
        let unreachable = |error: reqwest::Error| {
            let why = chain(&error);
            tracing::warn!(why, url, "an issuer does not answer");
            AadError::issuer_unreachable()
        };
        let mut response = request.send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            tracing::warn!(status = %response.status(), url, "an issuer does not answer");
            return Err(AadError::issuer_unreachable());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_DOCUMENT {
                return Err(AadError::issuer_not_asked());
            }
        }
        Ok(body)
    }
}

/// An error with all that caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// The keys of a key set that have an id. What is no such key, as an encryption
/// key or one of another type may be, is no reason to refuse the others.
fn key_set(document: &[u8]) -> Option<Vec<Published>> {
    let set = serde_json::from_slice::<UniqueMap<Value>>(document).ok()?;
    let keys = set.0.get("keys")?.as_array()?;
    let mut published = Vec::new();
    for key in keys.iter().take(MAX_KEYS) {
        let Some(kid) = key.as_object()?.get("kid").and_then(Value::as_str) else {
            continue;
        };
        let usable = serde_json::from_value::<Jwk>(key.clone()).ok();
        published.push(Published {
            kid: kid.to_owned(),
            key: usable.filter(Jwk::is_for_rs256),
        });
    }
    Some(published)
}

/// The key of this id, if it is published; an error if it is of no use. Two keys
/// of one id are of none: which of them is meant would be a guess.
fn of_id(keys: &[Published], kid: &str) -> Option<Result<Jwk, AadError>> {
    let mut keys = keys.iter().filter(|key| key.kid == kid);
    let key = keys.next()?;
    if keys.next().is_some() {
        return Some(Err(AadError::unusable_keys()));
    }
    Some(key.key.clone().ok_or_else(AadError::wrong_algorithm))
}

#[cfg(test)]
mod tests;
