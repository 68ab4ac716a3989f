//! The account's own document, which tells clients where to go on.

use bytes::Bytes;
use http::Response;
use serde_json::Value;

/// Lets the document name the authority by which it was asked for: after this
/// first request, clients use the addresses in it.
pub(super) fn reached_by(authority: &str, answer: Response<Bytes>) -> Response<Bytes> {
    answer.map(|body| {
        let Ok(mut document) = serde_json::from_slice::<Value>(&body) else {
            return body;
        };
        let address = Value::from(format!("https://{authority}/"));
        for locations in ["readableLocations", "writableLocations"] {
            let locations = document[locations].as_array_mut();
            for location in locations.into_iter().flatten() {
                location["databaseAccountEndpoint"] = address.clone();
            }
        }
        document.to_string().into()
    })
}
