//! A Service Bus client over AMQP 1.0 and TLS, authenticated by an Entra ID token and nothing else.
//!
//! It owns what a queue of Azure Service Bus needs: claims-based security, sending, peek-lock
//! receiving, settlement. It bears the names of the official SDK's types, so that it can be
//! replaced by the official crate once that is published. It knows no connection string, no
//! shared key, no session, topic or transaction, and it never logs a token.
//!
//! Vendor's pages: *AMQP 1.0 in Azure Service Bus and Event Hubs protocol guide* and
//! *AMQP request/response-based operations*, read 2026-11.
//!
//! # Delivery
//!
//! Everything is at least once. [`ServiceBusSender::send_message`] may put a message into the
//! queue twice when the connection breaks between the broker's acceptance and its answer: the
//! caller chooses the message id, and a queue with duplicate detection drops the copy.
//! A received message may have been seen before: handlers are idempotent by message id.
//!
//! # Failures
//!
//! A lost connection or link is reopened by the operation that meets it, at most
//! [`RetryOptions::max_attempts`] times within [`RetryOptions::budget`]. A refusal by role
//! ([`ServiceBusErrorKind::Unauthorized`]) is never retried.

mod address;
mod cbs;
mod client;
mod connection;
mod engine_errors;
mod error;
mod link;
mod management;
mod message;
mod options;
mod probe;
mod receiver;
mod request_link;
mod retry;
mod sender;

pub use client::ServiceBusClient;
pub use connection::CLOSE_TIMEOUT;
pub use error::{ServiceBusError, ServiceBusErrorKind};
pub use message::{ServiceBusMessage, ServiceBusReceivedMessage};
pub use options::{
    Direction, RetryOptions, ServiceBusClientOptions, ServiceBusReceiverOptions, SubQueue,
};
pub use receiver::ServiceBusReceiver;
pub use sender::ServiceBusSender;
