//! One trace of those that arrived, from its end back to the page.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use super::collector::Told;
use super::page_request;

/// The spans of a trace.
struct Trace<'s>(Vec<&'s Told>);

/// What a span is, as far as its place in a trace goes.
type Place<'s> = (&'s str, &'s str, SpanKind);

impl<'s> Trace<'s> {
    /// The one that this span is in.
    fn of(spans: &'s [Told], span: &Told) -> Self {
        let all = spans.iter().filter(|other| other.trace == span.trace);
        Self(all.collect())
    }

    /// Where a pod handled messages of a queue.
    fn handled(&self, queue: &str) -> Vec<&'s Told> {
        let name = format!("process {queue}");
        let spans = self.0.iter().copied();
        let handled = spans.filter(|span| span.kind == SpanKind::Consumer && span.name == name);
        handled.collect()
    }

    /// From a span back to the beginning, each the child of the next.
    fn back_from(&self, span: &'s Told) -> Vec<Place<'s>> {
        let parent = |span: &&Told| {
            let mut spans = self.0.iter().copied();
            spans.find(|other| other.id == span.parent)
        };
        std::iter::successors(Some(span), parent)
            .map(|span| (span.service.as_str(), span.name.as_str(), span.kind))
            .collect()
    }

    /// All of it, for a failure's story.
    fn tree(&self) -> String {
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

/// From the worker's message back to the page, each the child of the one before.
pub(super) fn goes_through_all_pods(spans: &[Told], page: &Told, audit: &str) {
    let trace = Trace::of(spans, page);
    let handled = trace.handled("todo-events");
    let [handled] = handled[..] else {
        panic!("the worker is not in it once:\n{}\n{audit}", trace.tree());
    };
    let back = trace.back_from(handled);
    assert_eq!(
        back,
        [
            ("worker", "process todo-events", SpanKind::Consumer),
            (
                "backend",
                "service_bus send todo-events",
                SpanKind::Producer
            ),
            ("backend", "relay todo-events", SpanKind::Internal),
            (
                "backend",
                "POST /api/v1/lists/{list}/todos",
                SpanKind::Server
            ),
            ("frontend", "backend add a todo", SpanKind::Client),
            ("frontend", "POST /lists/{list}/todos", SpanKind::Server),
        ],
        "{}",
        trace.tree()
    );
}

/// A file goes to the worker by the frontend's own message; what the worker has to
/// say of it comes back to the worker through the backend's relay.
pub(super) fn a_file_goes_all_the_way(spans: &[Told], audit: &str) {
    let page = page_request(spans, "/lists/{list}/todos/{todo}/attachments");
    let trace = Trace::of(spans, page);
    let to_the_worker = [
        ("worker", "process attachment-jobs", SpanKind::Consumer),
        (
            "frontend",
            "service_bus send attachment-jobs",
            SpanKind::Producer,
        ),
        (
            "frontend",
            "POST /lists/{list}/todos/{todo}/attachments",
            SpanKind::Server,
        ),
    ];
    let jobs = trace.handled("attachment-jobs");
    let [job] = jobs[..] else {
        panic!("the file is not looked at once:\n{}\n{audit}", trace.tree());
    };
    assert_eq!(trace.back_from(job), to_the_worker, "{}", trace.tree());

    let of_the_worker = [
        ("worker", "process todo-events", SpanKind::Consumer),
        (
            "backend",
            "service_bus send todo-events",
            SpanKind::Producer,
        ),
        ("backend", "relay todo-events", SpanKind::Internal),
    ];
    let expected = [&of_the_worker[..], &to_the_worker[..]].concat();
    let events = trace.handled("todo-events");
    let back: Vec<_> = events.iter().map(|event| trace.back_from(event)).collect();
    assert!(back.contains(&expected), "{}\n{audit}", trace.tree());
}
