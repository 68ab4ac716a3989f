//! The tokens that were put on one connection, by the entity they are for.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::address;
use crate::gate::Caller;

/// Who a connection speaks for, per audience path.
#[derive(Debug, Default)]
pub(super) struct Claims(BTreeMap<String, Caller>);

impl Claims {
    /// Bounds what one connection can make the broker keep.
    pub(super) const MAX: usize = 1024;

    /// Keeps a claim, in place of an older one for the same path.
    pub(super) fn put(&mut self, path: String, caller: Caller) {
        self.0.insert(path, caller);
    }

    pub(super) fn is_full(&self, path: &str) -> bool {
        self.0.len() >= Self::MAX && !self.0.contains_key(path)
    }

    /// The most specific claim that covers `path` and still holds.
    pub(super) fn covering(&self, path: &str, now: OffsetDateTime) -> Option<(&str, &Caller)> {
        self.0
            .iter()
            .filter(|(audience, caller)| caller.expires_at > now && address::covers(audience, path))
            .max_by_key(|(audience, _)| audience.len())
            .map(|(audience, caller)| (audience.as_str(), caller))
    }

    /// When the next claim ends.
    pub(super) fn next_expiry(&self) -> Option<OffsetDateTime> {
        self.0.values().map(|caller| caller.expires_at).min()
    }

    /// Forgets the claims whose time is over; their paths.
    pub(super) fn take_expired(&mut self, now: OffsetDateTime) -> Vec<String> {
        self.0
            .extract_if(.., |_, caller| caller.expires_at <= now)
            .map(|(path, _)| path)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gate::Audience;
    use crate::testing::Fixture;

    #[test]
    fn a_claim_covers_nothing_once_its_time_is_over() {
        let fixture = Fixture::new();
        let token = fixture.token("frontend", "https://servicebus.azure.net");
        let audience = Audience::service_bus("localbus.servicebus.windows.net");
        let caller = fixture
            .gate
            .authenticate(Some(&token), &audience)
            .expect("the token is valid");
        let ends = caller.expires_at;
        let mut claims = Claims::default();
        claims.put("jobs".to_owned(), caller);

        let before = ends - Duration::from_secs(1);
        let covering = |now| claims.covering("jobs", now).map(|(path, _)| path);
        assert_eq!(covering(before), Some("jobs"));
        assert_eq!(covering(ends), None);
    }
}
