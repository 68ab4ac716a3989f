//! One trace of those that arrived.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use super::collector::Told;

/// The spans of a trace.
pub(super) struct Trace<'s>(Vec<&'s Told>);

/// What a span is, as far as its place in a trace goes.
pub(super) type Place<'s> = (&'s str, &'s str, SpanKind);

impl<'s> Trace<'s> {
    /// The one that this span is in.
    pub(super) fn of(spans: &'s [Told], span: &Told) -> Self {
        let all = spans.iter().filter(|other| other.trace == span.trace);
        Self(all.collect())
    }

    /// Where a pod handled messages of a queue.
    pub(super) fn handled(&self, queue: &str) -> Vec<&'s Told> {
        let name = format!("process {queue}");
        let spans = self.0.iter().copied();
        let handled = spans.filter(|span| span.kind == SpanKind::Consumer && span.name == name);
        handled.collect()
    }

    /// From a span back to the beginning, each the child of the next.
    pub(super) fn back_from(&self, span: &'s Told) -> Vec<Place<'s>> {
        let parent = |span: &&Told| {
            let mut spans = self.0.iter().copied();
            spans.find(|other| other.id == span.parent)
        };
        std::iter::successors(Some(span), parent)
            .map(|span| (span.service.as_str(), span.name.as_str(), span.kind))
            .collect()
    }

    /// All of it, for a failure's story.
    pub(super) fn tree(&self) -> String {
        let lines = self.0.iter().map(|span| {
            let Told {
                service,
                name,
                kind,
                id,
                parent,
                ..
            } = span;
            format!("{service} {name} {kind:?}: {id} <- {parent}")
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
