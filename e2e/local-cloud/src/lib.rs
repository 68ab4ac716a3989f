//! A local Azure and Kubernetes issuer that enforces trust and roles the way
//! Azure does: local cloud, not Azure.
//!
//! It plays the cluster's token issuer, Entra ID, Key Vault, Cosmos DB, Blob
//! Storage and Service Bus, in memory, on loopback, behind a private CA. It
//! depends on no crate of the workload, so that a client's bug cannot hide an
//! emulator's.

pub mod audit;
mod behind;
pub mod blob;
pub mod clock;
mod cloud;
mod cluster;
pub mod command;
pub mod control;
pub mod cosmos;
mod directory;
mod entra;
pub mod explain;
pub mod faults;
mod front_door;
pub mod gate;
pub mod graph;
pub mod holds;
mod jwt;
pub mod key_vault;
pub mod keys;
pub mod lab;
pub mod model;
pub mod names;
mod network;
mod proxy;
pub mod roles;
pub mod service_bus;
mod state;
mod tls;
mod unique_map;

pub use behind::{Behind, BehindError, Unanswered};
pub use cloud::{LocalCloud, Options, StartError, played_hosts};
pub use cluster::{Denial, RunningPod, TokenRequest, WebhookVersion};
pub use directory::FederatedCredential;
pub use entra::{EXCHANGE_AUDIENCE, ExternalIssuer};
pub use network::Network;
pub use service_bus::RelayError;
pub use state::Endpoints;

#[cfg(test)]
mod testing;
