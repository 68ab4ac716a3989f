//! Why a call of the backend failed, told apart by what somebody can do about it.

use http::StatusCode;
use platform::error::Problem;
use platform::identity::IdentityError;
use reqwest::Response;

/// More than any problem needs; what follows is not read.
const LONGEST_PROBLEM: usize = 64 * 1024;

/// A call of the backend that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendFailure {
    /// This pod has no token to present.
    #[error("cannot present this pod's token to the backend")]
    Token(#[source] IdentityError),
    /// There was no answer, or no whole one, or not the one that was agreed on.
    #[error("cannot {operation}: no sound answer of the backend")]
    Lost {
        operation: &'static str,
        #[source]
        source: reqwest::Error,
    },
    /// The backend answered that it did not do it.
    #[error("cannot {operation}: the backend answered {refusal}")]
    Refused {
        operation: &'static str,
        refusal: Refusal,
    },
}

/// The backend's own words, from its problem details (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {code}: {detail}", status.as_u16())]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// A word, for example `not_found`.
    pub(crate) code: String,
    /// A sentence for people.
    pub(crate) detail: String,
}

impl BackendFailure {
    /// The status, when there was an answer.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal.status),
            Self::Token(_) | Self::Lost { .. } => None,
        }
    }

    pub(super) fn lost(operation: &'static str, source: reqwest::Error) -> Self {
        Self::Lost { operation, source }
    }
}

/// Reads an answer that is no success. One that holds no problem details, as
/// from a proxy in between, still has its status.
pub(super) async fn read(operation: &'static str, mut response: Response) -> BackendFailure {
    let status = response.status();
    let mut body = Vec::new();
    while body.len() < LONGEST_PROBLEM
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    let refusal = match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Refusal {
            status,
            code: problem.code,
            detail: problem.detail,
        },
        Err(_) => Refusal {
            status,
            code: "unknown".to_owned(),
            detail: "without saying why".to_owned(),
        },
    };
    BackendFailure::Refused { operation, refusal }
}
