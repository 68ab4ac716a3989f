//! The log: each event is one line of JSON on standard output, redacted, and
//! with the request and the trace that it belongs to.

use std::fmt;
use std::io::Write;
use std::sync::OnceLock;

use opentelemetry::trace::TraceContextExt as _;
use serde::Serializer as _;
use serde::ser::SerializeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::dispatcher::WeakDispatch;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Dispatch, Event, Subscriber};
use tracing_opentelemetry::get_otel_context;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::redact;

/// The field of a request's span that has its id.
const REQUEST_ID: &str = "request.id";

/// Writes the lines. `W` makes a writer for each.
pub(super) struct Lines<W> {
    writer: W,
    /// By which a span's trace is found.
    dispatch: OnceLock<WeakDispatch>,
}

impl<W> Lines<W> {
    pub(super) fn to(writer: W) -> Self {
        Self {
            writer,
            dispatch: OnceLock::new(),
        }
    }
}

/// The id of the request that a span belongs to.
struct RequestId(String);

impl<S, W, O> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn() -> O + 'static,
    O: Write,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        // A subscriber is registered once.
        let _first = self.dispatch.set(dispatch.downgrade());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut found = FindRequestId(None);
        attributes.record(&mut found);
        if let (FindRequestId(Some(request)), Some(span)) = (found, context.span(id)) {
            span.extensions_mut().insert(RequestId(request));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let scope = || context.event_scope(event).into_iter().flatten();
        let request = scope().find_map(|span| {
            let extensions = span.extensions();
            extensions.get::<RequestId>().map(|id| id.0.clone())
        });
        let dispatch = self.dispatch.get().and_then(WeakDispatch::upgrade);
        let trace = scope().next().zip(dispatch).and_then(|(span, dispatch)| {
            let context = get_otel_context(&span.id(), &dispatch)?;
            let span = context.span().span_context().clone();
            span.is_valid()
                .then(|| (span.trace_id().to_string(), span.span_id().to_string()))
        });

        let Some(line) = line(event, request.as_deref(), trace.as_ref()) else {
            return;
        };
        // Nobody is left to be told when standard output is closed: as when the
        // program that started this one was killed.
        let _written = (self.writer)().write_all(redact(&line).as_bytes());
    }
}

/// The line with its end. `None` when a field cannot be written as JSON.
fn line(
    event: &Event<'_>,
    request: Option<&str>,
    trace: Option<&(String, String)>,
) -> Option<String> {
    let mut line = Vec::with_capacity(256);
    let mut json = serde_json::Serializer::new(&mut line);
    let mut map = json.serialize_map(None).ok()?;
    let at = OffsetDateTime::now_utc().format(&Rfc3339).ok()?;
    map.serialize_entry("timestamp", &at).ok()?;
    let level = event.metadata().level().as_str();
    map.serialize_entry("level", level).ok()?;
    let mut fields = Fields { map, failed: false };
    event.record(&mut fields);
    let Fields { mut map, failed } = fields;
    if failed {
        return None;
    }
    map.serialize_entry("target", event.metadata().target())
        .ok()?;
    if let Some(request) = request {
        map.serialize_entry("request_id", request).ok()?;
    }
    if let Some((trace, span)) = trace {
        map.serialize_entry("trace_id", trace).ok()?;
        map.serialize_entry("span_id", span).ok()?;
    }
    map.end().ok()?;
    line.push(b'\n');
    String::from_utf8(line).ok()
}

struct FindRequestId(Option<String>);

impl Visit for FindRequestId {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == REQUEST_ID {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// Writes the fields of an event, each by its type.
struct Fields<M> {
    map: M,
    failed: bool,
}

impl<M: SerializeMap> Fields<M> {
    fn put(&mut self, field: &Field, value: &(impl serde::Serialize + ?Sized)) {
        self.failed |= self.map.serialize_entry(field.name(), value).is_err();
    }
}

impl<M: SerializeMap> Visit for Fields<M> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }
}
