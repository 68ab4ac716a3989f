//! What becomes of a message whose handling failed: what may pass is tried again,
//! what never will is dead-lettered with a reason.

use std::error::Error;

use platform::azure::AzureFailure;

use crate::messages::Unreadable;
use crate::store::StoreError;

/// Why a message was not handled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// It may pass: a dependency is down, or a role is missing.
    #[error("it may pass")]
    Passing(#[source] Box<dyn Error + Send + Sync>),
    /// It never will.
    #[error("it never will: {reason}")]
    Permanent {
        /// The reason of the dead letter, a short code.
        reason: &'static str,
        /// What is wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl From<Unreadable> for Trouble {
    fn from(error: Unreadable) -> Self {
        Self::Permanent {
            reason: error.reason(),
            source: error.into(),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        if error.is_passing() {
            Self::Passing(error.into())
        } else {
            Self::Permanent {
                reason: "RefusedByStore",
                source: error.into(),
            }
        }
    }
}

/// Blob Storage is asked for nothing that depends on the message, so that no
/// answer of it is the message's fault.
impl From<AzureFailure> for Trouble {
    fn from(failure: AzureFailure) -> Self {
        Self::Passing(failure.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use crate::store::tests::answered;
    use azure_core::http::StatusCode;

    #[test]
    fn a_message_that_cannot_be_understood_never_will_be() {
        let unreadable = messages::read_event(b"{\"schema\":9}").expect_err("a foreign schema");

        let Trouble::Permanent { reason, source } = unreadable.into() else {
            panic!("it should be permanent");
        };

        assert_eq!(reason, "UnknownSchema");
        assert_eq!(
            source.to_string(),
            "the message has schema 9, and schema 1 is the one known here"
        );
    }

    #[test]
    fn a_missing_role_is_no_fault_of_the_message() {
        let refused = answered(StatusCode::Forbidden, Some(5302));

        assert!(matches!(refused.into(), Trouble::Passing(_)));
    }

    #[test]
    fn what_the_store_refuses_for_good_is_the_messages_fault() {
        let refused = answered(StatusCode::PayloadTooLarge, None);

        assert!(matches!(
            refused.into(),
            Trouble::Permanent {
                reason: "RefusedByStore",
                ..
            }
        ));
    }
}
