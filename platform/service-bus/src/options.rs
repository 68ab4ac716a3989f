//! What a caller may choose. Every default is right for a pod of the workload.

use std::time::Duration;

/// How a [`ServiceBusClient`](crate::ServiceBusClient) reaches its namespace.
#[derive(Debug, Clone)]
pub struct ServiceBusClientOptions {
    /// `host:port` of the TCP connection instead of `<namespace>:5671`; its host is also the name
    /// that the TLS certificate must bear. AMQP still names the namespace. The official SDKs'
    /// "custom endpoint address". Default: none.
    pub custom_endpoint_address: Option<String>,
    /// How long one attempt may take. Default: 5 s.
    pub try_timeout: Duration,
    /// How often and how long an operation is tried.
    pub retry: RetryOptions,
}

impl Default for ServiceBusClientOptions {
    fn default() -> Self {
        Self {
            custom_endpoint_address: None,
            try_timeout: Duration::from_secs(5),
            retry: RetryOptions::default(),
        }
    }
}

/// How often and how long an operation is tried.
#[derive(Debug, Clone)]
pub struct RetryOptions {
    /// Attempts in all, the first included. Default: 3.
    pub max_attempts: u32,
    /// Time for all attempts and the pauses between them. Default: 5 s.
    pub budget: Duration,
    /// Pause before the second attempt; doubled before each further one, with jitter.
    /// Default: 100 ms.
    pub delay: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            budget: Duration::from_secs(5),
            delay: Duration::from_millis(100),
        }
    }
}

/// What a [`ServiceBusReceiver`](crate::ServiceBusReceiver) reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServiceBusReceiverOptions {
    /// The queue itself or its dead-letter queue.
    pub sub_queue: SubQueue,
}

/// Which part of a queue to receive from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SubQueue {
    /// The queue itself.
    #[default]
    None,
    /// The messages that were dead-lettered.
    DeadLetter,
}

/// What a probe asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The right to send, `Send`.
    Send,
    /// The right to receive, `Listen`.
    Receive,
}
