//! Why the store did not do what was asked of it.

use std::fmt;

use platform::azure::{AzureFailure, Service};

use crate::todos::{Deleted, Invalid, ListId};

/// What may not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    List,
    Todo,
    Attachment,
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Todo => "todo",
            Self::Attachment => "attachment",
        })
    }
}

/// Why the store did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// It has never been there, or is there no more.
    #[error("there is no such {0}")]
    NotThere(Thing),
    /// Cosmos DB, or Entra ID before it, refused or failed.
    #[error("cannot {operation}")]
    CosmosDb {
        /// What was asked, in words.
        operation: &'static str,
        /// What came back.
        #[source]
        source: AzureFailure,
    },
    /// An operation of a transaction failed, and with it all others.
    #[error("a transaction failed with status {0}")]
    Transaction(u16),
    /// Every attempt met somebody else's change.
    #[error("list {0} is being changed by others")]
    Contended(ListId),
    /// A document that this program cannot have written.
    #[error("cannot make sense of the document of a {0}")]
    Document(Thing, #[source] Invalid),
    /// An answer without what every such answer has.
    #[error("Cosmos DB's answer has no {0}")]
    Incomplete(&'static str),
}

impl StoreError {
    /// For `map_err`: says what was being done.
    pub(super) fn during(
        operation: &'static str,
    ) -> impl Fn(azure_data_cosmos::CosmosError) -> Self {
        move |error| Self::CosmosDb {
            operation,
            source: AzureFailure::cosmos(error),
        }
    }

    /// Whether the same may succeed later. A missing role counts: it is granted
    /// or restored while this program runs.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::CosmosDb { source, .. } => {
                source.is_transient()
                    || source.refusal().is_some()
                    || source.service == Service::EntraId
                    || matches!(source.status, Some(401 | 403 | 404))
            }
            Self::Transaction(status) => matches!(status, 408 | 410 | 429 | 449 | 500..),
            Self::Contended(_) => true,
            Self::NotThere(_) | Self::Document(..) | Self::Incomplete(_) => false,
        }
    }
}

impl From<Deleted> for StoreError {
    fn from(_: Deleted) -> Self {
        Self::NotThere(Thing::Todo)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use azure_core::http::StatusCode;
    use azure_data_cosmos::{CosmosError, CosmosStatus};

    /// What Cosmos DB answers, as an error of its client.
    pub(crate) fn answered(status: StatusCode, sub_status: Option<u16>) -> StoreError {
        let mut answer = CosmosStatus::new(status);
        if let Some(sub_status) = sub_status {
            answer = answer.with_sub_status(sub_status);
        }
        let error = CosmosError::builder()
            .with_status(answer)
            .with_message("what the service says")
            .build();
        StoreError::during("read a document")(error)
    }

    #[test]
    fn what_may_pass_is_told_from_what_never_will() {
        for (error, passing) in [
            (answered(StatusCode::ServiceUnavailable, None), true),
            (answered(StatusCode::TooManyRequests, Some(3200)), true),
            (answered(StatusCode::Forbidden, Some(5302)), true),
            (answered(StatusCode::Unauthorized, None), true),
            (answered(StatusCode::NotFound, None), true),
            (StoreError::Transaction(429), true),
            (answered(StatusCode::BadRequest, None), false),
            (answered(StatusCode::PayloadTooLarge, None), false),
            (StoreError::Transaction(413), false),
            (StoreError::NotThere(Thing::Attachment), false),
        ] {
            assert_eq!(error.is_passing(), passing, "{error:?}");
        }
    }
}
