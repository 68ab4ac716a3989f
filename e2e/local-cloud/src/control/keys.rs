//! Signing keys in the control API: what is published, and rotation.
//!
//! The two issuers differ as the real ones do. AKS takes the old key back by
//! itself, a day after the rotation. Entra ID publishes a key before it signs,
//! and takes an old one back when nobody needs it any more: here, when it is
//! asked to.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};

use super::{Control, Refusal, not_found};
use crate::keys::{KeyRing, NotWithdrawn, PublishedKey};

/// After a rotation both keys are good for this long (Microsoft Learn, *Create an
/// OpenID Connect provider on AKS, Rotate the OIDC key*).
const OVERLAP: time::Duration = time::Duration::hours(24);

/// The calls about keys.
pub(super) fn router() -> Router<Control> {
    Router::new()
        .route("/cluster/keys", get(cluster))
        .route("/cluster/keys/rotate", post(rotate_cluster))
        .route("/entra/keys", get(entra))
        .route("/entra/keys/publish", post(publish_entra))
        .route("/entra/keys/rotate", post(rotate_entra))
        .route("/entra/keys/{kid}", delete(withdraw_entra))
}

type Listing = Json<Vec<PublishedKey>>;

fn listing(control: &Control, ring: &KeyRing) -> Listing {
    Json(ring.list(control.planes.clock.now()))
}

async fn cluster(State(control): State<Control>) -> Listing {
    listing(&control, &control.planes.cluster_keys)
}

async fn entra(State(control): State<Control>) -> Listing {
    listing(&control, &control.planes.entra_keys)
}

async fn rotate_cluster(State(control): State<Control>) -> Result<Listing, Refusal> {
    let now = control.planes.clock.now();
    let ring = &control.planes.cluster_keys;
    change(ring, move |ring| ring.rotate_with_overlap(now, OVERLAP)).await?;
    Ok(listing(&control, ring))
}

async fn publish_entra(State(control): State<Control>) -> Result<Listing, Refusal> {
    let ring = &control.planes.entra_keys;
    change(ring, KeyRing::publish_next).await?;
    Ok(listing(&control, ring))
}

async fn rotate_entra(State(control): State<Control>) -> Result<Listing, Refusal> {
    let ring = &control.planes.entra_keys;
    change(ring, KeyRing::rotate).await?;
    Ok(listing(&control, ring))
}

async fn withdraw_entra(
    State(control): State<Control>,
    Path(kid): Path<String>,
) -> Result<Listing, Refusal> {
    let ring = &control.planes.entra_keys;
    match ring.withdraw(&kid, control.planes.clock.now()) {
        Ok(()) => Ok(listing(&control, ring)),
        Err(NotWithdrawn::Unknown) => Err(not_found("such published key")),
        Err(in_use @ NotWithdrawn::InUse) => Err(Refusal(StatusCode::CONFLICT, in_use.to_string())),
    }
}

/// Changes a ring where a key may take its tenth of a second to be made.
async fn change(
    ring: &KeyRing,
    change: impl FnOnce(&KeyRing) + Send + 'static,
) -> Result<(), Refusal> {
    let ring = ring.clone();
    let changed = tokio::task::spawn_blocking(move || change(&ring)).await;
    changed.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
