//! What any pod of a workload stands on: its settings, its identity, the Azure
//! clients that use it, the probe that shows what it may do, errors, health,
//! server and telemetry.
//!
//! This crate knows Azure and Kubernetes. It knows no domain: what a service is
//! for is the business of the crates that stand on it.

pub mod settings;

pub mod pod;

pub mod telemetry;

pub mod identity;

pub mod estate;

pub mod azure;

pub mod access;

pub mod caller;

pub mod signing;

pub mod error;

pub mod request_id;

pub mod health;

pub mod backoff;

pub mod readiness;

pub mod server;
