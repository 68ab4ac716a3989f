//! Tokens that were verified a moment ago: a pod presents the same one for
//! minutes, and its signature need not be checked for every call.
//!
//! A token is known by its SHA-256 and never kept. It is good until it expires,
//! and no longer than the keys that it was checked with are: when these are
//! fetched anew, every token is verified anew.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{Caller, SKEW};

/// More than there are pods that may call, at any time.
const MOST: usize = 256;

type Hash = [u8; 32];

/// The tokens that were verified.
#[derive(Default)]
pub(super) struct Verified(Mutex<HashMap<Hash, Entry>>);

struct Entry {
    caller: Caller,
    expires: OffsetDateTime,
    /// When the keys were fetched that the token was checked with.
    keys_of: Instant,
}

impl Verified {
    /// Who presents this token, if it was verified with these keys and its time
    /// is not over.
    pub(super) fn find(
        &self,
        token: &str,
        keys_of: Instant,
        now: OffsetDateTime,
    ) -> Option<Caller> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = tokens.get(&hash(token))?;
        entry.holds(keys_of, now).then(|| entry.caller.clone())
    }

    /// Remembers who presented a token. What has no use any more makes place; a
    /// cluster that fills all of it with tokens in use begins anew.
    pub(super) fn remember(
        &self,
        token: &str,
        caller: &Caller,
        expires: OffsetDateTime,
        (keys_of, now): (Instant, OffsetDateTime),
    ) {
        let entry = Entry {
            caller: caller.clone(),
            expires,
            keys_of,
        };
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= MOST {
            tokens.retain(|_, entry| entry.holds(keys_of, now));
        }
        if tokens.len() >= MOST {
            tokens.clear();
        }
        tokens.insert(hash(token), entry);
    }
}

impl Entry {
    fn holds(&self, keys_of: Instant, now: OffsetDateTime) -> bool {
        self.keys_of == keys_of && now < self.expires + SKEW
    }
}

fn hash(token: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-23 22:05:07 UTC);

    fn caller(pod: &str) -> Caller {
        Caller {
            subject: "system:serviceaccount:todolist:frontend".into(),
            pod: Some(pod.into()),
        }
    }

    #[test]
    fn a_token_is_known_until_it_expires_or_the_keys_are_fetched_anew() {
        let (verified, keys_of) = (Verified::default(), Instant::now());
        let expires = NOW + Duration::from_mins(10);

        verified.remember("a", &caller("one"), expires, (keys_of, NOW));

        assert_eq!(verified.find("a", keys_of, NOW), Some(caller("one")));
        assert_eq!(verified.find("b", keys_of, NOW), None);
        assert_eq!(verified.find("a", keys_of, expires + SKEW), None);
        let later = keys_of + Duration::from_hours(1);
        assert_eq!(verified.find("a", later, NOW), None);
    }

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let (verified, keys_of) = (Verified::default(), Instant::now());

        for number in 0..3 * MOST {
            let expires = NOW + Duration::from_mins(10);
            verified.remember(&number.to_string(), &caller("x"), expires, (keys_of, NOW));
            assert!(verified.0.lock().expect("no panic").len() <= MOST);
        }
    }

    #[test]
    fn what_has_expired_makes_place_first() {
        let (verified, keys_of) = (Verified::default(), Instant::now());
        verified.remember(
            "kept",
            &caller("one"),
            NOW + Duration::from_hours(1),
            (keys_of, NOW),
        );
        for number in 1..MOST {
            verified.remember(&number.to_string(), &caller("x"), NOW, (keys_of, NOW));
        }

        let later = NOW + Duration::from_mins(1);
        verified.remember(
            "new",
            &caller("two"),
            NOW + Duration::from_hours(1),
            (keys_of, later),
        );

        assert_eq!(verified.find("kept", keys_of, later), Some(caller("one")));
        assert_eq!(verified.find("new", keys_of, later), Some(caller("two")));
    }
}
