//! A collector of spans: takes what pods export by OTLP and keeps it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as Code;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message as _;
use tokio::net::TcpListener;

/// A span as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The pod.
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty at the root of a trace.
    pub(crate) parent: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) failed: bool,
    /// What it says of its failure.
    pub(crate) why: String,
}

impl Told {
    pub(crate) fn says(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }
}

type Kept = Arc<Mutex<Vec<Told>>>;

/// A collector on loopback, for as long as the test runs.
pub(crate) struct Collector {
    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) endpoint: String,
    kept: Kept,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let kept = Kept::default();
        let router = Router::new()
            .route("/v1/traces", post(take))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            endpoint: format!("http://{address}"),
            kept,
        }
    }

    /// What has arrived.
    pub(crate) fn spans(&self) -> Vec<Told> {
        self.kept.lock().expect("nobody panics with it").clone()
    }
}

async fn take(State(kept): State<Kept>, body: Bytes) -> impl IntoResponse {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let told = request.resource_spans.into_iter().flat_map(of_resource);
    kept.lock().expect("nobody panics with it").extend(told);
    // An empty answer is one in which nothing was rejected.
    [(header::CONTENT_TYPE, "application/x-protobuf")].into_response()
}

fn of_resource(spans: ResourceSpans) -> impl Iterator<Item = Told> {
    let resource = texts(spans.resource.unwrap_or_default().attributes);
    let service = resource.get("service.name").cloned().unwrap_or_default();
    let scopes = spans.scope_spans.into_iter();
    scopes
        .flat_map(|scope| scope.spans)
        .map(move |span| told(service.clone(), span))
}

fn told(service: String, span: Span) -> Told {
    let why = span.status.as_ref().map(|status| status.message.clone());
    Told {
        why: why.unwrap_or_default(),
        service,
        kind: span.kind(),
        failed: span
            .status
            .is_some_and(|status| status.code() == Code::Error),
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        attributes: texts(span.attributes),
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let attributes = attributes.into_iter();
    attributes.map(|kv| (kv.key, text(kv.value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}
