//! Blob Storage's data plane: one account behind the gate.
//!
//! It owns the account's containers, block blobs and blocks. Append and page
//! blobs, copies, leases, snapshots, versions, tags, batches and shared access
//! signatures by user delegation are not played: 501, naming the operation. Requests, answers and
//! codes after the Azure Storage REST reference, *Blob Storage*.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use serde_json::Value;

use crate::behind::Forwarder;
use crate::clock::Clock;
use crate::gate::{Audience, Gate};
use crate::model::StorageSpec;

mod body;
mod conditions;
mod engine;
mod listing;
mod malformed;
mod operation;
mod properties;
mod range;
mod refusal;
mod response;
mod wire;

use engine::Engine;
pub(crate) use response::http_date;

/// A storage account's blobs.
pub struct Blob {
    /// The account's logical name: the first segment of its scopes.
    resource: String,
    host: String,
    audience: Audience,
    gate: Gate,
    clock: Clock,
    // Held for one call of the engine, never across an await.
    engine: Mutex<Engine>,
    /// Holds the account instead of the engine, if there is one.
    emulator: Option<Arc<Forwarder>>,
}

impl Blob {
    /// An account with the model's containers, all empty. `resource` is its
    /// logical name, `host` its host name. With an emulator they are there.
    pub(crate) fn new(
        resource: &str,
        host: String,
        spec: &StorageSpec,
        gate: Gate,
        clock: Clock,
        emulator: Option<Arc<Forwarder>>,
    ) -> Arc<Self> {
        let mut engine = Engine::default();
        for container in &spec.containers {
            engine.provision(container, clock.now());
        }
        Arc::new(Self {
            resource: resource.to_owned(),
            audience: Audience::storage(&host),
            host,
            gate,
            clock,
            engine: Mutex::new(engine),
            emulator,
        })
    }

    /// The account's HTTP interface.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(wire::answer).with_state(self)
    }

    /// What the account holds: names, tags, lengths and hashes; no content.
    pub fn digest(&self) -> Value {
        match &self.emulator {
            Some(emulator) => emulator.digest(),
            None => self.engine().digest(),
        }
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine
            .lock()
            .expect("no one panics while holding the account")
    }
}

#[cfg(test)]
mod tests;
