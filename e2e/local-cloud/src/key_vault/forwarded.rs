//! A vault that a third party's emulator holds.

use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::uri::PathAndQuery;
use serde_json::Value;

use super::refusal::Refusal;
use crate::behind::Forwarder;
use crate::gate::Admitted;

/// More than any page of secrets.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// The members of an answer that lead back to the vault.
const LINKS: [&str; 3] = ["id", "kid", "nextLink"];

/// Sends on what was admitted. The answer's links lead back to `host`.
pub(super) async fn forward(
    emulator: &Forwarder,
    admitted: &Admitted,
    parts: &Parts,
    body: Body,
    host: &str,
) -> Result<Response, Refusal> {
    let target = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let forwarded = emulator.forward(admitted, &parts.method, target, &parts.headers, body);
    let answer = forwarded.await.map_err(|_| Refusal::Unanswered)?;
    let (mut parts, body) = answer.into_parts();
    let body = to_bytes(body, MAX_ANSWER_BYTES).await;
    let body = body.map_err(|_| Refusal::Unanswered)?;
    let body = match serde_json::from_slice(&body) {
        Ok(mut document) => {
            lead_back(
                &mut document,
                emulator.url().as_str().trim_end_matches('/'),
                host,
            );
            document.to_string().into()
        }
        Err(_) => body,
    };
    parts.headers.remove(CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn lead_back(document: &mut Value, emulator: &str, host: &str) {
    match document {
        Value::Array(items) => {
            for item in items {
                lead_back(item, emulator, host);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(link) if LINKS.contains(&name.as_str()) => {
                        if let Some(rest) = link.strip_prefix(emulator) {
                            *link = format!("https://{host}{rest}");
                        }
                    }
                    other => lead_back(other, emulator, host),
                }
            }
        }
        _ => {}
    }
}
