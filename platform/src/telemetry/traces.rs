//! Traces: spans get their ids here, and leave the process by OTLP when a
//! collector is configured.
//!
//! A collector that is away costs spans and nothing else: they are sent from a
//! thread of their own, out of a bounded queue, and the log says so rarely.
//!
//! OpenTelemetry: *OTLP Specification*, OTLP/HTTP with protobuf.

use std::borrow::Cow;
use std::error::Error;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_otlp::{Protocol, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use url::Url;
use uuid::Uuid;

use super::redact;

/// The time of one attempt to reach the collector.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long spans are gathered before they are sent.
const GATHERING: Duration = Duration::from_secs(2);

/// Spans that wait to be sent; more are dropped.
const MOST_WAITING: usize = 4096;

/// How often a collector that stays away is told of.
const REMINDER: Duration = Duration::from_mins(5);

/// Where this process sends its spans, for the inventory.
static COLLECTOR: OnceLock<Url> = OnceLock::new();

pub(super) fn collector() -> Option<&'static Url> {
    COLLECTOR.get()
}

/// What takes spans to the collector.
pub(super) fn exporter(
    collector: &Url,
) -> Result<impl SpanExporter + use<>, Box<dyn Error + Send + Sync>> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(collector.join("v1/traces")?)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    // A test process has many pods; the first one counts.
    let _first = COLLECTOR.set(collector.clone());
    Ok(Careful::new(exporter))
}

/// What makes spans. Whether a trace is recorded is decided where it begins, and
/// kept.
pub(super) fn provider(
    pod: &'static str,
    exporter: Option<impl SpanExporter + 'static>,
) -> SdkTracerProvider {
    let builder = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .with_resource(resource(pod));
    match exporter {
        Some(exporter) => builder.with_span_processor(batches(exporter)).build(),
        None => builder.build(),
    }
}

fn resource(pod: &'static str) -> Resource {
    Resource::builder_empty()
        .with_service_name(pod)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new(
            "service.instance.id",
            Uuid::new_v4().to_string(),
        ))
        .build()
}

fn batches(exporter: impl SpanExporter + 'static) -> BatchSpanProcessor {
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(MOST_WAITING)
        .with_scheduled_delay(GATHERING)
        .build();
    BatchSpanProcessor::builder(exporter)
        .with_batch_config(config)
        .build()
}

/// A span that is told of when it is over, because whoever does the work has no
/// place for one that is open.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: SpanKind,
    pub(crate) begin: SystemTime,
    pub(crate) end: SystemTime,
    pub(crate) attributes: Vec<KeyValue>,
    /// Why it is a failure, if it is one.
    pub(crate) failure: Option<String>,
}

impl Past {
    /// Within this process, with no attributes, and no failure.
    pub(crate) fn new(
        name: impl Into<Cow<'static, str>>,
        begin: SystemTime,
        end: SystemTime,
    ) -> Self {
        Self {
            name: name.into(),
            kind: SpanKind::Internal,
            begin,
            end,
            attributes: Vec::new(),
            failure: None,
        }
    }

    /// The current span, for [`record`](Self::record).
    pub(crate) fn here() -> Context {
        tracing::Span::current().context()
    }

    /// Whether anybody collects spans: nothing is lost with one that is not
    /// recorded otherwise, because nobody continues what is over.
    pub(crate) fn is_told() -> bool {
        COLLECTOR.get().is_some()
    }

    /// Records the span below another, and gives what its own parts are to be
    /// recorded below.
    pub(crate) fn record(self, parent: &Context) -> Context {
        if !Self::is_told() {
            return parent.clone();
        }
        let tracer = opentelemetry::global::tracer("platform");
        let mut span = tracer
            .span_builder(self.name)
            .with_kind(self.kind)
            .with_start_time(self.begin)
            .with_attributes(self.attributes)
            .start_with_context(&tracer, parent);
        if let Some(failure) = self.failure {
            span.set_status(Status::error(failure));
        }
        let context = span.span_context().clone();
        span.end_with_timestamp(self.end);
        parent.with_remote_span_context(context)
    }
}

/// An exporter that redacts what it sends, as the log does, and tells of its
/// failures now and then.
#[derive(Debug)]
struct Careful<E> {
    inner: E,
    /// When a failure was last told of; `None` while all is well. Held for a line.
    told: Mutex<Option<Instant>>,
}

impl<E> Careful<E> {
    fn new(inner: E) -> Self {
        Self {
            inner,
            told: Mutex::new(None),
        }
    }

    /// Tells of the first failure, then of one in five minutes, then of the end.
    fn tell(&self, result: &OTelSdkResult, now: Instant) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match (result, *told) {
            (Err(error), last) if last.is_none_or(|last| now - last >= REMINDER) => {
                *told = Some(now);
                let cause = redact(&error.to_string()).into_owned();
                tracing::warn!(cause, "the collector does not take spans: they are dropped");
            }
            (Ok(()), Some(_)) => {
                *told = None;
                tracing::info!("the collector takes spans again");
            }
            _ => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for Careful<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(clean);
        let result = self.inner.export(batch).await;
        self.tell(&result, Instant::now());
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

fn clean(span: &mut SpanData) {
    if let Cow::Owned(clean) = redact(&span.name) {
        span.name = clean.into();
    }
    let attributes = span.attributes.iter_mut();
    let of_events = span.events.events.iter_mut();
    for attribute in attributes.chain(of_events.flat_map(|event| &mut event.attributes)) {
        if let Value::String(text) = &attribute.value
            && let Cow::Owned(clean) = redact(text.as_str())
        {
            attribute.value = Value::String(clean.into());
        }
    }
    if let Status::Error { description } = &mut span.status
        && let Cow::Owned(clean) = redact(description)
    {
        *description = clean.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing::written;
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::SimpleSpanProcessor;
    use std::sync::Arc;

    const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln";

    /// Keeps what is exported.
    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    #[test]
    fn a_token_in_a_span_is_redacted() {
        let kept = Kept::default();
        let tracer = SdkTracerProvider::builder()
            .with_span_processor(SimpleSpanProcessor::new(Careful::new(kept.clone())))
            .build()
            .tracer("test");

        let mut span = tracer.start(format!("sent {TOKEN}"));
        span.set_attribute(KeyValue::new("header", format!("Bearer {TOKEN}")));
        span.add_event("sent", vec![KeyValue::new("token", TOKEN)]);
        span.set_status(Status::error(format!("{TOKEN} was refused")));
        span.end();

        let told = format!("{:?}", kept.0.lock().unwrap());
        assert_eq!(told.matches("[redacted]").count(), 4, "{told}");
        assert!(!told.contains("eyJ"), "{told}");
    }

    #[test]
    fn a_collector_that_stays_away_is_told_of_now_and_then() {
        let careful = Careful::new(Kept::default());
        let begin = Instant::now();
        let away = Err(OTelSdkError::InternalFailure("no route".to_owned()));

        let lines = written("info", || {
            for seconds in [0, 2, 299, 300, 301] {
                careful.tell(&away, begin + Duration::from_secs(seconds));
            }
            careful.tell(&Ok(()), begin + Duration::from_secs(302));
            careful.tell(&Ok(()), begin + Duration::from_secs(303));
        });

        let told: Vec<_> = lines.iter().map(|line| line["message"].as_str()).collect();
        let away = Some("the collector does not take spans: they are dropped");
        let back = Some("the collector takes spans again");
        assert_eq!(told, [away, away, back]);
    }
}
