//! The lab in the control API: walk the five steps, make a mistake, mend it. The
//! console has the same calls, behind a door of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::audit::Record;
use crate::lab::{Chain, Lab, Mistake};

/// How long a reader of the audit waits for a record.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The calls of the lab.
pub(crate) fn router(lab: Lab) -> Router {
    Router::new()
        .route("/lab", get(overview))
        .route("/lab/audit", get(audit))
        .route("/lab/{identity}", post(walk).delete(heal))
        .route("/lab/{identity}/{mistake}", post(make))
        .with_state(Arc::new(lab))
}

type Shared = State<Arc<Lab>>;

/// Why the lab does not do something.
struct Refusal(String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.0 }));
        (StatusCode::CONFLICT, body).into_response()
    }
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn overview(State(lab): Shared) -> Json<Value> {
    let mistakes = Mistake::ALL.map(|mistake| json!({ "name": mistake, "title": mistake.title() }));
    Json(json!({ "identities": lab.identities(), "mistakes": mistakes }))
}

/// The records after a place, as soon as there is one; none after a while.
async fn audit(State(lab): Shared, Query(from): Query<After>) -> Json<Vec<Record>> {
    let audit = &lab.planes().audit;
    let came = audit.until_after(from.after);
    let _came_or_not = tokio::time::timeout(LONGEST_WAIT, came).await;
    Json(audit.after(from.after))
}

async fn walk(State(lab): Shared, Path(identity): Path<String>) -> Result<Json<Chain>, Refusal> {
    lab.walk(&identity).await.map(Json).map_err(Refusal)
}

async fn make(
    State(lab): Shared,
    Path((identity, mistake)): Path<(String, Mistake)>,
) -> Result<Json<Chain>, Refusal> {
    lab.make(mistake, &identity)
        .await
        .map(Json)
        .map_err(Refusal)
}

async fn heal(State(lab): Shared, Path(identity): Path<String>) -> Result<Json<Chain>, Refusal> {
    lab.heal(&identity).await.map(Json).map_err(Refusal)
}
