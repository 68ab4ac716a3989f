//! A local Azure and Kubernetes issuer that enforces trust and roles the way
//! Azure does: local cloud, not Azure.
//!
//! It plays the cluster's token issuer, Entra ID, Key Vault, Cosmos DB, Blob
//! Storage and Service Bus, in memory, on loopback, behind a private CA. It
//! depends on no crate of the workload, so that a client's bug cannot hide an
//! emulator's.

pub mod audit;
pub mod clock;
pub mod cosmos;
mod entra;
pub mod gate;
pub mod holds;
mod jwt;
pub mod keys;
pub mod model;
pub mod names;
pub mod roles;
#[cfg(test)]
mod testing;
mod unique_map;
