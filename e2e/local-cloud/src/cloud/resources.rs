//! The planes of the access model's resources, each under its host name.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use serde_json::Value;

use crate::behind::Emulators;
use crate::blob::Blob;
use crate::clock::Clock;
use crate::cosmos::Cosmos;
use crate::gate::Gate;
use crate::graph::Graph;
use crate::key_vault::KeyVault;
use crate::model::{Model, Resource};
use crate::names;
use crate::service_bus::ServiceBus;

/// Sums up the state of one resource.
pub(super) type Digest = Box<dyn Fn() -> Value + Send + Sync>;

/// The planes of the model's resources.
#[derive(Default)]
pub(super) struct Resources {
    pub(super) http: BTreeMap<String, Router>,
    pub(super) amqp: BTreeMap<String, Arc<ServiceBus>>,
    pub(super) vaults: BTreeMap<String, Arc<KeyVault>>,
    pub(super) digests: BTreeMap<String, Digest>,
}

impl Resources {
    pub(super) fn new(model: &Model, gate: &Gate, clock: &Clock, emulators: &Emulators) -> Self {
        let mut resources = Self::default();
        for (name, resource) in &model.resources {
            resources.add(name, resource, gate.clone(), clock.clone(), emulators);
        }
        resources
    }

    fn add(
        &mut self,
        name: &str,
        resource: &Resource,
        gate: Gate,
        clock: Clock,
        emulators: &Emulators,
    ) {
        let host = resource.host(name);
        let emulator = emulators.http.get(name).cloned();
        let digest: Digest = match resource {
            Resource::KeyVault(spec) => {
                let vault = KeyVault::new(name, host.clone(), spec, gate, clock, emulator);
                self.http.insert(host, Arc::clone(&vault).router());
                self.vaults.insert(name.to_owned(), Arc::clone(&vault));
                Box::new(move || vault.digest())
            }
            Resource::Cosmos(spec) => {
                let account = Cosmos::new(name, host.clone(), spec, gate, clock, emulator);
                self.http.insert(host, Arc::clone(&account).router());
                Box::new(move || account.digest())
            }
            Resource::Storage(spec) => {
                let account = Blob::new(name, host.clone(), spec, gate, clock, emulator);
                self.http.insert(host, Arc::clone(&account).router());
                Box::new(move || account.digest())
            }
            Resource::Graph(_) => {
                let graph = Graph::new(name, gate, clock);
                self.http.insert(host, Arc::clone(&graph).router());
                Box::new(move || graph.digest())
            }
            Resource::ServiceBus(spec) => {
                let relay = emulators.buses.get(name).cloned();
                let bus = ServiceBus::new(name, host.clone(), spec, gate, clock, relay);
                self.amqp.insert(host, Arc::clone(&bus));
                Box::new(move || bus.digest())
            }
        };
        self.digests.insert(name.to_owned(), digest);
    }
}

/// Every host name that a cloud on this access model plays.
pub(crate) fn host_names(model: &Model) -> Vec<String> {
    let resources = model
        .resources
        .iter()
        .map(|(name, resource)| resource.host(name));
    [names::LOGIN_HOST, names::ISSUER_HOST]
        .into_iter()
        .map(str::to_owned)
        .chain(resources)
        .collect()
}
