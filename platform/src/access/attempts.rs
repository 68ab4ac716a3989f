//! How each action of the matrix is tried. Nothing here changes anything: writes
//! carry a condition that cannot hold, deletes and updates name what does not
//! exist, and the value of a secret is dropped where it arrives.

mod blob;
mod cosmos;
mod key_vault;
mod service_bus;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::{Cell, Outcome, milliseconds};
use crate::azure::{AzureFailure, Clients, Service};
use crate::telemetry::redact;

/// More than the clients' own bounds, so that theirs count: an exchange and a
/// request, or the metadata of a container and a request.
const PATIENCE: Duration = Duration::from_secs(12);

/// A cell that is being tried.
pub(super) type Attempt<'a> = Pin<Box<dyn Future<Output = Cell> + Send + 'a>>;

/// Every action of the matrix, in its order.
pub(super) fn all(clients: &Clients) -> Vec<Attempt<'_>> {
    let mut attempts = key_vault::attempts(clients);
    attempts.extend(cosmos::attempts(clients));
    attempts.extend(blob::attempts(clients));
    attempts.extend(service_bus::attempts(clients));
    attempts
}

/// What a service's answer means: `Ok` with what it said when the action is
/// allowed.
type Answer = Result<&'static str, AzureFailure>;

/// Tries one cell.
fn cell<'a>(
    resource: impl Into<String>,
    action: &'static str,
    operation: String,
    attempt: impl Future<Output = Answer> + Send + 'a,
) -> Attempt<'a> {
    let resource = resource.into();
    Box::pin(async move {
        let begin = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, attempt).await;
        let (outcome, detail) = match answer {
            Ok(Ok(detail)) => (Outcome::Allowed, detail.to_owned()),
            Ok(Err(failure)) => judge(&failure),
            Err(_) => {
                let text = format!("no answer within {PATIENCE:?}");
                (Outcome::Failed { text: text.clone() }, text)
            }
        };
        Cell {
            resource,
            action: action.to_owned(),
            operation,
            outcome,
            detail,
            duration_ms: milliseconds(begin.elapsed()),
        }
    })
}

fn judge(failure: &AzureFailure) -> (Outcome, String) {
    match failure.refusal() {
        Some(code) => (Outcome::Refused { code }, failure.message.clone()),
        None => (
            Outcome::Failed {
                text: redact(&failure.to_string()).into_owned(),
            },
            match failure.service {
                Service::EntraId => failure.message.clone(),
                _ => failure.chain.clone(),
            },
        ),
    }
}

/// An answer that could only come after the authorisation, for example 404.
fn allowed_if(result: Result<(), AzureFailure>, statuses: &[u16], meaning: &'static str) -> Answer {
    match result {
        Ok(()) => Ok("succeeded"),
        Err(failure)
            if failure
                .status
                .is_some_and(|status| statuses.contains(&status)) =>
        {
            Ok(meaning)
        }
        Err(failure) => Err(failure),
    }
}

/// The name of something that does not exist and never will. Each attempt takes
/// one of its own: a delete of the same name would undo a write that should not
/// have happened, and no one would see it.
fn nonexistent() -> String {
    format!("access-probe-{}", Uuid::new_v4())
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::error::ErrorKind;
    use azure_core::http::StatusCode;

    fn failure(status: StatusCode, code: &str) -> AzureFailure {
        AzureFailure::blob(azure_core::Error::with_message(
            ErrorKind::HttpResponse {
                status,
                error_code: Some(code.to_owned()),
                raw_response: None,
            },
            "what the service says",
        ))
    }

    async fn tried(result: Result<(), AzureFailure>) -> Cell {
        cell(
            "storage/attachments",
            "read",
            "GET /c/b".to_owned(),
            async {
                allowed_if(
                    result,
                    &[404],
                    "404: nothing is there, and this pod may know",
                )
            },
        )
        .await
    }

    #[tokio::test]
    async fn not_found_means_allowed() {
        let cell = tried(Err(failure(StatusCode::NotFound, "BlobNotFound"))).await;

        assert_eq!(cell.outcome, Outcome::Allowed);
        assert_eq!(cell.detail, "404: nothing is there, and this pod may know");
    }

    #[tokio::test]
    async fn a_refusal_keeps_the_services_code_and_words() {
        let cell = tried(Err(failure(
            StatusCode::Forbidden,
            "AuthorizationPermissionMismatch",
        )))
        .await;

        assert_eq!(cell.outcome.text(), "403 AuthorizationPermissionMismatch");
        assert_eq!(cell.detail, "what the service says");
    }

    #[tokio::test]
    async fn any_other_answer_is_neither_allowed_nor_refused() {
        for (status, code, text) in [
            (
                StatusCode::Unauthorized,
                "InvalidAuthenticationInfo",
                "Blob Storage 401 InvalidAuthenticationInfo",
            ),
            (
                StatusCode::Forbidden,
                "AuthorizationFailure",
                "Blob Storage 403 AuthorizationFailure",
            ),
            (
                StatusCode::ServiceUnavailable,
                "ServerBusy",
                "Blob Storage 503 ServerBusy",
            ),
        ] {
            let cell = tried(Err(failure(status, code))).await;

            assert_eq!(
                cell.outcome,
                Outcome::Failed {
                    text: text.to_owned()
                }
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_does_not_answer_does_not_hold_up_the_report() {
        let cell = cell(
            "vault",
            "list",
            "GET /secrets".to_owned(),
            std::future::pending(),
        );
        let cell = tokio::time::timeout(2 * PATIENCE, cell)
            .await
            .expect("the attempt ends");

        assert_eq!(
            cell.outcome,
            Outcome::Failed {
                text: "no answer within 12s".to_owned()
            }
        );
    }
}
