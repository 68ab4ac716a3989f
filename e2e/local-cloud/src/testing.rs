//! A gate with the repository's own access model, and tokens for it: what the
//! tests of the planes stand on.

use std::sync::LazyLock;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::entra::access_token;
use crate::gate::Gate;
use crate::holds::Holds;
use crate::keys::KeyRing;
use crate::model::{Model, Resource};
use crate::roles::Roles;

// Making a key takes a tenth of a second; the tests share one.
static KEYS: LazyLock<KeyRing> = LazyLock::new(KeyRing::generate);

pub(crate) struct Fixture {
    pub(crate) gate: Gate,
    pub(crate) clock: Clock,
    pub(crate) audit: Audit,
    pub(crate) holds: Holds,
    pub(crate) model: Model,
    /// Entra's.
    pub(crate) keys: KeyRing,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_keys(KEYS.clone())
    }

    /// For a test that changes Entra's keys.
    pub(crate) fn with_keys(keys: KeyRing) -> Self {
        Self::with(keys, Clock::system())
    }

    /// Another cloud in the same time.
    pub(crate) fn beside(&self) -> Self {
        Self::with(self.keys.clone(), self.clock.clone())
    }

    fn with(keys: KeyRing, clock: Clock) -> Self {
        let roles = Roles::built_in();
        let model = Model::parse(include_str!("../../../infra/access.json"), &roles)
            .expect("the model is valid");
        let audit = Audit::new(clock.clone());
        let holds = Holds::default();
        let gate = Gate::new(
            model.clone(),
            roles,
            keys.clone(),
            clock.clone(),
            audit.clone(),
            holds.clone(),
        );
        Self {
            gate,
            clock,
            audit,
            holds,
            model,
            keys,
        }
    }

    /// An access token as Entra ID would issue it now, for an audience such as
    /// `https://vault.azure.net`.
    pub(crate) fn token(&self, identity: &str, audience: &str) -> String {
        let identity = self.gate.directory().named(identity);
        let identity = identity.expect("an identity of the model");
        access_token::issue(
            &self.keys.current(),
            &identity,
            audience,
            &[],
            self.clock.now(),
        )
        .token
    }

    /// A resource of the model by its logical name.
    pub(crate) fn resource(&self, name: &str) -> &Resource {
        &self.model.resources[name]
    }
}
