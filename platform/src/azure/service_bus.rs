//! The Service Bus client, what is told of its sends, and what its errors mean:
//! the one file that knows the shape of that crate.

use std::future::Future;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use service_bus::{
    RetryOptions, ServiceBusClient, ServiceBusClientOptions, ServiceBusError, ServiceBusErrorKind,
    ServiceBusMessage, ServiceBusSender,
};
use tracing::Instrument as _;

use super::calls::step_5;
use super::failure::{AzureFailure, Service};
use super::pipeline;
use super::presented::Presented;
use crate::estate::Bus;
use crate::telemetry::context::{TRACEPARENT, current_traceparent};
use crate::telemetry::dependency::{self, Kind, Outcome};

/// The condition of a role that is missing.
const UNAUTHORIZED: &str = "amqp:unauthorized-access";

/// A client of the estate's namespace. It connects when it is first used.
pub(super) fn connect(
    bus: &Bus,
    credential: &Arc<dyn TokenCredential>,
) -> Result<ServiceBusClient, AzureFailure> {
    let options = ServiceBusClientOptions {
        custom_endpoint_address: bus.custom_endpoint.clone(),
        try_timeout: pipeline::REQUEST.in_total,
        retry: RetryOptions {
            max_attempts: pipeline::RETRIES + 1,
            budget: pipeline::REQUEST.in_total,
            ..RetryOptions::default()
        },
    };
    ServiceBusClient::new(&bus.namespace, Arc::clone(credential), options)
        .map_err(AzureFailure::service_bus)
}

/// Sends to one queue. Each send is a span, and its message carries that span as
/// the property `traceparent`, so that its receiver continues the trace. A cheap
/// handle: clones share the link.
#[derive(Debug, Clone)]
pub struct QueueSender {
    sender: Arc<ServiceBusSender>,
    presented: Presented,
}

impl QueueSender {
    pub(super) fn new(sender: ServiceBusSender, presented: Presented) -> Self {
        Self {
            sender: Arc::new(sender),
            presented,
        }
    }

    /// Sends a message, as [`ServiceBusSender::send_message`] does.
    pub async fn send_message(
        &self,
        mut message: ServiceBusMessage,
    ) -> Result<(), ServiceBusError> {
        let Self { sender, presented } = self;
        let sending = async {
            if let Some(traceparent) = current_traceparent() {
                let properties = &mut message.application_properties;
                properties.insert(TRACEPARENT.to_owned(), traceparent);
            }
            let span = step_5(presented);
            sender.send_message(&message).instrument(span).await
        };
        let operation = format!("send {}", sender.queue());
        dependency::call_of(
            Kind::Producer,
            Service::ServiceBus.word(),
            &operation,
            sending,
            outcome,
        )
        .await
    }

    /// The queue that messages are sent to.
    pub fn queue(&self) -> &str {
        self.sender.queue()
    }

    /// Opens the link without sending, as [`ServiceBusSender::open`] does.
    pub async fn open(&self) -> Result<(), ServiceBusError> {
        self.sender.open().await
    }

    /// Detaches the link. A later message opens another.
    pub async fn close(&self) {
        self.sender.close().await;
    }
}

/// Tells of another operation on a queue than a send, for example
/// `complete todo-events`.
pub async fn queue_call<T>(
    operation: &str,
    work: impl Future<Output = Result<T, ServiceBusError>>,
) -> Result<T, ServiceBusError> {
    dependency::call(Service::ServiceBus.word(), operation, work, outcome).await
}

fn outcome<T>(result: &Result<T, ServiceBusError>) -> Outcome {
    match result.as_ref().map_err(ServiceBusError::kind) {
        Ok(_)
        | Err(
            ServiceBusErrorKind::MessageSizeExceeded { .. }
            | ServiceBusErrorKind::MessageLockLost { .. },
        ) => Outcome::Answered,
        Err(ServiceBusErrorKind::Unauthorized { .. }) => Outcome::Refused,
        Err(_) => Outcome::Failed,
    }
}

impl AzureFailure {
    /// A failure of Service Bus' client. Its code is the AMQP condition, with
    /// the claim that is missing: `amqp:unauthorized-access Send`.
    pub fn service_bus(error: ServiceBusError) -> Self {
        let (status, code) = codes(error.kind());
        let transient = error.kind().is_transient();
        let message = error.kind().to_string();
        Self::of(
            Service::ServiceBus,
            status,
            code,
            &message,
            transient,
            error,
        )
    }

    /// The condition and the claim (`Send`, `Listen`) that is missing.
    pub(super) fn missing_claim(&self) -> Option<String> {
        let code = self.code.as_ref()?;
        code.starts_with(UNAUTHORIZED).then(|| code.clone())
    }
}

/// The status, as in HTTP, and the condition.
fn codes(kind: &ServiceBusErrorKind) -> (Option<u16>, Option<String>) {
    let condition = match kind {
        ServiceBusErrorKind::Unauthorized { claim, .. } => {
            let claim = claim.as_ref().map(|claim| format!(" {claim}"));
            return (
                None,
                Some(format!("{UNAUTHORIZED}{}", claim.unwrap_or_default())),
            );
        }
        ServiceBusErrorKind::MessagingEntityNotFound { .. } => {
            return (Some(404), Some("amqp:not-found".to_owned()));
        }
        ServiceBusErrorKind::TokenRefused { status, .. } => {
            return (u16::try_from(*status).ok(), None);
        }
        ServiceBusErrorKind::MessageLockLost { .. } => "com.microsoft:message-lock-lost",
        ServiceBusErrorKind::QuotaExceeded { .. } => "amqp:resource-limit-exceeded",
        ServiceBusErrorKind::MessageSizeExceeded { .. } => "amqp:link:message-size-exceeded",
        ServiceBusErrorKind::Amqp { condition, .. } => condition,
        _ => return (None, None),
    };
    (None, Some(condition.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::tests::Unasked;

    #[test]
    fn a_missing_claim_is_named_behind_the_condition() {
        let kind = |claim: Option<&str>| ServiceBusErrorKind::Unauthorized {
            claim: claim.map(str::to_owned),
            description: "Unauthorized access".to_owned(),
        };

        assert_eq!(
            codes(&kind(Some("Listen"))).1.as_deref(),
            Some("amqp:unauthorized-access Listen")
        );
        assert_eq!(
            codes(&kind(None)).1.as_deref(),
            Some("amqp:unauthorized-access")
        );
    }

    #[test]
    fn a_refused_token_is_a_status_and_no_missing_role() {
        let kind = ServiceBusErrorKind::TokenRefused {
            status: 401,
            description: "InvalidSignature".to_owned(),
        };

        assert_eq!(codes(&kind), (Some(401), None));
    }

    #[test]
    fn a_namespace_that_is_no_address_is_told_when_the_clients_are_built() {
        let bus = Bus {
            namespace: "localbus.servicebus.windows.net".to_owned(),
            todo_events: "todo-events".to_owned(),
            attachment_jobs: "attachment-jobs".to_owned(),
            custom_endpoint: Some("nowhere:port".to_owned()),
        };
        let credential: Arc<dyn TokenCredential> = Arc::new(Unasked);

        let failure = connect(&bus, &credential).expect_err("no port");

        assert_eq!(failure.service, Service::ServiceBus);
        assert!(!failure.is_transient());
        assert!(failure.message.contains("nowhere"), "{}", failure.message);
    }
}
