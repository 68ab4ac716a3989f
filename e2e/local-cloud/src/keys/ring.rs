//! The keys of one issuer over time: one signs, one may be published that signs
//! next, and those that signed before stay published for a while.
//!
//! AKS: *Create an OpenID Connect provider on AKS, Rotate the OIDC key*. Entra ID:
//! *Access tokens in the Microsoft identity platform*, on signing-key rollover.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Jwk, SigningKey};

/// The keys of one issuer; clones share them.
#[derive(Clone, Debug)]
pub struct KeyRing {
    // Held for a lookup or a change only; keys are made outside of it.
    keys: Arc<RwLock<Keys>>,
}

#[derive(Debug)]
struct Keys {
    /// Those that signed once, the oldest first.
    retired: Vec<Retired>,
    signing: Arc<SigningKey>,
    /// Published, so that whoever keeps keys knows it when it signs.
    next: Option<Arc<SigningKey>>,
}

#[derive(Debug)]
struct Retired {
    key: Arc<SigningKey>,
    /// When it is no longer published; `None`: until it is withdrawn.
    until: Option<OffsetDateTime>,
}

impl Retired {
    fn is_published(&self, now: OffsetDateTime) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What a published key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It signed; what it signed is still good.
    Retired,
    /// It signs.
    Signing,
    /// It will sign after the next rotation.
    Next,
}

/// A published key, as the control API lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedKey {
    /// The key's id.
    pub kid: String,
    /// What it is for.
    pub state: KeyState,
    /// When it is no longer published, RFC 3339, if that is known.
    pub until: Option<String>,
}

/// Why a key is not withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWithdrawn {
    /// Nothing is published under this id.
    #[error("no key of this id is published")]
    Unknown,
    /// It signs, or will.
    #[error("the key is in use: rotate first, then withdraw the one that has signed before")]
    InUse,
}

impl KeyRing {
    /// A ring with one new key.
    pub fn generate() -> Self {
        Self::of(SigningKey::generate(), None)
    }

    /// A ring in which one key signs and another, perhaps, is the next.
    pub fn of(signing: SigningKey, next: Option<SigningKey>) -> Self {
        Self {
            keys: Arc::new(RwLock::new(Keys {
                retired: Vec::new(),
                signing: Arc::new(signing),
                next: next.map(Arc::new),
            })),
        }
    }

    /// The key that signs now.
    pub fn current(&self) -> Arc<SigningKey> {
        Arc::clone(&self.read().signing)
    }

    /// The published keys.
    pub fn published(&self, now: OffsetDateTime) -> Vec<Jwk> {
        self.read().at(now).map(|(key, _, _)| key.jwk()).collect()
    }

    /// The published keys, with their private halves.
    pub(crate) fn published_pairs(&self, now: OffsetDateTime) -> Vec<Arc<SigningKey>> {
        self.read()
            .at(now)
            .map(|(key, _, _)| Arc::clone(key))
            .collect()
    }

    /// The published key of this id.
    pub fn find(&self, kid: &str, now: OffsetDateTime) -> Option<Arc<Jwk>> {
        let keys = self.read();
        let found = keys.at(now).find(|(key, _, _)| key.kid() == kid);
        found.map(|(key, _, _)| Arc::clone(&key.jwk))
    }

    /// What is published, and what for.
    pub fn list(&self, now: OffsetDateTime) -> Vec<PublishedKey> {
        let keys = self.read();
        let listed = keys.at(now).map(|(key, state, until)| PublishedKey {
            kid: key.kid().to_owned(),
            state,
            until: until.map(crate::audit::rfc3339),
        });
        listed.collect()
    }

    /// Publishes a key that will sign after the next rotation, unless there is
    /// one already.
    pub fn publish_next(&self) {
        if self.read().next.is_some() {
            return;
        }
        let next = Arc::new(SigningKey::generate());
        self.write().next.get_or_insert(next);
    }

    /// The next key signs from now on; where none is published, a new one does.
    /// The one before stays published until it is withdrawn.
    pub fn rotate(&self) {
        self.publish_next();
        self.write().promote(None);
    }

    /// Rotates as AKS does: the key before stays published for `overlap`, those
    /// that were retired earlier go at once, and a further key is published as
    /// the next. Two rotations in a row therefore end the first key.
    pub fn rotate_with_overlap(&self, now: OffsetDateTime, overlap: Duration) {
        self.publish_next();
        let after = Arc::new(SigningKey::generate());
        let mut keys = self.write();
        keys.retired.clear();
        keys.promote(Some(now + overlap));
        keys.next.get_or_insert(after);
    }

    /// Publishes a retired key no longer.
    pub fn withdraw(&self, kid: &str, now: OffsetDateTime) -> Result<(), NotWithdrawn> {
        let mut keys = self.write();
        let state = keys
            .at(now)
            .find(|(key, _, _)| key.kid() == kid)
            .map(|(_, state, _)| state);
        match state {
            None => Err(NotWithdrawn::Unknown),
            Some(KeyState::Signing | KeyState::Next) => Err(NotWithdrawn::InUse),
            Some(KeyState::Retired) => {
                keys.retired.retain(|retired| retired.key.kid() != kid);
                Ok(())
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    /// What is published at a time: the oldest first, the next one last.
    fn at(
        &self,
        now: OffsetDateTime,
    ) -> impl Iterator<Item = (&Arc<SigningKey>, KeyState, Option<OffsetDateTime>)> {
        let retired = self.retired.iter().filter(move |key| key.is_published(now));
        retired
            .map(|retired| (&retired.key, KeyState::Retired, retired.until))
            .chain([(&self.signing, KeyState::Signing, None)])
            .chain(self.next.as_ref().map(|key| (key, KeyState::Next, None)))
    }

    /// The next key signs, if there is one.
    fn promote(&mut self, until: Option<OffsetDateTime>) {
        let Some(next) = self.next.take() else {
            return;
        };
        let key = std::mem::replace(&mut self.signing, next);
        self.retired.push(Retired { key, until });
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-28 12:00 UTC);

    fn states(ring: &KeyRing, now: OffsetDateTime) -> Vec<KeyState> {
        ring.list(now).into_iter().map(|key| key.state).collect()
    }

    #[test]
    fn the_next_key_is_published_before_it_signs() {
        let ring = KeyRing::generate();
        ring.publish_next();
        let [_, next] = &ring.list(NOW)[..] else {
            panic!("two keys")
        };

        ring.rotate();

        assert_eq!(ring.current().kid(), next.kid);
        assert_eq!(states(&ring, NOW), [KeyState::Retired, KeyState::Signing]);
    }

    #[test]
    fn a_retired_key_stays_until_it_is_withdrawn_and_no_other_can_be() {
        let ring = KeyRing::generate();
        let first = ring.current().kid().to_owned();
        ring.rotate();
        let later = NOW + Duration::days(30);

        assert!(ring.find(&first, later).is_some());
        assert_eq!(
            ring.withdraw(ring.current().kid(), later),
            Err(NotWithdrawn::InUse)
        );
        assert_eq!(ring.withdraw(&first, later), Ok(()));
        assert_eq!(ring.find(&first, later), None);
        assert_eq!(ring.withdraw(&first, later), Err(NotWithdrawn::Unknown));
    }

    #[test]
    fn a_key_that_was_rotated_away_is_published_for_its_overlap_and_no_longer() {
        let ring = KeyRing::of(SigningKey::generate(), Some(SigningKey::generate()));
        let first = ring.current().kid().to_owned();

        ring.rotate_with_overlap(NOW, Duration::hours(24));

        let last = NOW + Duration::hours(24) - Duration::seconds(1);
        assert!(ring.find(&first, last).is_some());
        assert_eq!(ring.published(last).len(), 3);
        assert_eq!(ring.find(&first, last + Duration::seconds(1)), None);
        assert_eq!(
            states(&ring, last + Duration::seconds(1)),
            [KeyState::Signing, KeyState::Next]
        );
    }

    #[test]
    fn two_rotations_in_a_row_end_the_first_key_at_once() {
        let ring = KeyRing::of(SigningKey::generate(), Some(SigningKey::generate()));
        let first = ring.current().kid().to_owned();

        ring.rotate_with_overlap(NOW, Duration::hours(24));
        let second = ring.current().kid().to_owned();
        ring.rotate_with_overlap(NOW, Duration::hours(24));

        assert_eq!(ring.find(&first, NOW), None);
        assert!(ring.find(&second, NOW).is_some());
    }
}
