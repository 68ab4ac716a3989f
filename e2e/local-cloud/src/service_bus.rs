//! Azure Service Bus queues over AMQP 1.0: a broker for one namespace.
//!
//! It owns the wire (frames, sessions, links, `$cbs`, `$management`) and the
//! queues. Who may do what is the gate's decision, asked when a link is opened
//! and again when its token is renewed. TLS is the front door's.
//!
//! What is played: send (single and batched), receive with peek-lock or
//! receive-and-delete, complete, abandon, release, dead-letter with a reason,
//! lock renewal and expiry, delivery counts, the dead-letter sub-queue,
//! duplicate detection, peek. Whatever else arrives is refused by name with
//! `amqp:not-implemented` or status 501.
//!
//! The messages are in its own queues or, behind the gate, in an emulator:
//! `relay.rs` is the way there, `link/relaying.rs` a link that is opened again at
//! the other end of it.
//!
//! Follows OASIS AMQP 1.0 and Microsoft Learn, *AMQP 1.0 in Azure Service Bus:
//! protocol guide*; rules taken from the official clients' behaviour say
//! "observed", rules without a source "assumed".

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    task::JoinSet,
};

use crate::{
    behind,
    clock::Clock,
    gate::{Audience, Gate},
    model::{Scope, ServiceBusSpec},
};

mod address;
mod cbs;
mod claims;
mod codec;
mod connection;
mod frame;
mod link;
mod management;
mod message;
mod outcome;
mod performatives;
mod queue;
mod refusal;
mod relay;
mod request;
mod session;
mod store;
mod transport;

#[cfg(test)]
mod tests;

pub(crate) use relay::Relay;
pub use relay::RelayError;
use store::SharedQueue;

/// The largest message or batch, in bytes: that of the Standard tier.
const MAX_MESSAGE_SIZE: u64 = 262_144;

/// Connections at once; Azure's own quota is 5000.
const MAX_CONNECTIONS: usize = 1_000;

/// Where the messages of a queue are.
#[derive(Debug, Clone)]
enum Place {
    /// Here.
    Own(Arc<SharedQueue>),
    /// In an emulator; the queue's scope in the access model.
    Emulator(Arc<Relay>, Scope),
}

impl Place {
    fn scope(&self) -> &Scope {
        match self {
            Self::Own(queue) => queue.scope(),
            Self::Emulator(_, scope) => scope,
        }
    }
}

/// One Service Bus namespace.
pub struct ServiceBus {
    resource_name: String,
    namespace_host: String,
    gate: Gate,
    clock: Clock,
    /// By lower-case name: entity names know no case.
    queues: BTreeMap<String, Place>,
    /// The way to the emulator, if one holds the messages.
    relay: Option<Arc<Relay>>,
    connections: Semaphore,
    /// In a test this plane can stand in the emulator's place.
    #[cfg(test)]
    stand_in: Option<tests::Keyholder>,
    _expiry_tasks: JoinSet<()>,
}

impl std::fmt::Debug for ServiceBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceBus")
            .field("resource_name", &self.resource_name)
            .field("namespace_host", &self.namespace_host)
            .finish_non_exhaustive()
    }
}

impl ServiceBus {
    /// A namespace with the queues of `spec`, all empty. `resource_name` is its
    /// logical name in the access model, `namespace_host` the host that clients
    /// name, such as `localbus.servicebus.windows.net`. With a `relay` an emulator
    /// holds the messages, behind the gate.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime, which runs the tasks that end locks.
    pub(crate) fn new(
        resource_name: &str,
        namespace_host: String,
        spec: &ServiceBusSpec,
        gate: Gate,
        clock: Clock,
        relay: Option<Arc<Relay>>,
    ) -> Arc<Self> {
        let mut expiry_tasks = JoinSet::new();
        let mut queues = BTreeMap::new();
        for (name, spec) in &spec.queues {
            let scope = Scope::new([resource_name, "queues", name.as_str()]);
            let place = if let Some(relay) = &relay {
                Place::Emulator(Arc::clone(relay), scope)
            } else {
                let queue = Arc::new(SharedQueue::new(name, scope, spec.clone()));
                let (expiring, clock) = (Arc::clone(&queue), clock.clone());
                expiry_tasks.spawn(async move { expiring.keep_expiring(clock).await });
                Place::Own(queue)
            };
            queues.insert(name.to_ascii_lowercase(), place);
        }
        Arc::new(Self {
            resource_name: resource_name.to_owned(),
            namespace_host,
            gate,
            clock,
            queues,
            relay,
            connections: Semaphore::new(MAX_CONNECTIONS),
            #[cfg(test)]
            stand_in: None,
            _expiry_tasks: expiry_tasks,
        })
    }

    /// Serves one connection, whose TLS is already accepted, until it ends.
    pub async fn serve<IO>(self: Arc<Self>, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let permit = self.connections.try_acquire();
        transport::run(Arc::clone(&self), permit.is_ok(), io).await;
    }

    /// Counts and hashes of everything that is kept; no content. Probes
    /// leave it as it is.
    pub fn digest(&self) -> serde_json::Value {
        if let Some(relay) = &self.relay {
            return behind::digest(relay.url());
        }
        let own = self.queues.iter().filter_map(|(name, place)| match place {
            Place::Own(queue) => Some((name.clone(), queue.digest())),
            Place::Emulator(..) => None,
        });
        json!({ "queues": own.collect::<serde_json::Map<_, _>>() })
    }

    fn queue(&self, name: &str) -> Option<Place> {
        self.queues.get(&name.to_ascii_lowercase()).cloned()
    }

    /// Whatever is no Entra token is audited as a missing one.
    fn audit_as_missing(&self) {
        let audience = Audience::service_bus(&self.namespace_host);
        let _refused_either_way = self.gate.authenticate(None, &audience);
    }

    /// Whether a host, with or without a port, is this namespace.
    fn answers_to(&self, host: &str) -> bool {
        let host = host.split(':').next().unwrap_or_default();
        [self.namespace_host.as_str(), "localhost", "127.0.0.1"]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(host))
    }
}
