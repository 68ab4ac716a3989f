//! What the token endpoint says while it, or an issuer, has a trouble of its own.
//!
//! Codes and texts are on the error look-up page. Statuses and the word `error`
//! of 90055, 90024 and 50196 are assumed.

use axum::http::StatusCode;

use super::{AadError, bad_request};
use crate::faults::TokenFault;

/// The code for an issuer that does not answer, where nothing else is wanted.
const UNREACHABLE: u32 = 50166;

impl AadError {
    /// What a fault makes the token endpoint say.
    pub(crate) fn of_fault(fault: TokenFault) -> Self {
        match fault {
            TokenFault::Throttled { retry_after } => Self {
                status: StatusCode::TOO_MANY_REQUESTS,
                retry_after: Some(retry_after),
                ..unavailable(
                    90055,
                    "The server has terminated the request due to excessive request rate. Please wait a few \
                     seconds and try again.",
                )
            },
            TokenFault::Loop => bad_request(
                50196,
                "invalid_grant",
                "The server terminated an operation because it encountered a client request loop. Please \
                 contact your app vendor."
                    .to_owned(),
            ),
            TokenFault::Unavailable { status } => Self {
                status: StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
                ..unavailable(90024, "A transient error has occurred. Please try again.")
            },
        }
    }

    /// The same with another of the codes that Entra ID has for an issuer that it
    /// cannot reach.
    pub(crate) fn with_code_for_unreachable(self, code: Option<u32>) -> Self {
        match code {
            Some(code) if self.code == UNREACHABLE => Self { code, ..self },
            _ => self,
        }
    }
}

fn unavailable(code: u32, text: &str) -> AadError {
    AadError {
        status: StatusCode::SERVICE_UNAVAILABLE,
        ..bad_request(code, "temporarily_unavailable", text.to_owned())
    }
}
