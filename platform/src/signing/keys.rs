//! The keys of one secret, kept for a while.
//!
//! Key Vault is asked for the list of versions, and for the value of a version
//! that is on the list. Nothing else: a version that somebody made up is looked
//! up in the list and is not there. So no number of made-up versions costs more
//! than a list a second, and none takes room.
//!
//! The list is believed for the cache's time and no longer: within that time a
//! disabled version is refused. At half of it the list is fetched again in the
//! background, so that requests seldom wait and a short absence of Key Vault is
//! not noticed. Values never change; they are kept as long as their version is on
//! the list and enabled.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::vault::{Key, Value, Vault};
use super::versions::{VersionId, Versions};
use crate::azure::AzureFailure;

/// The time between two lists that are fetched for the sake of versions that are
/// not on the last one, and after a request that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// Key Vault did not give what it was asked for.
    #[error("the versions of the secret {secret:?} cannot be read")]
    Vault {
        /// The secret's name.
        secret: String,
        /// What Key Vault answered.
        #[source]
        source: AzureFailure,
    },
    /// Every version is disabled, or is no key.
    #[error("the secret {0:?} has no enabled version whose value is base64 of 32 bytes or more")]
    NoneUsable(String),
    /// The last request failed a moment ago.
    #[error("the last attempt failed a moment ago")]
    JustFailed(#[source] Arc<Self>),
}

/// What is known of a version that a token names.
pub(super) enum Lookup {
    Key(Arc<Key>),
    Disabled,
    /// There is none, or its value is no key: nothing was ever signed with it.
    Unknown,
}

/// The keys of one secret.
pub(super) struct Keys {
    secret: String,
    cached: Duration,
    vault: Box<dyn Vault>,
    /// What is known. Held for a few lines, never across an await.
    known: Mutex<Known>,
    /// Locked for as long as a request to Key Vault lasts: one at a time.
    asking: Arc<tokio::sync::Mutex<LastFailure>>,
}

#[derive(Default)]
struct Known {
    list: Option<List>,
    /// The values of enabled versions; `None` is a value that is no key.
    values: HashMap<VersionId, Option<Arc<Key>>>,
}

struct List {
    versions: Versions,
    /// When it was asked for: whatever changed later may be missing.
    asked: Instant,
}

#[derive(Default)]
struct LastFailure(Option<(Instant, Arc<KeysError>)>);

type Asking = OwnedMutexGuard<LastFailure>;

impl Keys {
    pub(super) fn new(secret: String, cached: Duration, vault: Box<dyn Vault>) -> Arc<Self> {
        Arc::new(Self {
            secret,
            cached,
            vault,
            known: Mutex::default(),
            asking: Arc::default(),
        })
    }

    /// The version to sign with, and its key.
    pub(super) async fn to_sign(
        self: &Arc<Self>,
        now: OffsetDateTime,
    ) -> Result<(VersionId, Arc<Key>), Arc<KeysError>> {
        let versions = self.list(self.cached).await?;
        for id in versions.for_signing(self.cached, now) {
            if let Lookup::Key(key) = self.value(&id).await? {
                return Ok((id, key));
            }
        }
        Err(Arc::new(KeysError::NoneUsable(self.secret.clone())))
    }

    /// The key of the version that a token names.
    pub(super) async fn to_verify(
        self: &Arc<Self>,
        id: &VersionId,
    ) -> Result<Lookup, Arc<KeysError>> {
        let mut enabled = self.list(self.cached).await?.enabled(id);
        if enabled.is_none() {
            enabled = self.list(PAUSE).await?.enabled(id);
        }
        match enabled {
            Some(true) => self.value(id).await,
            Some(false) => Ok(Lookup::Disabled),
            None => Ok(Lookup::Unknown),
        }
    }

    /// The versions, by a list that is no older than this.
    async fn list(self: &Arc<Self>, age: Duration) -> Result<Versions, Arc<KeysError>> {
        if let Some((versions, listed)) = self.listed(age) {
            if listed.elapsed() >= self.cached / 2 {
                self.list_in_background();
            }
            return Ok(versions);
        }
        let asking = Arc::clone(&self.asking).lock_owned().await;
        if let Some((versions, _)) = self.listed(age) {
            return Ok(versions);
        }
        self.fetch_list(asking).await
    }

    /// Lists the versions anew, while what is known serves on.
    // Identity frontend, Key Vault Secrets User on secret session-key.
    // Identity backend, Key Vault Secrets User on secret share-link-key.
    fn list_in_background(self: &Arc<Self>) {
        // Whoever is asking already will do.
        let Ok(asking) = Arc::clone(&self.asking).try_lock_owned() else {
            return;
        };
        if asking.recent().is_some() {
            return;
        }
        let keys = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = keys.fetch_list(asking).await {
                let cause = crate::telemetry::error_chain(&*error);
                tracing::warn!(
                    secret = keys.secret,
                    cause,
                    "signing keys are not to be had"
                );
            }
        });
    }

    async fn fetch_list(&self, mut asking: Asking) -> Result<Versions, Arc<KeysError>> {
        asking.pause()?;
        let asked = Instant::now();
        let versions = self
            .vault
            .versions(&self.secret)
            .await
            .map_err(|failure| self.failed(&mut asking, failure))?;
        let mut known = self.known();
        known
            .values
            .retain(|id, _| versions.enabled(id) == Some(true));
        known.list = Some(List {
            versions: versions.clone(),
            asked,
        });
        Ok(versions)
    }

    /// The key of a version that is on the list and enabled.
    async fn value(&self, id: &VersionId) -> Result<Lookup, Arc<KeysError>> {
        if let Some(known) = self.known_value(id) {
            return Ok(known);
        }
        let mut asking = Arc::clone(&self.asking).lock_owned().await;
        if let Some(known) = self.known_value(id) {
            return Ok(known);
        }
        asking.pause()?;
        let value = self
            .vault
            .value(&self.secret, id)
            .await
            .map_err(|failure| self.failed(&mut asking, failure))?;
        let mut known = self.known();
        let value = match value {
            Value::Key(key) => Some(Arc::new(key)),
            Value::NoKey => {
                tracing::error!(
                    secret = self.secret,
                    version = id.as_str(),
                    "this version's value is not base64 of 32 bytes or more: it signs nothing"
                );
                None
            }
            Value::Disabled => {
                if let Some(list) = &mut known.list {
                    list.versions.disable(id);
                }
                return Ok(Lookup::Disabled);
            }
        };
        known.values.insert(id.clone(), value.clone());
        Ok(value.map_or(Lookup::Unknown, Lookup::Key))
    }

    fn known_value(&self, id: &VersionId) -> Option<Lookup> {
        let known = self.known();
        let value = known.values.get(id)?.as_ref();
        Some(value.map_or(Lookup::Unknown, |key| Lookup::Key(Arc::clone(key))))
    }

    fn listed(&self, age: Duration) -> Option<(Versions, Instant)> {
        let known = self.known();
        let list = known.list.as_ref()?;
        (list.asked.elapsed() < age).then(|| (list.versions.clone(), list.asked))
    }

    fn failed(&self, asking: &mut Asking, source: AzureFailure) -> Arc<KeysError> {
        let error = Arc::new(KeysError::Vault {
            secret: self.secret.clone(),
            source,
        });
        asking.0 = Some((Instant::now(), Arc::clone(&error)));
        error
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.secret)
    }
}

impl LastFailure {
    /// A failure of a moment ago.
    fn recent(&self) -> Option<&Arc<KeysError>> {
        let (at, error) = self.0.as_ref()?;
        (at.elapsed() < PAUSE).then_some(error)
    }

    /// No request right after one that failed.
    fn pause(&self) -> Result<(), Arc<KeysError>> {
        match self.recent() {
            Some(error) => Err(Arc::new(KeysError::JustFailed(Arc::clone(error)))),
            None => Ok(()),
        }
    }
}
