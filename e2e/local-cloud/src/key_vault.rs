//! Key Vault's secrets data plane: one vault behind the gate.
//!
//! It owns the vault's secrets and their versions. Certificates, keys, deletion,
//! backup and restore are not played: 501, naming the operation. Paths, bodies
//! and codes after the Key Vault REST reference, *Secrets*, and *Authentication,
//! requests and responses*.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use serde_json::Value;
use uuid::Uuid;

use crate::behind::Forwarder;
use crate::clock::Clock;
use crate::gate::Gate;
use crate::model::KeyVaultSpec;

mod engine;
mod forwarded;
mod refusal;
mod request;
mod wire;

use engine::{Engine, SecretValue};

/// The number of random bytes of a secret that the access model does not size.
const DEFAULT_BYTES: usize = 32;

/// A vault.
pub struct KeyVault {
    /// The vault's logical name: the first segment of its scopes.
    resource: String,
    host: String,
    spec: KeyVaultSpec,
    gate: Gate,
    clock: Clock,
    // Held for one call of the engine, never across an await.
    engine: Mutex<Engine>,
    /// Holds the vault instead of the engine, if there is one.
    emulator: Option<Arc<Forwarder>>,
}

impl KeyVault {
    /// A vault with the model's secrets, each with one version of random bytes
    /// as base64. `resource` is its logical name, `host` its host name. With an
    /// emulator the secrets are there.
    pub(crate) fn new(
        resource: &str,
        host: String,
        spec: &KeyVaultSpec,
        gate: Gate,
        clock: Clock,
        emulator: Option<Arc<Forwarder>>,
    ) -> Arc<Self> {
        let mut engine = Engine::default();
        for (name, secret) in spec.secrets.iter().filter(|_| emulator.is_none()) {
            let value = SecretValue::random(secret.generate_bytes);
            engine.provision(name, new_version_id(), value, clock.now());
        }
        Arc::new(Self {
            resource: resource.to_owned(),
            host,
            spec: spec.clone(),
            gate,
            clock,
            engine: Mutex::new(engine),
            emulator,
        })
    }

    /// The vault's HTTP interface.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(wire::answer).with_state(self)
    }

    /// What the vault holds: names, versions, states, lengths; no values.
    pub fn digest(&self) -> Value {
        match &self.emulator {
            Some(emulator) => emulator.digest(),
            None => self.engine().digest(),
        }
    }

    /// Adds a version with a new random value to a secret and returns its id;
    /// `None` if there is no such secret. For the control API, standing in for a
    /// deployment through ARM: not through the gate.
    pub fn add_version(&self, secret: &str) -> Option<String> {
        let name = self.canonical(secret);
        let mut engine = self.engine();
        if !engine.has(&name) {
            return None;
        }
        let bytes = self
            .spec
            .secrets
            .get(&name)
            .map_or(DEFAULT_BYTES, |spec| spec.generate_bytes);
        let id = new_version_id();
        engine.provision(
            &name,
            id.clone(),
            SecretValue::random(bytes),
            self.clock.now(),
        );
        Some(id)
    }

    /// The version that a secret is read as, if it is enabled. For the control API.
    pub(crate) fn current_version(&self, secret: &str) -> Option<String> {
        self.engine().current(&self.canonical(secret))
    }

    /// Enables or disables a version; whether there is one. For the control API,
    /// standing in for an administrator: not through the gate.
    pub fn set_enabled(&self, secret: &str, version: &str, enabled: bool) -> bool {
        let name = self.canonical(secret);
        self.engine()
            .switch(&name, version, enabled, self.clock.now())
    }

    /// Names differ in case only when they are the same (Microsoft Learn, *Azure
    /// Key Vault keys, secrets and certificates overview*); scopes are compared
    /// as they are written. So one spelling stands for all: the access model's,
    /// or lower case.
    fn canonical(&self, name: &str) -> String {
        self.spec
            .secrets
            .keys()
            .find(|declared| declared.eq_ignore_ascii_case(name))
            .cloned()
            .unwrap_or_else(|| name.to_ascii_lowercase())
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine
            .lock()
            .expect("no one panics while holding the vault")
    }
}

/// 32 hexadecimal digits, as Key Vault makes them.
fn new_version_id() -> String {
    Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests;
