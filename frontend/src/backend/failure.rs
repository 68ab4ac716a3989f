//! Why a call of the backend failed, told apart by what somebody can do about it.

use std::time::Duration;

use http::StatusCode;
use platform::identity::IdentityError;
use reqwest::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// More than any problem needs, with a whole todo in it; what follows is not read.
const LONGEST_PROBLEM: usize = 64 * 1024;

/// A call of the backend that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendFailure {
    /// This pod has no token to present.
    #[error("cannot present this pod's token to the backend")]
    Token(#[source] IdentityError),
    /// There was no answer, or no whole one.
    #[error("cannot {operation}: no answer of the backend")]
    Lost {
        operation: &'static str,
        #[source]
        source: reqwest::Error,
    },
    /// There was an answer, and it is not the one that was agreed on.
    #[error("cannot {operation}: the backend's answer is not understood")]
    Misunderstood {
        operation: &'static str,
        #[source]
        source: serde_json::Error,
    },
    /// The time was over.
    #[error("cannot {operation}: no answer of the backend within {patience:?}")]
    Slow {
        operation: &'static str,
        patience: Duration,
    },
    /// The backend answered that it did not do it.
    #[error("cannot {operation}: the backend answered {refusal}")]
    Refused {
        operation: &'static str,
        refusal: Refusal,
    },
}

/// The backend's own words, from its problem details (RFC 9457).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{} {code}: {detail}", status.as_u16())]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// A word, for example `no_such_todo`.
    pub(crate) code: String,
    /// A sentence for people.
    pub(crate) detail: String,
    /// With `changed`: what the thing is now.
    current: Option<Value>,
}

/// What is read of problem details.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
    current: Option<Value>,
}

impl BackendFailure {
    /// The backend's answer, when there was one.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    /// Whether the connection broke before the answer was whole: what was asked
    /// may have been done.
    pub(super) fn is_broken_off(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// Whether there was no connection: nothing was asked.
    pub(super) fn is_unasked(&self) -> bool {
        matches!(self, Self::Lost { source, .. } if source.is_connect())
    }

    pub(super) fn lost(operation: &'static str) -> impl Fn(reqwest::Error) -> Self {
        move |source| Self::Lost { operation, source }
    }
}

impl Refusal {
    /// What somebody else made of the thing, when that is why it was refused.
    pub(super) fn current<T: DeserializeOwned>(&self) -> Option<T> {
        if self.status != StatusCode::PRECONDITION_FAILED {
            return None;
        }
        serde_json::from_value(self.current.clone()?).ok()
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
    let problem = serde_json::from_slice(&body).unwrap_or_else(|_| Problem {
        code: "unknown".to_owned(),
        detail: "without saying why".to_owned(),
        current: None,
    });
    let refusal = Refusal {
        status,
        code: problem.code,
        detail: problem.detail,
        current: problem.current,
    };
    BackendFailure::Refused { operation, refusal }
}
