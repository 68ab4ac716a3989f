//! Why the store did not do what was asked of it.

use platform::azure::{AzureFailure, Service};
use platform::error::ApiError;

use crate::todos::{Deleted, Invalid, ListId};

/// Why the store did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// What the change is to has never been there, or is there no more.
    #[error("there is no such {0}")]
    NotThere(&'static str),
    /// What the change is to is another version than the caller knows.
    #[error("it has been changed since")]
    Changed,
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
    #[error("cannot make sense of a document of list {list}")]
    Document {
        /// Whose.
        list: ListId,
        /// What is wrong with it.
        #[source]
        source: Invalid,
    },
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
            Self::NotThere(_) | Self::Changed | Self::Document { .. } | Self::Incomplete(_) => {
                false
            }
        }
    }
}

impl From<Deleted> for StoreError {
    fn from(_: Deleted) -> Self {
        Self::NotThere("todo")
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotThere(_) => Self::not_found(error.to_string()),
            StoreError::Changed => Self::changed(error.to_string()),
            StoreError::CosmosDb { source, .. } => source.into(),
            StoreError::Contended(_) | StoreError::Transaction(_) | StoreError::Incomplete(_) => {
                Self::unavailable(Service::CosmosDb, error)
            }
            StoreError::Document { .. } => Self::internal(error),
        }
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
            (StoreError::NotThere("attachment"), false),
        ] {
            assert_eq!(error.is_passing(), passing, "{error:?}");
        }
    }

    #[test]
    fn each_reason_has_its_answer() {
        let list = ListId::parse("inbox").expect("a list");
        for (error, status, code, detail) in [
            (
                StoreError::NotThere("todo"),
                404,
                "not_found",
                "there is no such todo",
            ),
            (
                StoreError::Changed,
                412,
                "changed",
                "it has been changed since",
            ),
            (
                answered(StatusCode::Forbidden, Some(5302)),
                503,
                "dependency_unavailable",
                "Cosmos DB refused this pod's identity (403/5302): see infra/access.json",
            ),
            (
                StoreError::Contended(list),
                503,
                "dependency_unavailable",
                "Cosmos DB did not do what was asked of it",
            ),
        ] {
            let problem = ApiError::from(error).problem();

            assert_eq!(problem.status, status);
            assert_eq!(problem.code, code);
            assert_eq!(problem.detail, detail);
        }
    }
}
