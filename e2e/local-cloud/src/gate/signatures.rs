//! Whose signature a token bears: Entra ID's, by one of the keys that it
//! publishes now.
//!
//! A client presents one token for hours, and an RSA signature takes longer to
//! verify than all else that the gate does. So the gate knows a token again whose
//! signature it has verified. Nothing but that is kept: time, audience, issuer and
//! principal are judged anew each time, and so is whether the key is still
//! published. A token is known by its SHA-256 and never kept itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;

use super::TokenRefusal;
use crate::jwt::{Claims, JwtError, Unverified};
use crate::keys::{Jwk, KeyRing};

/// How many tokens are known again: so many of late, and as many from before.
/// Only what Entra ID has signed is kept, so no stranger fills it.
const OF_LATE: usize = 512;

type Hash = [u8; 32];

/// Checks signatures, and remembers which it has checked.
pub(super) struct Signatures {
    keys: KeyRing,
    // Held for a lookup or an insertion only, never across an await.
    seen: Mutex<Seen>,
}

/// When what was seen of late is full, it becomes what was seen before, and what
/// was that is forgotten. What is seen again is of late again.
#[derive(Default)]
struct Seen {
    of_late: HashMap<Hash, Signed>,
    before: HashMap<Hash, Signed>,
}

/// A token whose signature was verified.
#[derive(Clone)]
struct Signed {
    claims: Arc<Claims>,
    key: Arc<Jwk>,
}

impl Signatures {
    pub(super) fn of(keys: KeyRing) -> Self {
        Self {
            keys,
            seen: Mutex::default(),
        }
    }

    /// The claims of a token that Entra ID has signed. They are not judged yet.
    pub(super) fn check(
        &self,
        token: &str,
        now: OffsetDateTime,
    ) -> Result<Arc<Claims>, TokenRefusal> {
        let hash = hash(token);
        let known = self.seen().find(&hash);
        if let Some(known) = known
            && self.is_published(&known.key, now)
        {
            return Ok(known.claims);
        }
        let signed = self.verify(token, now)?;
        let claims = Arc::clone(&signed.claims);
        self.seen().remember(hash, signed);
        Ok(claims)
    }

    fn verify(&self, token: &str, now: OffsetDateTime) -> Result<Signed, TokenRefusal> {
        let token = Unverified::read(token).map_err(|error| match error {
            JwtError::Malformed(why) => TokenRefusal::Malformed(why),
            JwtError::Algorithm(algorithm) => TokenRefusal::Algorithm(algorithm),
        })?;
        let key = self.keys.find(token.kid(), now);
        let key = key.ok_or(TokenRefusal::UnknownKey)?;
        let claims = token.verify(&key).ok_or(TokenRefusal::Signature)?;
        Ok(Signed {
            claims: Arc::new(claims),
            key,
        })
    }

    /// Whether this very key is published, not only one of its name.
    fn is_published(&self, key: &Arc<Jwk>, now: OffsetDateTime) -> bool {
        self.keys
            .find(&key.kid, now)
            .is_some_and(|published| Arc::ptr_eq(&published, key))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen
            .lock()
            .expect("no one panics while holding the tokens")
    }

    /// How many tokens would be known again.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        let seen = self.seen();
        seen.of_late.len() + seen.before.len()
    }
}

impl Seen {
    fn find(&mut self, hash: &Hash) -> Option<Signed> {
        if let Some(known) = self.of_late.get(hash) {
            return Some(known.clone());
        }
        let known = self.before.remove(hash)?;
        self.remember(*hash, known.clone());
        Some(known)
    }

    fn remember(&mut self, hash: Hash, signed: Signed) {
        if self.of_late.len() >= OF_LATE {
            self.before = std::mem::take(&mut self.of_late);
        }
        self.of_late.insert(hash, signed);
    }
}

fn hash(token: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests;
