//! The broker over the wire, with fe2o3-amqp as client, and with raw frames
//! where a client would not do what is to be tested.

mod authorization;
mod client;
mod locks;
mod messages;
mod protocol;
mod raw;
mod relay;
mod stand_in;
mod upstream;

pub(super) use stand_in::Keyholder;
