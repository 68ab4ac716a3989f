//! Who is refused for what he is, end to end over the wire: at Entra ID's token
//! endpoint, and at the door of each resource. Raw HTTP and AMQP, so that no
//! client is between a refusal and its exact form.
//!
//! What only the holder of an issuer's private key could make (a token of Entra
//! ID for another tenant, or one not yet valid) is tested where the key is, in
//! the local cloud's own tests.

#![cfg(test)]

mod amqp;
mod blob;
mod cloud;
#[path = "../sdk/cloud_process.rs"]
mod cloud_process;
mod cosmos;
mod expiry;
mod explained;
mod forge;
mod graph;
mod key_vault;
mod rollover;
mod service_bus;
mod token_endpoint;
mod trust;
