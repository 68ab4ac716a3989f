//! The context of a trace on its way from process to process: the W3C headers
//! `traceparent` and `tracestate`. It is there whether or not anybody collects
//! spans.
//!
//! W3C: *Trace Context*.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header, and the property of documents and messages, that says which trace
/// and which span of it something belongs to.
pub const TRACEPARENT: &str = "traceparent";

/// The current span for whoever continues the trace: `00-<trace>-<span>-<flags>`.
/// `None` outside of any span.
pub fn current_traceparent() -> Option<String> {
    let mut headers = HeaderMap::new();
    inject(&mut headers);
    let value = headers.remove(TRACEPARENT)?;
    value.to_str().ok().map(str::to_owned)
}

/// Adds the current span to the headers of a call, so that who is called
/// continues the trace. Outside of any span, nothing happens.
pub fn inject(headers: &mut HeaderMap) {
    let context = Span::current().context();
    if context.span().span_context().is_valid() {
        TraceContextPropagator::new().inject_context(&context, &mut Headers(headers));
    }
}

/// Makes a span the child of one of another process, by its `traceparent`. To be
/// called before the span is entered; a text that is no `traceparent` changes
/// nothing.
pub fn continue_from(span: &Span, traceparent: &str) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(traceparent) {
        headers.insert(TRACEPARENT, value);
    }
    continue_from_headers(span, &mut headers);
}

/// As [`continue_from`], with the headers of a request.
pub(super) fn continue_from_headers(span: &Span, headers: &mut HeaderMap) {
    let parent =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    if !parent.span().span_context().is_valid() {
        return;
    }
    if let Err(error) = span.set_parent(parent) {
        tracing::debug!(%error, "a span begins a trace of its own");
    }
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (key.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing::traced;

    const REMOTE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_goes_on_where_it_came_from() {
        traced(|| {
            let span = tracing::info_span!("continued");
            continue_from(&span, REMOTE);

            let here = span.in_scope(current_traceparent).expect("a span");

            assert_eq!(here[..36], REMOTE[..36], "the same trace");
            assert_ne!(here, REMOTE, "and another span");
        });
    }

    #[test]
    fn a_text_that_is_no_traceparent_begins_a_trace() {
        for text in ["", "00-0-0-00", "line\nbreak", &"0".repeat(55)] {
            traced(|| {
                let span = tracing::info_span!("fresh");
                continue_from(&span, text);

                assert!(span.in_scope(current_traceparent).is_some(), "{text:?}");
            });
        }
    }

    #[test]
    fn outside_of_any_span_there_is_nothing_to_continue() {
        traced(|| {
            let mut headers = HeaderMap::new();
            inject(&mut headers);

            assert_eq!(current_traceparent(), None);
            assert!(headers.is_empty());
        });
    }
}
