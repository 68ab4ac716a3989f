//! The keys of the cluster's issuer, through its discovery document, kept and
//! fetched again when a token names a key that is not known: that is how the
//! issuer rotates them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::CallerRefusal;
use crate::azure::pipeline;

/// The time between two fetches, so that tokens with invented keys cannot make
/// this pod hammer the issuer.
const BETWEEN_FETCHES: Duration = Duration::from_secs(10);

/// The same after a fetch that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// After this long the keys are fetched again, because the issuer may have taken
/// one back.
const FRESH: Duration = Duration::from_hours(1);

/// As long as the issuer is not to be reached, older keys do, up to this age.
const USABLE: Duration = Duration::from_hours(24);

/// More than any such document has.
const LONGEST_DOCUMENT: usize = 256 * 1024;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The document could not be fetched.
    #[error("cannot fetch {url}")]
    Fetch {
        /// Which.
        url: Url,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The answer was not 200.
    #[error("{url} answered {status}")]
    Status {
        /// Which.
        url: Url,
        /// The HTTP status.
        status: u16,
    },
    /// The document is too long.
    #[error("what {0} answered is too long")]
    TooLong(Url),
    /// The document cannot be read.
    #[error("what {url} answered cannot be read")]
    Document {
        /// Which.
        url: Url,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// An address cannot be read, or is not https.
    #[error("{0:?} is not an https URL")]
    NotHttps(String),
    /// The discovery document is another issuer's.
    #[error("the discovery document is of {found:?} and not of {expected:?}")]
    Issuer {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// The key set has no key that could sign tokens.
    #[error("{0} has no RSA key for signatures")]
    NoKeys(Url),
    /// The last fetch failed a moment ago.
    #[error("the last attempt failed a moment ago")]
    JustFailed(#[source] Arc<Self>),
}

/// Where documents come from: the web, or a test.
#[async_trait::async_trait]
pub(super) trait Documents: Send + Sync {
    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, KeysError>;
}

/// The web, within a few seconds.
pub(super) struct Web(reqwest::Client);

impl Web {
    pub(super) fn new() -> Self {
        Self(pipeline::http_client(&pipeline::REQUEST))
    }
}

#[async_trait::async_trait]
impl Documents for Web {
    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, KeysError> {
        let failed = |source| KeysError::Fetch {
            url: url.clone(),
            source,
        };
        let request = self.0.get(url.clone()).timeout(pipeline::REQUEST.in_total);
        let mut response = request.send().await.map_err(failed)?;
        if response.status() != http::StatusCode::OK {
            return Err(KeysError::Status {
                url: url.clone(),
                status: response.status().as_u16(),
            });
        }
        let mut document = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            document.extend_from_slice(&part);
            if document.len() > LONGEST_DOCUMENT {
                return Err(KeysError::TooLong(url.clone()));
            }
        }
        Ok(document)
    }
}

/// The issuer's keys.
pub(super) struct Keys {
    issuer: String,
    documents: Arc<dyn Documents>,
    /// The keys that were fetched last. Held for a line.
    ring: RwLock<Option<Arc<Ring>>>,
    /// The last fetch. Locked for as long as one lasts: one at a time.
    fetching: Mutex<LastFetch>,
}

struct Ring {
    keys: HashMap<String, DecodingKey>,
    fetched: Instant,
}

#[derive(Default)]
struct LastFetch {
    ended: Option<Instant>,
    failure: Option<Arc<KeysError>>,
}

impl Keys {
    pub(super) fn new(issuer: String, documents: Arc<dyn Documents>) -> Self {
        Self {
            issuer,
            documents,
            ring: RwLock::default(),
            fetching: Mutex::default(),
        }
    }

    /// The key of this id, and when it was fetched.
    pub(super) async fn find(&self, kid: &str) -> Result<(DecodingKey, Instant), CallerRefusal> {
        if let Some(key) = self.known(kid, FRESH) {
            return Ok(key);
        }
        let fetched = self.fetch_unless(|| self.known(kid, FRESH).is_some()).await;
        if let Some(key) = self.known(kid, USABLE) {
            return Ok(key);
        }
        match fetched {
            Ok(()) => Err(CallerRefusal::UnknownKey),
            Err(error) => Err(CallerRefusal::KeysUnavailable(error)),
        }
    }

    /// Fetches the keys if there are none.
    pub(super) async fn warm_up(&self) -> Result<(), Arc<KeysError>> {
        let known = || self.ring().is_some();
        if known() {
            return Ok(());
        }
        self.fetch_unless(known).await
    }

    /// When the keys were fetched; `None` when they are to be fetched again.
    pub(super) fn fresh_since(&self) -> Option<Instant> {
        let fetched = self.ring()?.fetched;
        (fetched.elapsed() < FRESH).then_some(fetched)
    }

    fn known(&self, kid: &str, age: Duration) -> Option<(DecodingKey, Instant)> {
        let ring = self.ring()?;
        let key = ring.keys.get(kid)?;
        (ring.fetched.elapsed() < age).then(|| (key.clone(), ring.fetched))
    }

    fn ring(&self) -> Option<Arc<Ring>> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.as_ref().map(Arc::clone)
    }

    /// Fetches the keys, unless somebody else has just done so or it is too soon.
    async fn fetch_unless(&self, enough: impl Fn() -> bool) -> Result<(), Arc<KeysError>> {
        let mut last = self.fetching.lock().await;
        if enough() {
            return Ok(());
        }
        if let Some(ended) = last.ended {
            match &last.failure {
                Some(failure) if ended.elapsed() < AFTER_FAILURE => {
                    return Err(Arc::new(KeysError::JustFailed(Arc::clone(failure))));
                }
                None if ended.elapsed() < BETWEEN_FETCHES => return Ok(()),
                _ => {}
            }
        }
        let fetched = self.fetch().await.map_err(Arc::new);
        *last = LastFetch {
            ended: Some(Instant::now()),
            failure: fetched.as_ref().err().map(Arc::clone),
        };
        let ring = fetched?;
        tracing::info!(issuer = %self.issuer, keys = ring.keys.len(), "issuer's keys fetched");
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(ring));
        Ok(())
    }

    async fn fetch(&self) -> Result<Ring, KeysError> {
        // OIDC Discovery 1.0, 4.1: a slash at the issuer's end goes.
        let base = self.issuer.strip_suffix('/').unwrap_or(&self.issuer);
        let discovery = https_url(&format!("{base}/.well-known/openid-configuration"))?;
        let configuration: Configuration = self.document(&discovery).await?;
        if configuration.issuer != self.issuer {
            return Err(KeysError::Issuer {
                found: configuration.issuer,
                expected: self.issuer.clone(),
            });
        }
        let jwks_uri = https_url(&configuration.jwks_uri)?;
        let set: KeySet = self.document(&jwks_uri).await?;
        let keys = by_id(set.keys);
        if keys.is_empty() {
            return Err(KeysError::NoKeys(jwks_uri));
        }
        Ok(Ring {
            keys,
            fetched: Instant::now(),
        })
    }

    async fn document<T: DeserializeOwned>(&self, url: &Url) -> Result<T, KeysError> {
        let document = self.documents.fetch(url).await?;
        serde_json::from_slice(&document).map_err(|source| KeysError::Document {
            url: url.clone(),
            source,
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.issuer)
    }
}

fn https_url(text: &str) -> Result<Url, KeysError> {
    Url::parse(text)
        .ok()
        .filter(|url| url.scheme() == "https")
        .ok_or_else(|| KeysError::NotHttps(text.to_owned()))
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

/// The usable keys. An id that stands for several says nothing, so none has it.
fn by_id(set: Vec<Jwk>) -> HashMap<String, DecodingKey> {
    let mut times: HashMap<String, usize> = HashMap::new();
    for kid in set.iter().filter_map(|key| key.kid.clone()) {
        *times.entry(kid).or_default() += 1;
    }
    let usable = set.into_iter().filter_map(Jwk::usable);
    usable.filter(|(kid, _)| times[kid] == 1).collect()
}

/// A key of the set (RFC 7517). Everything is optional, because a set may have
/// keys of other kinds too.
#[derive(Deserialize)]
struct Jwk {
    kid: Option<String>,
    kty: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Jwk {
    /// The key, if it can sign tokens with RS256.
    fn usable(self) -> Option<(String, DecodingKey)> {
        let fits = self.kty.as_deref() == Some("RSA")
            && self.r#use.is_none_or(|r#use| r#use == "sig")
            && self.alg.is_none_or(|alg| alg == "RS256");
        if !fits {
            return None;
        }
        let (n, e) = (self.n?, self.e?);
        if !strong(&n, &e) {
            return None;
        }
        let key = DecodingKey::from_rsa_components(&n, &e).ok()?;
        Some((self.kid?, key))
    }
}

/// Whether a key has a modulus of 2048 to 8192 bits and an exponent as it has to
/// be (RFC 8725, 3.5; FIPS 186-5, 5.4).
fn strong(n: &str, e: &str) -> bool {
    let (Ok(n), Ok(e)) = (URL_SAFE_NO_PAD.decode(n), URL_SAFE_NO_PAD.decode(e)) else {
        return false;
    };
    let bits = match n.first() {
        Some(first) if *first != 0 => n.len() * 8 - first.leading_zeros() as usize,
        _ => 0,
    };
    let exponent = e
        .iter()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    (2048..=8192).contains(&bits)
        && (1..=4).contains(&e.len())
        && exponent >= 65_537
        && exponent % 2 == 1
}
