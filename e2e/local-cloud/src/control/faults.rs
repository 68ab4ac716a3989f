//! Faults in the control API: what there is, what is on, and switching it.
//!
//! Entra ID keeps an issuer's keys for an hour. It drops them with each switch, so
//! that a fault of the issuer shows at once and is over at once.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::{Control, Refusal, bad_request, not_found};
use crate::faults::{Active, Name, Switch};

/// The calls about faults.
pub(super) fn router() -> Router<Control> {
    Router::new()
        .route("/faults", get(active).post(switch_on).delete(clear_all))
        .route("/faults/names", get(names))
        .route("/faults/{number}", delete(clear))
}

async fn names() -> Json<Value> {
    let names = Name::ALL.iter().map(|(name, about)| {
        let name = serde_json::to_value(name).unwrap_or_default();
        (name.as_str().unwrap_or_default().to_owned(), json!(about))
    });
    Json(Value::Object(names.collect::<Map<_, _>>()))
}

async fn active(State(control): State<Control>) -> Json<Vec<Active>> {
    Json(control.planes.faults.active())
}

async fn switch_on(
    State(control): State<Control>,
    Json(switch): Json<Switch>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let number = control
        .planes
        .faults
        .switch_on(switch)
        .map_err(bad_request)?;
    forget_keys(&control);
    Ok((StatusCode::CREATED, Json(json!({ "number": number }))))
}

async fn clear_all(State(control): State<Control>) -> StatusCode {
    control.planes.faults.clear(None);
    forget_keys(&control);
    StatusCode::NO_CONTENT
}

fn forget_keys(control: &Control) {
    let issuer = crate::names::cluster_issuer();
    control.planes.entra.forget_keys_of(&issuer);
}

async fn clear(
    State(control): State<Control>,
    Path(number): Path<u64>,
) -> Result<StatusCode, Refusal> {
    let cleared = control.planes.faults.clear(Some(number));
    forget_keys(&control);
    match cleared {
        0 => Err(not_found("such fault")),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}
