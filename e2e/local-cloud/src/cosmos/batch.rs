//! Which actions a transactional batch needs: those of all its operations.

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;

use super::operation::{CREATE, DELETE, READ, REPLACE, UPSERT};
use super::refusal::Refusal;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchOperation {
    operation_type: String,
}

/// The distinct actions, in the order in which they first occur.
pub(super) fn actions(headers: &HeaderMap, body: &Bytes) -> Result<Vec<&'static str>, Refusal> {
    let atomic = headers.get("x-ms-cosmos-batch-atomic");
    if atomic.is_some_and(|atomic| !atomic.as_bytes().eq_ignore_ascii_case(b"true")) {
        return Err(Refusal::not_implemented("bulk: a batch that is not atomic"));
    }
    let operations: Vec<BatchOperation> = serde_json::from_slice(body)
        .map_err(|_| Refusal::bad_request("The batch is not a JSON array of operations."))?;
    if operations.is_empty() {
        return Err(Refusal::bad_request("The batch has no operations."));
    }

    let mut actions = Vec::new();
    for operation in operations {
        let action = match operation.operation_type.as_str() {
            "Create" => CREATE,
            "Upsert" => UPSERT,
            "Replace" => REPLACE,
            "Delete" => DELETE,
            "Read" => READ,
            other => {
                return Err(Refusal::not_implemented(format!("`{other}` in a batch")));
            }
        };
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    Ok(actions)
}
