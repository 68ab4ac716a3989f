//! A session key in memory, with versions that can be rotated and disabled. A
//! signed text is the session in the open: nobody here forges one.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use platform::signing::{KeysError, SigningError};
use time::OffsetDateTime;

use crate::session::{Session, Signature};

/// The versions of a key.
#[derive(Default)]
pub(crate) struct MemoryKeys(Mutex<Versions>);

#[derive(Default)]
struct Versions {
    newest: usize,
    oldest_enabled: usize,
    are_away: bool,
}

impl MemoryKeys {
    /// There is a new version, and the ones before are disabled.
    pub(crate) fn replace(&self) {
        let mut versions = self.0.lock().expect("no panic");
        versions.newest += 1;
        versions.oldest_enabled = versions.newest;
    }

    /// From now on there is none to be had.
    pub(crate) fn take_away(&self) {
        self.0.lock().expect("no panic").are_away = true;
    }

    /// The version that signs, and the oldest that verifies.
    fn versions(&self) -> Result<(usize, usize), SigningError> {
        let versions = self.0.lock().expect("no panic");
        if versions.are_away {
            let error = KeysError::NoneUsable("session-key".to_owned());
            return Err(Arc::new(error).into());
        }
        Ok((versions.newest, versions.oldest_enabled))
    }
}

#[async_trait]
impl Signature for MemoryKeys {
    async fn sign(&self, session: &Session, until: OffsetDateTime) -> Result<String, SigningError> {
        let (version, _) = self.versions()?;
        let session = serde_json::to_vec(session).expect("a session is JSON");
        let session = BASE64_URL_SAFE_NO_PAD.encode(session);
        Ok(format!("{version}.{}.{session}", until.unix_timestamp()))
    }

    async fn verify(&self, signed: &str) -> Result<Session, SigningError> {
        let parts: Vec<&str> = signed.split('.').collect();
        let [version, until, session] = parts[..] else {
            return Err(SigningError::Forged);
        };
        let (_, enabled) = self.versions()?;
        if version.parse::<usize>().expect("a version") < enabled {
            return Err(SigningError::Withdrawn);
        }
        let until: i64 = until.parse().expect("a time");
        if until <= OffsetDateTime::now_utc().unix_timestamp() {
            return Err(SigningError::Expired);
        }
        let session = BASE64_URL_SAFE_NO_PAD.decode(session).expect("base64");
        Ok(serde_json::from_slice(&session).expect("a session"))
    }
}
