//! What can go wrong, as a caller tells it apart. Never carries a token or a message's body.

use std::{error, fmt, time::Duration};

/// An operation on an entity that failed.
#[derive(Debug)]
pub struct ServiceBusError {
    operation: &'static str,
    entity: String,
    kind: ServiceBusErrorKind,
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceBusErrorKind {
    /// The identity lacks the role: `amqp:unauthorized-access`. Never retried.
    #[error("amqp:unauthorized-access: {description}")]
    Unauthorized {
        /// The claim that the broker asks for, `Send` or `Listen`, if its description names one.
        claim: Option<String>,
        /// The broker's description.
        description: String,
    },
    /// There is no such queue: `amqp:not-found`.
    #[error("amqp:not-found: {description}")]
    MessagingEntityNotFound {
        /// The broker's description.
        description: String,
    },
    /// The message is no longer locked by this receiver, so it will be, or has been, delivered
    /// again or settled otherwise: `com.microsoft:message-lock-lost`.
    #[error("com.microsoft:message-lock-lost: {description}")]
    MessageLockLost {
        /// The broker's description.
        description: String,
    },
    /// The broker did not accept the access token (signature, issuer, audience, expiry): it is
    /// not a missing role.
    #[error("the broker refused the access token with status {status}: {description}")]
    TokenRefused {
        /// The status of the put-token response, as in HTTP.
        status: i32,
        /// The broker's description.
        description: String,
    },
    /// Entra ID gave no access token.
    #[error("no access token for {scope}")]
    TokenUnavailable {
        /// The scope that was asked for.
        scope: &'static str,
        /// What the credential says.
        #[source]
        source: Box<azure_core::Error>,
    },
    /// No answer in time.
    #[error("no answer within {after:?}")]
    Timeout {
        /// How long the last attempt waited.
        after: Duration,
    },
    /// The connection, session or link could not be opened or was lost.
    #[error("{description}")]
    Connection {
        /// What happened to it.
        description: String,
    },
    /// The broker asks to try again later: `com.microsoft:server-busy`, a released message, or a
    /// status above 499.
    #[error("the broker is busy: {description}")]
    ServerBusy {
        /// The broker's description.
        description: String,
    },
    /// The queue is full: `amqp:resource-limit-exceeded`.
    #[error("amqp:resource-limit-exceeded: {description}")]
    QuotaExceeded {
        /// The broker's description.
        description: String,
    },
    /// The message is larger than the queue accepts: `amqp:link:message-size-exceeded`.
    #[error("amqp:link:message-size-exceeded: {description}")]
    MessageSizeExceeded {
        /// The broker's description, or both sizes.
        description: String,
    },
    /// Any other condition that the broker or the codec named.
    #[error("{condition}: {description}")]
    Amqp {
        /// The error condition, such as `amqp:not-allowed`.
        condition: String,
        /// Its description.
        description: String,
    },
    /// The client was closed by its owner.
    #[error("the client is closed")]
    Closed,
    /// The namespace or the custom endpoint address is no address.
    #[error("{address:?} is not an address: {why}")]
    InvalidAddress {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The platform's certificate verifier could not be set up.
    #[error("no TLS: {description}")]
    Tls {
        /// What the TLS library says.
        description: String,
    },
}

impl ServiceBusError {
    /// Why the operation failed.
    pub fn kind(&self) -> &ServiceBusErrorKind {
        &self.kind
    }

    /// The entity it was on: a queue's path, or the namespace.
    pub fn entity(&self) -> &str {
        &self.entity
    }
}

impl fmt::Display for ServiceBusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {} {}: {}",
            self.operation, self.entity, self.kind
        )
    }
}

impl error::Error for ServiceBusError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.kind.source()
    }
}

impl ServiceBusErrorKind {
    /// Whether the same operation may succeed if it is tried again soon.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Timeout { .. } | Self::Connection { .. } | Self::ServerBusy { .. }
        )
    }

    /// The error of an operation, such as `send to`, on an entity. For those who play a queue in
    /// their tests.
    pub fn during(self, operation: &'static str, entity: &str) -> ServiceBusError {
        ServiceBusError {
            operation,
            entity: entity.to_owned(),
            kind: self,
        }
    }

    pub(crate) fn connection(description: impl fmt::Display) -> Self {
        Self::Connection {
            description: description.to_string(),
        }
    }

    /// From an AMQP error condition, as a detach, a rejection or a management response bears it.
    pub(crate) fn from_condition(condition: &str, description: String) -> Self {
        match condition {
            "amqp:unauthorized-access" => Self::Unauthorized {
                claim: claim_in(&description),
                description,
            },
            "amqp:not-found" | "com.microsoft:entity-not-found" => {
                Self::MessagingEntityNotFound { description }
            }
            "com.microsoft:message-lock-lost" => Self::MessageLockLost { description },
            "com.microsoft:server-busy" => Self::ServerBusy { description },
            "amqp:resource-limit-exceeded" => Self::QuotaExceeded { description },
            "amqp:link:message-size-exceeded" => Self::MessageSizeExceeded { description },
            "amqp:connection:forced"
            | "amqp:connection:framing-error"
            | "amqp:link:detach-forced"
            | "amqp:internal-error"
            | "com.microsoft:timeout" => Self::Connection {
                description: format!("{condition}: {description}"),
            },
            _ => Self::Amqp {
                condition: condition.to_owned(),
                description,
            },
        }
    }
}

/// The claim in a description such as `Unauthorized access. 'Send' claim(s) are required to
/// perform this operation. Resource: '…'`.
fn claim_in(description: &str) -> Option<String> {
    let (before, _) = description.split_once("' claim(s)")?;
    let (_, claim) = before.rsplit_once('\'')?;
    Some(claim.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_by_role_keeps_the_description_and_names_the_claim() {
        let description = "Unauthorized access. 'Listen' claim(s) are required to perform this \
            operation. Resource: 'sb://localbus.servicebus.windows.net/todo-events'.";

        let kind =
            ServiceBusErrorKind::from_condition("amqp:unauthorized-access", description.to_owned());

        assert!(!kind.is_transient());
        let ServiceBusErrorKind::Unauthorized {
            claim,
            description: kept,
        } = kind
        else {
            panic!("{kind}");
        };
        assert_eq!(claim.as_deref(), Some("Listen"));
        assert_eq!(kept, description);
    }

    #[test]
    fn a_refusal_without_a_claim_is_still_a_refusal() {
        let kind = ServiceBusErrorKind::from_condition(
            "amqp:unauthorized-access",
            "The token has expired".to_owned(),
        );

        assert!(
            matches!(&kind, ServiceBusErrorKind::Unauthorized { claim: None, .. }),
            "{kind}"
        );
    }

    #[test]
    fn conditions_become_the_kinds_of_the_official_sdk() {
        let kind = |condition| {
            let kind = ServiceBusErrorKind::from_condition(condition, "why".to_owned());
            (kind.is_transient(), kind.to_string())
        };

        assert_eq!(
            kind("amqp:not-found"),
            (false, "amqp:not-found: why".to_owned())
        );
        assert_eq!(
            kind("com.microsoft:message-lock-lost"),
            (false, "com.microsoft:message-lock-lost: why".to_owned())
        );
        assert_eq!(
            kind("amqp:link:detach-forced"),
            (true, "amqp:link:detach-forced: why".to_owned())
        );
        assert_eq!(
            kind("com.microsoft:server-busy"),
            (true, "the broker is busy: why".to_owned())
        );
        assert_eq!(
            kind("amqp:not-allowed"),
            (false, "amqp:not-allowed: why".to_owned())
        );
    }

    #[test]
    fn an_error_says_what_was_tried_on_what() {
        let error = ServiceBusErrorKind::Closed.during("send to", "todo-events");

        assert_eq!(
            error.to_string(),
            "cannot send to todo-events: the client is closed"
        );
    }
}
