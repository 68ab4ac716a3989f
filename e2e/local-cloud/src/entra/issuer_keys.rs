//! The keys of external token issuers, by way of what they publish: discovery
//! document, then key set, as OpenID Connect Discovery says. Nothing else about
//! an issuer is ever taken from a token.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::error::AadError;
use crate::clock::Clock;
use crate::keys::Jwk;

/// How long fetched keys are used. Entra's own time is not documented; keys of a
/// new issuer were seen to take up to half an hour.
const CACHED_FOR: time::Duration = time::Duration::hours(1);

/// An unknown key id makes the keys be fetched again, but not more often.
const REFETCH_AFTER: time::Duration = time::Duration::seconds(5);

/// Entra ID stores the first 100 keys of an issuer (Microsoft Learn, *Workload
/// identity federation*).
const MAX_KEYS: usize = 100;

/// What an issuer may answer at the most, in bytes.
const MAX_DOCUMENT: usize = 256 * 1024;

/// Fetches and keeps the keys of issuers.
pub(crate) struct IssuerKeys {
    client: reqwest::Client,
    clock: Clock,
    cached: Mutex<HashMap<String, Cached>>,
}

struct Cached {
    keys: Vec<Jwk>,
    fetched_at: OffsetDateTime,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

impl IssuerKeys {
    /// Uses a client that trusts what issuers have to be trusted by, follows no
    /// redirects, and speaks https only.
    pub(crate) fn new(client: reqwest::Client, clock: Clock) -> Self {
        Self {
            client,
            clock,
            cached: Mutex::default(),
        }
    }

    /// The published key of this id, from the cache or fetched now.
    ///
    /// The lock is held while fetching, so that many tokens of one issuer cause
    /// one request.
    pub(crate) async fn find(&self, issuer: &str, kid: &str) -> Result<Jwk, AadError> {
        let mut cached = self.cached.lock().await;
        let now = self.clock.now();
        if let Some(known) = cached.get(issuer) {
            let age = now - known.fetched_at;
            let key = known.keys.iter().find(|key| key.kid == kid);
            match key {
                Some(key) if age < CACHED_FOR => return Ok(key.clone()),
                None if age < REFETCH_AFTER => return Err(AadError::unknown_key(kid, issuer)),
                _ => {}
            }
        }
        let keys = self.fetch(issuer).await?;
        let key = keys.iter().find(|key| key.kid == kid).cloned();
        cached.insert(
            issuer.to_owned(),
            Cached {
                keys,
                fetched_at: now,
            },
        );
        key.ok_or_else(|| AadError::unknown_key(kid, issuer))
    }

    async fn fetch(&self, issuer: &str) -> Result<Vec<Jwk>, AadError> {
        let discovery = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let discovery: Discovery = self.document(&discovery).await?;
        if discovery.issuer != issuer {
            return Err(AadError::metadata_issuer_mismatch(
                issuer,
                &discovery.issuer,
            ));
        }
        let mut set: KeySet = self.document(&discovery.jwks_uri).await?;
        set.keys.truncate(MAX_KEYS);
        Ok(set.keys)
    }

    async fn document<T: DeserializeOwned>(&self, url: &str) -> Result<T, AadError> {
        let url = Url::parse(url).map_err(|_| AadError::unusable_metadata())?;
        if url.scheme() != "https" {
            return Err(AadError::unusable_metadata());
        }
        let unreachable = |error: reqwest::Error| {
            tracing::warn!(%error, %url, "an issuer does not answer");
            AadError::issuer_unreachable()
        };
        let request = self.client.get(url.clone()).timeout(Duration::from_secs(5));
        let mut response = request.send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            tracing::warn!(status = %response.status(), %url, "an issuer does not answer");
            return Err(AadError::issuer_unreachable());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_DOCUMENT {
                return Err(AadError::unusable_metadata());
            }
        }
        serde_json::from_slice(&body).map_err(|_| AadError::unusable_metadata())
    }
}

#[cfg(test)]
mod tests;
