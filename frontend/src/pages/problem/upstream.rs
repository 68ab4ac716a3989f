//! What the backend or Azure did not do, told by what somebody can do about it.

use http::StatusCode;
use platform::azure::AzureFailure;

use super::Problem;
use crate::backend::{BackendFailure, Refusal};

impl From<BackendFailure> for Problem {
    fn from(failure: BackendFailure) -> Self {
        let problem = match failure.refusal() {
            None => Self::new(StatusCode::BAD_GATEWAY, "The backend is away")
                .happened(
                    "This page needs the backend, and could not ask it. If you were changing \
                     something, it may or may not have been done.",
                )
                .advice("Reload in a moment, and look at the list before you do it again."),
            Some(refusal) => refused(refusal),
        };
        problem.caused_by(failure)
    }
}

fn refused(refusal: &Refusal) -> Problem {
    let Refusal {
        status,
        code,
        detail,
        ..
    } = refusal;
    let status = status.as_u16();
    match (status, code.as_str()) {
        (404, "no_such_link") => {
            Problem::new(StatusCode::NOT_FOUND, "This link is not one of ours")
                .advice("It may have been cut short. Ask whoever shared it for a new link.")
        }
        (404, _) => Problem::not_found(),
        (410, "link_expired") => Problem::new(StatusCode::GONE, "This link has expired")
            .advice("Ask whoever shared it for a new link."),
        (410, _) => Problem::new(StatusCode::GONE, "This link has been withdrawn")
            .advice("Ask whoever shared it for a new link."),
        (401 | 403, _) => Problem::new(
            StatusCode::BAD_GATEWAY,
            "The backend does not accept this pod",
        )
        .happened(format!("It answered {status} {code}: {detail}"))
        .advice(
            "Compare the audience and the subject of this pod's projected token with the \
             backend's CALLER_AUDIENCE and CALLER_SUBJECT.",
        ),
        (409, "too_many_attachments") => {
            Problem::new(StatusCode::CONFLICT, "There is no room for another file")
                .happened("This to-do has as many files as it may have.")
                .advice("It was not stored. Attach it to another to-do.")
        }
        (409 | 412, _) => Problem::new(StatusCode::CONFLICT, "Somebody else was faster")
            .happened("This has changed since your page was made.")
            .advice("Look at it as it is now, and decide again."),
        (400 | 413 | 422, _) => Problem::invalid(sentence(detail)),
        (429 | 503, _) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The backend cannot do this now",
        )
        .happened(format!("It answered {status} {code}: {detail}"))
        .advice("Try again in a few seconds."),
        _ => Problem::new(StatusCode::BAD_GATEWAY, "The backend failed")
            .happened(format!("It answered {status} {code}."))
            .advice("Try again. If it stays, the log has more under the request id below."),
    }
}

/// The backend's words, which are part of a sentence, as one.
fn sentence(words: &str) -> String {
    let mut letters = words.trim_end_matches('.').chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

impl From<AzureFailure> for Problem {
    fn from(failure: AzureFailure) -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{} cannot be used now", failure.service),
        );
        let problem = match failure.refusal() {
            Some(refusal) => problem
                .happened(format!("It refused this pod's identity: {refusal}."))
                .advice(
                    "A role is missing: compare infra/access.json with what the Access page shows.",
                ),
            None => problem
                .happened(format!("It answered: {failure}."))
                .advice("Try again in a few seconds."),
        };
        problem.caused_by(failure)
    }
}
