//! The API of lists, todos and attachments, as JSON under `/api/v1`, for one
//! caller: the frontend's pod. Every request is checked, also those for paths
//! that do not exist.

mod attachments;
mod extract;
mod todos;
mod views;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, post};
use platform::access::{self, Probe};
use platform::caller::{Caller, CallerVerifier};
use platform::error::{ApiError, no_such_route};
use platform::telemetry;

use crate::relay::Outbox;
use crate::store::{Committed, Store};

/// The most bytes of a request's body: a title, or a file's name.
const LONGEST_BODY: usize = 16 * 1024;

/// What the handlers stand on. A cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) outbox: Outbox,
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

/// The whole API. The access probe is there only when it is enabled.
pub(crate) fn router(api: Api, verifier: CallerVerifier, probe: Option<Probe>) -> Router {
    routes(api, probe)
        .layer(middleware::from_fn_with_state(verifier, only_the_caller))
        .layer(middleware::from_fn(telemetry::http::layer))
}

fn routes(api: Api, probe: Option<Probe>) -> Router {
    let lists = "/api/v1/lists/{list}";
    let router = Router::new()
        .route("/api/v1/lists", get(todos::lists))
        .route(&format!("{lists}/todos"), get(todos::show).post(todos::add))
        .route(&format!("{lists}/todos/{{todo}}"), delete(todos::remove))
        .route(
            &format!("{lists}/todos/{{todo}}/complete"),
            post(todos::complete),
        )
        .route(
            &format!("{lists}/todos/{{todo}}/attachments"),
            post(attachments::announce),
        )
        .route(
            &format!("{lists}/attachments/{{attachment}}"),
            get(attachments::show),
        )
        .with_state(api);
    let router = match probe {
        Some(probe) => router.merge(access::routes("/api/v1/access", probe)),
        None => router,
    };
    router
        .fallback(no_such_route)
        .method_not_allowed_fallback(not_this_way)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
}

/// Kubernetes' trust, not Azure's: the token of the frontend's service account,
/// for this audience. Extracting the caller is the check.
async fn only_the_caller(caller: Caller, request: Request, next: Next) -> Response {
    tracing::debug!(caller = caller.subject(), pod = caller.pod(), "called");
    next.run(request).await
}

async fn not_this_way(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} does not take {method}", uri.path()),
    )
}

#[cfg(test)]
mod tests;
