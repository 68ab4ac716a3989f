//! An account that a third party's emulator holds.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{HeaderMap, HeaderName, Response};
use serde_json::Value;

use super::engine::{Engine, Execution, MODE_HEADERS, mode_header, path};
use super::operation::{Kind, Target};
use super::refusal::Refusal;
use crate::behind::Forwarder;
use crate::gate::Admitted;

/// More than any page of a feed.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

pub(super) struct Forwarded(pub(super) Arc<Forwarder>);

#[async_trait]
impl Engine for Forwarded {
    async fn execute(
        &self,
        admitted: &Admitted,
        execution: Execution<'_>,
    ) -> Result<Response<Bytes>, Refusal> {
        let Target { kind, segments } = execution.target;
        let headers = headers(*kind, execution.headers, execution.body.len());
        let target = format!("/{}", path(segments));
        let body = Body::from(execution.body);
        let method = kind.method();
        let forwarded = self.0.forward(admitted, &method, &target, &headers, body);
        let answer = forwarded
            .await
            .map_err(|error| Refusal::Internal(error.to_string()))?;
        let (mut parts, body) = answer.into_parts();
        let body = to_bytes(body, MAX_ANSWER_BYTES).await;
        let body = body.map_err(|error| Refusal::Internal(error.to_string()))?;
        // The account's document is changed on its way.
        parts.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(parts, body))
    }

    fn digest(&self) -> Value {
        self.0.digest()
    }
}

/// Those of the request, made to say what was admitted and nothing else.
fn headers(kind: Kind, of_request: &HeaderMap, length: usize) -> HeaderMap {
    let mut headers = of_request.clone();
    for mode in MODE_HEADERS {
        headers.remove(mode);
    }
    if let Some(mode) = mode_header(kind) {
        headers.insert(
            HeaderName::from_static(mode),
            HeaderValue::from_static("True"),
        );
    }
    headers.remove(CONTENT_LENGTH);
    if length > 0 {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    headers
}
