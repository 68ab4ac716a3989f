//! What Key Vault said about the versions of a secret, and which of them may
//! sign. No input or output, and no clock.
//!
//! A version may sign once every replica knows it. A replica's list of versions
//! is never older than the cache's time, so it has each version that is older
//! than that. So it is with one that was disabled and is enabled again: only after
//! that time does no replica refuse it any more. The rule here waits for twice that time: the other half is for
//! clocks that disagree, for times in whole seconds, and for a vault whose
//! replicas are a moment behind.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

/// The id of a secret's version: 32 hexadecimal digits (Microsoft Learn, *Key
/// Vault object identifiers*). Nothing else is ever put into a URL.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct VersionId(String);

impl VersionId {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let sound = text.len() == 32
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        sound.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version as the list names it: without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) id: VersionId,
    /// In whole seconds, by Key Vault's clock.
    pub(super) created: OffsetDateTime,
    /// When it was last changed, such as enabled; the same clock.
    pub(super) updated: OffsetDateTime,
    pub(super) enabled: bool,
}

/// All versions of a secret at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Versions(Vec<Version>);

impl Versions {
    pub(super) fn new(mut versions: Vec<Version>) -> Self {
        // The ids break ties, so that every replica has the same order.
        versions.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Self(versions)
    }

    /// Whether a version is enabled; `None` when there is no such version.
    pub(super) fn enabled(&self, id: &VersionId) -> Option<bool> {
        let found = self.0.iter().find(|version| version.id == *id)?;
        Some(found.enabled)
    }

    /// Takes note that a version is disabled by now.
    pub(super) fn disable(&mut self, id: &VersionId) {
        for version in self.0.iter_mut().filter(|version| version.id == *id) {
            version.enabled = false;
        }
    }

    /// The enabled versions, the best one to sign with first: the newest that
    /// every replica knows. When there is none that old, the oldest is the one
    /// that most of them know.
    pub(super) fn for_signing(&self, cached: Duration, now: OffsetDateTime) -> Vec<VersionId> {
        let known_to_all = |version: &&Version| {
            let changed = version.created.max(version.updated);
            changed + 2 * cached <= now
        };
        let enabled = || self.0.iter().filter(|version| version.enabled);
        let known = enabled().filter(known_to_all).rev();
        let young = enabled().filter(|version| !known_to_all(version));
        known.chain(young).map(|v| v.id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CACHED: Duration = Duration::from_mins(1);
    const NOW: i64 = 1_800_000_000;

    fn id(digit: char) -> VersionId {
        VersionId::parse(&digit.to_string().repeat(32)).expect("an id")
    }

    /// Versions by digit, with their age in seconds and whether they are enabled.
    fn versions(all: &[(char, i64, bool)]) -> Versions {
        let version = |&(digit, age, enabled): &(char, i64, bool)| Version {
            id: id(digit),
            created: at(NOW - age),
            updated: at(NOW - age),
            enabled,
        };
        Versions::new(all.iter().map(version).collect())
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("a time")
    }

    fn order(all: &[(char, i64, bool)]) -> String {
        let ids = versions(all).for_signing(CACHED, at(NOW));
        ids.iter().map(|id| &id.as_str()[..1]).collect()
    }

    #[test]
    fn the_newest_version_that_every_replica_knows_signs() {
        assert_eq!(
            order(&[('a', 900, true), ('b', 121, true), ('c', 5, true)]),
            "bac"
        );
    }

    #[test]
    fn a_version_is_known_to_all_after_twice_the_caches_time() {
        assert_eq!(order(&[('a', 900, true), ('b', 119, true)]), "ab");
        assert_eq!(order(&[('a', 900, true), ('b', 120, true)]), "ba");
    }

    #[test]
    fn a_version_that_was_enabled_again_waits_until_no_replica_refuses_it() {
        let enabled_again = |ago: i64| {
            let mut versions = versions(&[('a', 900, true), ('b', 600, true)]);
            versions.0[1].updated = at(NOW - ago);
            let ids = versions.for_signing(CACHED, at(NOW));
            ids.iter().map(|id| &id.as_str()[..1]).collect::<String>()
        };
        assert_eq!(enabled_again(119), "ab");
        assert_eq!(enabled_again(120), "ba");
    }

    #[test]
    fn a_disabled_version_never_signs() {
        assert_eq!(order(&[('a', 900, true), ('b', 300, false)]), "a");
        assert_eq!(order(&[('a', 900, false)]), "");
    }

    #[test]
    fn among_young_versions_the_oldest_is_known_to_most() {
        assert_eq!(order(&[('a', 3, true), ('b', 9, true)]), "ba");
    }

    #[test]
    fn a_version_from_a_clock_that_is_ahead_counts_as_young() {
        assert_eq!(order(&[('a', -3600, true), ('b', 900, true)]), "ba");
    }

    #[test]
    fn versions_of_the_same_second_have_one_order_everywhere() {
        assert_eq!(order(&[('b', 900, true), ('a', 900, true)]), "ba");
        assert_eq!(order(&[('a', 900, true), ('b', 900, true)]), "ba");
    }

    #[test]
    fn an_id_has_32_small_hexadecimal_digits() {
        assert!(VersionId::parse("0123456789abcdef0123456789abcdef").is_some());

        for text in [
            "",
            "0123456789abcdef0123456789abcde",
            "0123456789abcdef0123456789abcdef0",
            "0123456789ABCDEF0123456789ABCDEF",
            "../../secrets/share-link-key/abc",
            "0123456789abcdef0123456789abcde\n",
            "０１２３４５６７８９",
        ] {
            assert_eq!(VersionId::parse(text), None, "{text:?}");
        }
    }
}
