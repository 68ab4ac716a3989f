//! The API of lists, todos and attachments, as JSON under `/api/v1`, for one
//! caller: the frontend's pod. Every request is checked, also those for paths
//! that do not exist. `docs/api.md` tells its conventions.
//!
//! What an operation takes is an extractor, what it answers a type, and both say
//! of themselves what they look like: `openapi.rs` puts it together.

mod access;
mod answers;
mod attachments;
mod body;
mod idempotency;
mod if_match;
mod lists;
mod openapi;
mod paging;
mod paths;
mod problems;
mod share_link;
mod shares;
mod texts;
mod todos;

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::Response;
use platform::access::Probe;
use platform::caller::{Caller, CallerVerifier};
use platform::error::kinds::METHOD_NOT_ALLOWED;
use platform::error::{ApiError, no_such_route};
use platform::signing::SigningKeys;
use platform::telemetry;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::relay::Outbox;
use crate::store::{Committed, Store};

pub(crate) use openapi::document;

/// The most bytes of a request's body: a todo whose every character is written as
/// an escape.
const LONGEST_BODY: usize = 32 * 1024;

/// How long a body may take to arrive.
const SLOWEST_BODY: Duration = Duration::from_secs(10);

/// Below what path everything is.
const BASE: &str = "/api/v1";

/// What the handlers stand on. A cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) outbox: Outbox,
    /// What links to lists are signed with.
    pub(crate) links: SigningKeys,
    /// There only when it is enabled.
    pub(crate) probe: Option<Probe>,
}

impl Api {
    /// Hands the event of a change over to be sent. The change is committed:
    /// nothing that happens to the event can undo it.
    fn announce<T>(&self, committed: &Committed<T>) {
        if let Some(event) = &committed.event {
            tracing::info!(
                list = %event.value.list,
                event.id = %event.value.id,
                event.sequence = event.value.sequence,
                event.kind = event.value.kind.as_str(),
                "committed {}",
                event.value.kind.as_str()
            );
            self.outbox.hand_over(event.clone());
        }
    }
}

/// The whole API, for the one caller.
pub(crate) fn router(api: Api, verifier: CallerVerifier) -> Router {
    served(api)
        .layer(middleware::from_fn_with_state(verifier, only_the_caller))
        .layer(middleware::from_fn(telemetry::http::layer))
}

/// The API for whoever was let in.
fn served(api: Api) -> Router {
    Router::from(operations())
        .fallback(no_such_route)
        .method_not_allowed_fallback(not_this_way)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(api)
}

/// Every operation, and what it says of itself.
fn operations() -> OpenApiRouter<Api> {
    let operations = OpenApiRouter::new()
        .routes(routes!(lists::page, lists::create))
        .routes(routes!(lists::read, lists::rename))
        .routes(routes!(todos::page, todos::create))
        .routes(routes!(todos::read, todos::edit, todos::remove))
        .routes(routes!(attachments::page))
        .routes(routes!(attachments::announce))
        .routes(routes!(attachments::read))
        .routes(routes!(shares::create))
        .routes(routes!(shares::read))
        .routes(routes!(access::last, access::run))
        .routes(routes!(openapi::serve));
    OpenApiRouter::with_openapi(openapi::introduction()).nest(BASE, operations)
}

/// Kubernetes' trust, not Azure's: the token of the frontend's service account,
/// for this audience. Extracting the caller is the check.
async fn only_the_caller(caller: Caller, request: Request, next: Next) -> Response {
    tracing::debug!(caller = caller.subject(), pod = caller.pod(), "called");
    next.run(request).await
}

async fn not_this_way(method: Method) -> ApiError {
    let detail = format!("this path does not take {method}");
    ApiError::new(METHOD_NOT_ALLOWED, detail)
}

#[cfg(test)]
mod tests;
