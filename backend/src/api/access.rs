//! The access probe of this pod, for the frontend to show beside its own. Only
//! where it is enabled; elsewhere there is nothing here.

use axum::Json;
use axum::extract::State;
use platform::access::{AccessReport, Probe};
use platform::error::kinds::{NO_SUCH_ROUTE, TOO_MANY_REQUESTS};
use platform::error::{ApiError, no_such_route};

use super::Api;
use super::problems::problems;

problems!(MayNotBeHere: NO_SUCH_ROUTE);
problems!(MayNotRun: NO_SUCH_ROUTE, TOO_MANY_REQUESTS);

/// What this pod's identity may do, as the last run found it. Whoever asks before
/// there was a run waits for the first.
#[utoipa::path(
    get,
    path = "/access",
    operation_id = "readAccess",
    tag = "access",
    responses(
        (status = 200, description = "The last report.", body = serde_json::Value),
        MayNotBeHere,
    ),
)]
// No identity: it tries every action with the pod's own, and relies on none.
pub(super) async fn last(State(api): State<Api>) -> Result<Json<AccessReport>, ApiError> {
    Ok(Json(probe(api).await?.last_or_first().await))
}

/// Tries every action of the access matrix with this pod's identity.
#[utoipa::path(
    post,
    path = "/access",
    operation_id = "probeAccess",
    tag = "access",
    responses(
        (status = 200, description = "The report of this run.", body = serde_json::Value),
        MayNotRun,
    ),
)]
// No identity: it tries every action with the pod's own, and relies on none.
pub(super) async fn run(State(api): State<Api>) -> Result<Json<AccessReport>, ApiError> {
    Ok(Json(probe(api).await?.run().await?))
}

async fn probe(api: Api) -> Result<Probe, ApiError> {
    match api.probe {
        Some(probe) => Ok(probe),
        None => Err(no_such_route().await),
    }
}
