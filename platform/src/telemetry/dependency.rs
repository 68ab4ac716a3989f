//! What is told of each call of another service: a client's span, and the
//! metrics of calls.

use std::future::Future;
use std::time::{Duration, Instant};

use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::metrics;

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The service said what there is to say, if only that something is not
    /// there.
    Answered,
    /// The service does not let this caller: 401 or 403.
    Refused,
    /// There was no answer, or one that blames the service: 408, 429, 5xx.
    Failed,
}

impl Outcome {
    /// By the status of an answer.
    pub fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Refused,
            408 | 429 | 500.. => Self::Failed,
            _ => Self::Answered,
        }
    }

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Which side of a call it is, as OpenTelemetry calls it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Somebody answers.
    Client,
    /// Somebody will take it later.
    Producer,
}

/// Makes a call within a span of its own, and counts it. The dependency and the
/// operation are words of which there are few: they are labels.
///
/// ```no_run
/// # async fn example(client: reqwest::Client) {
/// use platform::telemetry::dependency::{self, Outcome};
///
/// let answer = dependency::call("backend", "ask for the lists", client.get("..").send(), |sent| {
///     sent.as_ref().map_or(Outcome::Failed, |answer| Outcome::of_status(answer.status().as_u16()))
/// });
/// # drop(answer.await);
/// # }
/// ```
pub async fn call<T>(
    dependency: &'static str,
    operation: &str,
    work: impl Future<Output = T>,
    judge: impl FnOnce(&T) -> Outcome,
) -> T {
    call_of(Kind::Client, dependency, operation, work, judge).await
}

/// As [`call`], of another kind.
pub(crate) async fn call_of<T>(
    kind: Kind,
    dependency: &'static str,
    operation: &str,
    work: impl Future<Output = T>,
    judge: impl FnOnce(&T) -> Outcome,
) -> T {
    let span = tracing::info_span!(
        "call",
        otel.name = format!("{dependency} {operation}"),
        otel.kind = match kind {
            Kind::Client => "client",
            Kind::Producer => "producer",
        },
        otel.status_code = Empty,
        dependency,
        operation,
        outcome = Empty,
    );
    async {
        let begin = Instant::now();
        let result = work.await;
        let outcome = judge(&result);
        let span = Span::current();
        span.record("outcome", outcome.as_str());
        if outcome != Outcome::Answered {
            span.record("otel.status_code", "ERROR");
        }
        count(dependency, operation, outcome, begin.elapsed());
        result
    }
    .instrument(span)
    .await
}

/// Counts a call that somebody else has measured.
pub(crate) fn count(
    dependency: &'static str,
    operation: &str,
    outcome: Outcome,
    duration: Duration,
) {
    metrics::dependency_call(dependency, operation, outcome.as_str(), duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_that_is_not_there_is_an_answer() {
        for (status, outcome) in [
            (200, Outcome::Answered),
            (404, Outcome::Answered),
            (412, Outcome::Answered),
            (401, Outcome::Refused),
            (403, Outcome::Refused),
            (429, Outcome::Failed),
            (503, Outcome::Failed),
        ] {
            assert_eq!(Outcome::of_status(status), outcome, "{status}");
        }
    }
}
