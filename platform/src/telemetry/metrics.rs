//! The metrics of a pod, by the `metrics` facade, for Prometheus: which there
//! are, and the one place where each is recorded. Every label has few values:
//! no id and no path is ever one.
//!
//! Prometheus: *Metric and label naming*.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::StatusCode;
use metrics::{Unit, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// What `/metrics` answers with.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// From a cache's answer to a caller's patience, in seconds.
const LATENCIES: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// From a message that is taken at once to one that waited for a repair, in
/// seconds.
const LAGS: [f64; 12] = [
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0,
];

/// How often what was measured is put into its buckets, also when nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

static PROMETHEUS: OnceLock<PrometheusHandle> = OnceLock::new();

/// A kind of metric, as Prometheus calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many were how long.
    Histogram,
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name, with the unit.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub meaning: &'static str,
}

const REQUESTS: &str = "http_server_requests_total";
const REQUEST_DURATION: &str = "http_server_request_duration_seconds";
const EXCHANGES: &str = "token_exchanges_total";
const EXCHANGE_DURATION: &str = "token_exchange_duration_seconds";
const CALLS: &str = "dependency_calls_total";
const CALL_DURATION: &str = "dependency_call_duration_seconds";
const CHARGE: &str = "cosmos_request_charge_total";
const OUTBOX_PENDING: &str = "outbox_pending";
const OUTBOX_LAG: &str = "outbox_lag_seconds";
const MESSAGES: &str = "messages_total";
const QUEUE_LAG: &str = "queue_lag_seconds";
const DEAD_LETTERS: &str = "dead_letters";

/// Every metric that there is.
pub const ALL: [Metric; 12] = [
    Metric {
        name: REQUESTS,
        kind: Kind::Counter,
        labels: &["method", "route", "status"],
        meaning: "Requests, by the template of their route. Status `aborted`: the caller went away first.",
    },
    Metric {
        name: REQUEST_DURATION,
        kind: Kind::Histogram,
        labels: &["method", "route"],
        meaning: "Time from a request's head until its answer begins.",
    },
    Metric {
        name: EXCHANGES,
        kind: Kind::Counter,
        labels: &["resource", "outcome"],
        meaning: "Exchanges of a service-account token at Microsoft Entra ID: `issued`, `refused`, or `failed` (Entra ID was not reached).",
    },
    Metric {
        name: EXCHANGE_DURATION,
        kind: Kind::Histogram,
        labels: &["resource"],
        meaning: "Time of an exchange, with its retries.",
    },
    Metric {
        name: CALLS,
        kind: Kind::Counter,
        labels: &["dependency", "operation", "outcome"],
        meaning: "Calls of other services: `answered`, `refused` (401 or 403), or `failed` (no answer, throttled, or the service's fault).",
    },
    Metric {
        name: CALL_DURATION,
        kind: Kind::Histogram,
        labels: &["dependency", "operation"],
        meaning: "Time of a call until its answer begins, with its retries.",
    },
    Metric {
        name: CHARGE,
        kind: Kind::Counter,
        labels: &["container", "operation"],
        meaning: "Request units that Cosmos DB charged, retries included.",
    },
    Metric {
        name: OUTBOX_PENDING,
        kind: Kind::Gauge,
        labels: &[],
        meaning: "Events that the last sweep found in the outbox.",
    },
    Metric {
        name: OUTBOX_LAG,
        kind: Kind::Gauge,
        labels: &[],
        meaning: "Age of the oldest event that the last sweep found.",
    },
    Metric {
        name: MESSAGES,
        kind: Kind::Counter,
        labels: &["queue", "outcome"],
        meaning: "Messages that were handled, by how they were settled.",
    },
    Metric {
        name: QUEUE_LAG,
        kind: Kind::Histogram,
        labels: &["queue"],
        meaning: "Time from a message's arrival in the queue until it is handled.",
    },
    Metric {
        name: DEAD_LETTERS,
        kind: Kind::Gauge,
        labels: &["queue"],
        meaning: "Messages that the last look found in the dead-letter sub-queue, up to a bound.",
    },
];

/// What the outbox holds, as a sweep found it: how many events, and how old the
/// oldest is.
#[expect(clippy::cast_precision_loss, reason = "an outbox of 2^52 events")]
pub fn outbox(pending: usize, lag: Duration) {
    gauge!(OUTBOX_PENDING).set(pending as f64);
    gauge!(OUTBOX_LAG).set(lag.as_secs_f64());
}

/// A message was handled: `completed`, `abandoned`, `dead_lettered` or another
/// of few words.
pub fn message(queue: &str, outcome: &'static str) {
    counter!(MESSAGES, "queue" => queue.to_owned(), "outcome" => outcome).increment(1);
}

/// How long a message had been in its queue when it was handled.
pub fn queue_lag(queue: &str, lag: Duration) {
    histogram!(QUEUE_LAG, "queue" => queue.to_owned()).record(lag);
}

/// How many dead letters a queue has, as far as somebody looked.
#[expect(clippy::cast_precision_loss, reason = "a look at a bounded number")]
pub fn dead_letters(queue: &str, count: usize) {
    gauge!(DEAD_LETTERS, "queue" => queue.to_owned()).set(count as f64);
}

pub(super) fn request(
    method: &'static str,
    route: &str,
    status: Option<StatusCode>,
    duration: Duration,
) {
    let status = status.map_or("aborted".to_owned(), |status| status.as_str().to_owned());
    let route = route.to_owned();
    counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => status)
        .increment(1);
    histogram!(REQUEST_DURATION, "method" => method, "route" => route).record(duration);
}

pub(crate) fn token_exchange(resource: &str, outcome: &'static str, duration: Duration) {
    let resource = resource.to_owned();
    counter!(EXCHANGES, "resource" => resource.clone(), "outcome" => outcome).increment(1);
    histogram!(EXCHANGE_DURATION, "resource" => resource).record(duration);
}

pub(super) fn dependency_call(
    dependency: &'static str,
    operation: &str,
    outcome: &'static str,
    duration: Duration,
) {
    let operation = operation.to_owned();
    counter!(CALLS, "dependency" => dependency, "operation" => operation.clone(), "outcome" => outcome)
        .increment(1);
    histogram!(CALL_DURATION, "dependency" => dependency, "operation" => operation)
        .record(duration);
}

/// Adds to the request units. They come in fractions, and a counter counts whole
/// ones: what is left over waits for the next.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a charge is a few units, and never negative"
)]
pub(crate) fn request_charge(container: &str, operation: &str, charge: f64) {
    static LEFT_OVER: Mutex<Option<HashMap<(String, String), f64>>> = Mutex::new(None);

    let whole = {
        let mut left_over = LEFT_OVER.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (container.to_owned(), operation.to_owned());
        let sum = left_over.get_or_insert_default().entry(key).or_default();
        *sum += charge.max(0.0);
        let whole = sum.floor();
        *sum -= whole;
        whole as u64
    };
    counter!(CHARGE, "container" => container.to_owned(), "operation" => operation.to_owned())
        .increment(whole);
}

/// Begins to measure. In a process that has done so before, nothing happens.
pub(super) fn start() {
    let recorder = builder().build_recorder();
    let prometheus = recorder.handle();
    if metrics::set_global_recorder(recorder).is_ok() {
        describe();
        let _first = PROMETHEUS.set(prometheus);
    }
}

/// Keeps what was measured small, for as long as it is polled.
pub(crate) async fn upkeep() {
    let mut interval = tokio::time::interval(UPKEEP);
    loop {
        interval.tick().await;
        if let Some(prometheus) = PROMETHEUS.get() {
            prometheus.run_upkeep();
        }
    }
}

/// Everything measured, in Prometheus' text format.
pub(crate) fn render() -> String {
    PROMETHEUS
        .get()
        .map(PrometheusHandle::render)
        .unwrap_or_default()
}

fn builder() -> PrometheusBuilder {
    let lags = Matcher::Full(QUEUE_LAG.to_owned());
    PrometheusBuilder::new()
        .set_buckets(&LATENCIES)
        .and_then(|builder| builder.set_buckets_for_metric(lags, &LAGS))
        .expect("there are buckets")
}

fn describe() {
    for Metric {
        name,
        kind,
        meaning,
        ..
    } in ALL
    {
        let unit = if name.ends_with("_seconds") {
            Unit::Seconds
        } else {
            Unit::Count
        };
        match kind {
            Kind::Counter => metrics::describe_counter!(name, unit, meaning),
            Kind::Gauge => metrics::describe_gauge!(name, unit, meaning),
            Kind::Histogram => metrics::describe_histogram!(name, unit, meaning),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is rendered after `act`.
    fn measured(act: impl FnOnce()) -> String {
        let recorder = builder().build_recorder();
        let prometheus = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            act();
        });
        prometheus.render()
    }

    #[test]
    fn a_request_is_counted_under_its_template() {
        let text = measured(|| {
            request(
                "GET",
                "/lists/{list}",
                Some(StatusCode::OK),
                Duration::from_millis(3),
            );
        });

        for line in [
            "# TYPE http_server_requests_total counter",
            r#"http_server_requests_total{method="GET",route="/lists/{list}",status="200"} 1"#,
            r#"http_server_request_duration_seconds_bucket{method="GET",route="/lists/{list}",le="0.005"} 1"#,
            r#"http_server_request_duration_seconds_bucket{method="GET",route="/lists/{list}",le="0.0025"} 0"#,
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }

    #[test]
    fn a_caller_that_went_away_is_counted_too() {
        let text = measured(|| request("POST", "none", None, Duration::ZERO));

        assert!(text.contains(r#"status="aborted"} 1"#), "{text}");
    }

    #[test]
    fn fractions_of_request_units_add_up() {
        let text = measured(|| {
            for _ in 0..4 {
                request_charge("todos", "read_of_this_test", 1.75);
            }
        });

        assert!(
            text.contains(
                r#"cosmos_request_charge_total{container="todos",operation="read_of_this_test"} 7"#
            ),
            "{text}"
        );
    }

    #[test]
    fn each_metric_has_a_name_of_its_own_and_its_meaning_is_told() {
        let text = measured(|| {
            outbox(3, Duration::from_secs(9));
            message("todo-events", "completed");
            queue_lag("todo-events", Duration::from_secs(90));
            dead_letters("todo-events", 2);
        });

        assert!(text.contains("# HELP outbox_pending Events that"), "{text}");
        assert!(text.contains("outbox_lag_seconds 9"), "{text}");
        assert!(
            text.contains(r#"queue_lag_seconds_bucket{queue="todo-events",le="300"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(r#"dead_letters{queue="todo-events"} 2"#),
            "{text}"
        );
        let mut names: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
