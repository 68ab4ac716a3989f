//! The Service Bus client, and what its errors mean: the one file that knows the
//! shape of that crate.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use service_bus::{
    RetryOptions, ServiceBusClient, ServiceBusClientOptions, ServiceBusError, ServiceBusErrorKind,
};

use super::failure::{AzureFailure, Service};
use super::pipeline;
use crate::estate::Bus;

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

impl AzureFailure {
    /// A failure of Service Bus' client. Its code is the AMQP condition, with
    /// the claim that is missing: `amqp:unauthorized-access Send`.
    pub fn service_bus(error: ServiceBusError) -> Self {
        let (status, code) = match error.kind() {
            ServiceBusErrorKind::Unauthorized { claim, .. } => {
                let claim = claim.as_ref().map(|claim| format!(" {claim}"));
                (
                    None,
                    Some(format!("{UNAUTHORIZED}{}", claim.unwrap_or_default())),
                )
            }
            ServiceBusErrorKind::MessagingEntityNotFound { .. } => {
                (Some(404), Some("amqp:not-found".to_owned()))
            }
            ServiceBusErrorKind::MessageLockLost { .. } => {
                (None, Some("com.microsoft:message-lock-lost".to_owned()))
            }
            ServiceBusErrorKind::TokenRefused { status, .. } => (u16::try_from(*status).ok(), None),
            ServiceBusErrorKind::QuotaExceeded { .. } => {
                (None, Some("amqp:resource-limit-exceeded".to_owned()))
            }
            ServiceBusErrorKind::MessageSizeExceeded { .. } => {
                (None, Some("amqp:link:message-size-exceeded".to_owned()))
            }
            ServiceBusErrorKind::Amqp { condition, .. } => (None, Some(condition.clone())),
            _ => (None, None),
        };
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

    /// Whether a Service Bus claim (`Send`, `Listen`) is missing.
    pub(super) fn lacks_claim(&self) -> Option<String> {
        let code = self.code.as_deref()?;
        (code == UNAUTHORIZED || code.starts_with("amqp:unauthorized-access "))
            .then(|| code.to_owned())
    }
}
