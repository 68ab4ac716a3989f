//! The Cosmos DB client: its bounds, and what is told of its operations. The
//! client has no pipeline to put a policy into, but tells a handler of each
//! operation when it is over: which, how long, with what charge.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use azure_core::http::Context;
use azure_data_cosmos::diagnostics::{
    CosmosOperationContext, DiagnosticsContext, DiagnosticsHandler,
};
use azure_data_cosmos::options::{
    ConnectionPoolOptions, EndToEndOperationLatencyPolicy, OperationOptions,
    OperationOptionsBuilder, Region, ThrottlingRetryOptionsBuilder,
};
use azure_data_cosmos::{AccountReference, CosmosClient, CosmosRuntime, RoutingStrategy};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

use super::failure::Service;
use super::pipeline;
use super::presented::Presented;
use crate::estate::Cosmos;
use crate::identity::steps;
use crate::telemetry::dependency::{self, Outcome};
use crate::telemetry::metrics;
use crate::telemetry::traces::Past;

/// Reads the account (`GET /`) to learn its regions.
pub(super) async fn connect(
    cosmos: &Cosmos,
    presented: &Presented,
) -> azure_data_cosmos::Result<CosmosClient> {
    let pool = ConnectionPoolOptions::builder()
        .with_max_connect_timeout(pipeline::CONNECT_TIMEOUT)
        .with_max_dataplane_request_timeout(pipeline::REQUEST.answer)
        .with_max_metadata_request_timeout(pipeline::REQUEST.answer)
        .build()?;
    let runtime = CosmosRuntime::builder()
        .with_connection_pool(pool)
        .with_default_operation_options(bounded())
        .build()
        .await?;
    CosmosClient::builder()
        .with_runtime(runtime)
        .with_diagnostics_handler(Arc::new(Told(presented.clone())))
        .build(
            AccountReference::with_credential(
                cosmos.endpoint.clone().into(),
                presented.credential(),
            ),
            RoutingStrategy::ProximityTo(Region::from(cosmos.region.clone())),
        )
        .await
}

/// At most three attempts, within the time that any request has.
fn bounded() -> OperationOptions {
    OperationOptionsBuilder::new()
        .with_end_to_end_latency_policy(EndToEndOperationLatencyPolicy::new(
            pipeline::REQUEST.in_total,
        ))
        .with_max_failover_retry_count(pipeline::RETRIES)
        .with_max_session_retry_count(pipeline::RETRIES)
        .with_throttling_retry_options(
            ThrottlingRetryOptionsBuilder::new()
                .with_max_retry_count(pipeline::RETRIES)
                .with_max_retry_wait_time(pipeline::REQUEST.in_total)
                .build(),
        )
        .build()
}

/// Tells of each operation: its metrics, and spans for it and its requests.
struct Told(Presented);

impl DiagnosticsHandler for Told {
    fn handle(&self, diagnostics: &DiagnosticsContext, context: &Context<'_>) {
        let said = context.value::<CosmosOperationContext>();
        let operation = said.and_then(CosmosOperationContext::operation_name);
        let operation = operation.unwrap_or("other");
        let container = said.and_then(CosmosOperationContext::container_name);
        let container = container.unwrap_or("none");
        let status = diagnostics.effective_status();
        let outcome = status.map_or(Outcome::Failed, |status| {
            Outcome::of_status(status.status_code().into())
        });
        let charge = diagnostics.total_request_charge().value();

        let service = Service::CosmosDb.word();
        dependency::count(service, operation, outcome, diagnostics.duration());
        metrics::request_charge(container, operation, charge);
        if Past::is_told() {
            let attributes = vec![
                KeyValue::new("dependency", service),
                KeyValue::new("operation", operation.to_owned()),
                KeyValue::new("outcome", outcome.as_str()),
                KeyValue::new("cosmos.container", container.to_owned()),
                KeyValue::new("cosmos.request_charge", charge),
            ];
            self.tell(diagnostics, operation, outcome, attributes);
        }
    }
}

impl Told {
    fn tell(
        &self,
        diagnostics: &DiagnosticsContext,
        operation: &str,
        outcome: Outcome,
        attributes: Vec<KeyValue>,
    ) {
        let (now, end) = (Instant::now(), SystemTime::now());
        let at = |instant: Instant| end - now.saturating_duration_since(instant);
        let failure =
            (outcome != Outcome::Answered).then(|| match diagnostics.effective_status() {
                Some(status) => status.to_string(),
                None => "no answer".to_owned(),
            });
        let parent = Past {
            kind: SpanKind::Client,
            attributes,
            failure,
            ..Past::new(
                format!("{} {operation}", Service::CosmosDb.word()),
                end - diagnostics.duration(),
                end,
            )
        }
        .record(&Past::here());

        let claims = self.0.claims();
        for request in diagnostics.requests().iter() {
            let status = u16::from(request.status().status_code());
            let failure = (Outcome::of_status(status) != Outcome::Answered)
                .then(|| request.status().to_string());
            let over = request.completed_at().map_or(end, at);
            steps::tell_called(&claims, at(request.started_at()), over, failure, &parent);
        }
    }
}
