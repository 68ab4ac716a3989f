//! How federated credentials are written: one after another, and not too often.
//!
//! Azure takes 0.25 writes a second at one identity (Microsoft Learn, *Important
//! considerations and restrictions for federated identity credentials*). That it
//! counts them by the minute is assumed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use super::credentials::{ArmError, CredentialText, FederatedCredential};
use super::{Directory, Entries, IdentityKind};
use crate::faults::History;

/// How many writes an identity takes in `PER`.
const WRITES: usize = 15;
const PER: Duration = Duration::MINUTE;

/// The operation by which a test holds a write.
const OPERATION: &str = "WriteFederatedCredential";

/// The writes under way, and those of the last minute.
#[derive(Default)]
pub(super) struct Writes {
    now: BTreeSet<String>,
    lately: BTreeMap<String, VecDeque<OffsetDateTime>>,
}

impl Writes {
    fn begin(&mut self, identity: &str, now: OffsetDateTime) -> Result<(), ArmError> {
        let lately = self.lately.entry(identity.to_owned()).or_default();
        while lately.front().is_some_and(|at| *at + PER <= now) {
            lately.pop_front();
        }
        if let (true, Some(first)) = (lately.len() >= WRITES, lately.front()) {
            let wait = (*first + PER - now).whole_seconds() + 1;
            return Err(ArmError::too_many_requests(wait));
        }
        if !self.now.insert(identity.to_owned()) {
            return Err(ArmError::concurrent(identity));
        }
        lately.push_back(now);
        Ok(())
    }
}

/// Ends a write, however it ends.
struct Writing<'a> {
    directory: &'a Directory,
    identity: &'a str,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.directory.write().writes.now.remove(self.identity);
    }
}

impl Directory {
    /// The credentials of an identity that can have some.
    pub(crate) fn credentials(&self, identity: &str) -> Result<Vec<FederatedCredential>, ArmError> {
        match self.named(identity) {
            Some(found) if takes_credentials(&found.kind) => {
                Ok(found.federated_credentials.to_vec())
            }
            _ => Err(ArmError::no_parent(identity)),
        }
    }

    /// Creates a credential, or changes all of the one of this name but its name.
    pub(crate) async fn put_credential(
        &self,
        identity: &str,
        name: &str,
        text: CredentialText,
    ) -> Result<FederatedCredential, ArmError> {
        self.change(identity, |credentials| {
            let written = text.check(name, credentials)?;
            match credentials.iter_mut().find(|other| other.name == name) {
                Some(standing) => *standing = written.clone(),
                None => credentials.push(written.clone()),
            }
            Ok(written)
        })
        .await
    }

    /// Deletes a credential.
    pub(crate) async fn delete_credential(
        &self,
        identity: &str,
        name: &str,
    ) -> Result<(), ArmError> {
        self.change(identity, |credentials| {
            let before = credentials.len();
            credentials.retain(|credential| credential.name != name);
            if credentials.len() == before {
                return Err(ArmError::no_credential(name));
            }
            Ok(())
        })
        .await
    }

    /// One write. A test may hold it, and so see what a second one is answered.
    async fn change<T>(
        &self,
        identity: &str,
        change: impl FnOnce(&mut Vec<FederatedCredential>) -> Result<T, ArmError>,
    ) -> Result<T, ArmError> {
        self.credentials(identity)?;
        let now = self.shared.clock.now();
        self.write().writes.begin(identity, now)?;
        let _writing = Writing {
            directory: self,
            identity,
        };
        let scope = format!("identities/{identity}");
        self.shared.holds.wait(identity, OPERATION, &scope).await;

        let mut entries = self.write();
        let Entries {
            by_name, changed, ..
        } = &mut *entries;
        let standing = by_name
            .get_mut(identity)
            .ok_or_else(|| ArmError::no_parent(identity))?;
        let mut credentials = standing.federated_credentials.to_vec();
        let done = change(&mut credentials)?;
        let before = std::mem::replace(&mut standing.federated_credentials, credentials.into());
        let history = changed.entry(identity.to_owned());
        history
            .or_insert_with(|| History::new(before))
            .change(self.shared.clock.now(), |trust| {
                *trust = Arc::clone(&standing.federated_credentials);
            });
        drop(entries);
        Ok(done)
    }
}

/// A system-assigned identity is no resource of its own, so nothing can be put
/// under it.
fn takes_credentials(kind: &IdentityKind) -> bool {
    !matches!(kind, IdentityKind::SystemAssigned { .. })
}
