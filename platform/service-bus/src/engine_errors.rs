//! What the AMQP engine reports, as a [`ServiceBusErrorKind`]. The broker's own condition and
//! description win over the engine's words; an engine error without one is a lost connection.

use fe2o3_amqp::{
    connection::{ConnectionStopReason, OpenError},
    link::{
        DetachError, IllegalLinkStateError, LinkStateError, ReceiverAttachError, RecvError,
        SendError, SenderAttachError, SessionStopReason,
    },
    session::BeginError,
};
use fe2o3_amqp_types::{
    definitions::{self, ErrorCondition},
    messaging::Outcome,
    primitives::Symbol,
};

use crate::ServiceBusErrorKind;

impl From<definitions::Error> for ServiceBusErrorKind {
    fn from(error: definitions::Error) -> Self {
        let condition = match &error.condition {
            ErrorCondition::AmqpError(condition) => Symbol::from(condition),
            ErrorCondition::ConnectionError(condition) => Symbol::from(condition),
            ErrorCondition::SessionError(condition) => Symbol::from(condition),
            ErrorCondition::LinkError(condition) => Symbol::from(condition),
            ErrorCondition::Custom(condition) => condition.clone(),
        };
        Self::from_condition(condition.as_str(), error.description.unwrap_or_default())
    }
}

impl From<OpenError> for ServiceBusErrorKind {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::RemoteClosedWithError(error) => error.into(),
            other => Self::connection(other),
        }
    }
}

impl From<BeginError> for ServiceBusErrorKind {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::RemoteEndedWithError(error) => error.into(),
            BeginError::ConnectionStopped(reason) => connection_stopped(reason),
            other => Self::connection(other),
        }
    }
}

impl From<SenderAttachError> for ServiceBusErrorKind {
    fn from(error: SenderAttachError) -> Self {
        match error {
            SenderAttachError::RemoteClosedWithError(error) => error.into(),
            SenderAttachError::SessionStopped(reason) => session_stopped(reason),
            other => Self::connection(other),
        }
    }
}

impl From<ReceiverAttachError> for ServiceBusErrorKind {
    fn from(error: ReceiverAttachError) -> Self {
        match error {
            ReceiverAttachError::RemoteClosedWithError(error) => error.into(),
            ReceiverAttachError::SessionStopped(reason) => session_stopped(reason),
            other => Self::connection(other),
        }
    }
}

impl From<LinkStateError> for ServiceBusErrorKind {
    fn from(error: LinkStateError) -> Self {
        match error {
            LinkStateError::RemoteClosedWithError(error)
            | LinkStateError::RemoteDetachedWithError(error) => error.into(),
            LinkStateError::SessionStopped(reason) => session_stopped(reason),
            other => Self::connection(other),
        }
    }
}

impl From<IllegalLinkStateError> for ServiceBusErrorKind {
    fn from(error: IllegalLinkStateError) -> Self {
        LinkStateError::from(error).into()
    }
}

impl From<DetachError> for ServiceBusErrorKind {
    fn from(error: DetachError) -> Self {
        LinkStateError::from(error).into()
    }
}

impl From<SendError> for ServiceBusErrorKind {
    fn from(error: SendError) -> Self {
        match error {
            SendError::LinkStateError(error) => error.into(),
            SendError::Detached(error) => error.into(),
            SendError::MessageSizeExceeded(exceeded) => Self::MessageSizeExceeded {
                description: format!(
                    "the message has {} bytes, the queue accepts {}",
                    exceeded.size, exceeded.max_size
                ),
            },
            other @ (SendError::NonTerminalDeliveryState
            | SendError::IllegalDeliveryState
            | SendError::MessageEncodeError) => Self::Amqp {
                condition: "amqp:illegal-state".to_owned(),
                description: other.to_string(),
            },
        }
    }
}

impl From<RecvError> for ServiceBusErrorKind {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::LinkStateError(error) => error.into(),
            RecvError::MessageDecode(error) => Self::Amqp {
                condition: "amqp:decode-error".to_owned(),
                description: error.source.to_string(),
            },
            other => Self::connection(other),
        }
    }
}

/// The broker's answer to a message: only acceptance is success.
pub(crate) fn accepted(outcome: Outcome) -> Result<(), ServiceBusErrorKind> {
    match outcome {
        Outcome::Accepted(_) => Ok(()),
        Outcome::Rejected(rejected) => Err(rejected.error.map_or_else(
            || ServiceBusErrorKind::Amqp {
                condition: "rejected".to_owned(),
                description: "the broker gave no reason".to_owned(),
            },
            Into::into,
        )),
        Outcome::Released(_) | Outcome::Modified(_) => Err(ServiceBusErrorKind::ServerBusy {
            description: "the message was released".to_owned(),
        }),
    }
}

fn session_stopped(reason: SessionStopReason) -> ServiceBusErrorKind {
    match reason {
        SessionStopReason::RemoteEndedWithError(error) => error.into(),
        SessionStopReason::ConnectionStopped(reason) => connection_stopped(reason),
        other => ServiceBusErrorKind::connection(format_args!("the session stopped: {other:?}")),
    }
}

fn connection_stopped(reason: ConnectionStopReason) -> ServiceBusErrorKind {
    match reason {
        ConnectionStopReason::RemoteClosedWithError(error) => error.into(),
        other => ServiceBusErrorKind::connection(format_args!("the connection stopped: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use fe2o3_amqp_types::{
        definitions::AmqpError,
        messaging::{Accepted, Rejected, Released},
    };

    use super::*;

    fn amqp(condition: impl Into<ErrorCondition>, description: &str) -> definitions::Error {
        definitions::Error::new(condition, description.to_owned(), None)
    }

    #[test]
    fn a_refused_attach_keeps_condition_and_description() {
        let error = amqp(
            AmqpError::NotFound,
            "The messaging entity 'q' could not be found.",
        );

        let kind: ServiceBusErrorKind = SenderAttachError::RemoteClosedWithError(error).into();

        assert_eq!(
            kind.to_string(),
            "amqp:not-found: The messaging entity 'q' could not be found."
        );
        assert!(matches!(
            kind,
            ServiceBusErrorKind::MessagingEntityNotFound { .. }
        ));
    }

    #[test]
    fn a_connection_closed_with_an_error_is_reported_with_that_error() {
        let reason = SessionStopReason::ConnectionStopped(
            ConnectionStopReason::RemoteClosedWithError(amqp(
                definitions::ConnectionError::ConnectionForced,
                "maintenance",
            )),
        );

        let kind: ServiceBusErrorKind = LinkStateError::SessionStopped(reason).into();

        assert_eq!(kind.to_string(), "amqp:connection:forced: maintenance");
        assert!(kind.is_transient());
    }

    #[test]
    fn only_acceptance_is_success() {
        let lost = amqp(
            ErrorCondition::Custom(Symbol::from("com.microsoft:message-lock-lost")),
            "gone",
        );

        accepted(Outcome::Accepted(Accepted {})).unwrap();
        let rejected = accepted(Outcome::Rejected(Rejected { error: Some(lost) })).unwrap_err();
        let released = accepted(Outcome::Released(Released {})).unwrap_err();

        assert_eq!(
            rejected.to_string(),
            "com.microsoft:message-lock-lost: gone"
        );
        assert!(released.is_transient(), "{released}");
    }
}
