//! What the pods tell of a person's one request: a trace through all of them, the
//! five steps, metrics, and logs that belong together.

mod collector;
mod refused;
mod trace;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use e2e::stack::{Options, PODS, Stack};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use platform::telemetry::metrics::{self, Kind, Metric};
use serde_json::Value;

use crate::person::{Page, Person};
use crate::stage::{start, story};
use collector::{Collector, Told};
use refused::{an_exchange_is_refused, tells_the_refused_exchange};
use trace::{a_file_goes_all_the_way, goes_through_all_pods};

const STEPS: [&str; 5] = [
    "1 service-account token read",
    "2 assertion sent",
    "3 trust checked",
    "4 access token issued",
    "5 resource called",
];

/// Three pods, one after the other, each with the few seconds that it gives its
/// last spans.
const PODS_END_WITHIN: Duration = Duration::from_secs(20);

/// The workload, its spans going to this address.
fn told_to(endpoint: &str) -> Options {
    PODS.iter().fold(Options::default(), |options, pod| {
        options.with(pod, "OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    })
}

/// A person adds a to-do, and sees that the worker has recorded it.
async fn one_request(stack: &Stack) {
    let person = Person::at(stack);
    let page = person.add("Write the report").await;
    assert!(page.status.is_success(), "{}", page.words());
    person
        .until(stack, "the activity tells of it", |page| {
            page.activity().len() == 1
        })
        .await;
}

/// A person attaches a file to it, and sees that the worker has looked at it and has
/// recorded that.
async fn one_file(stack: &Stack) {
    let person = Person::at(stack);
    person
        .attach("Write the report", "notes.txt", b"Notes.")
        .await;
    let ready = |page: &Page| page.activity().len() == 3;
    person.until(stack, "the activity tells of it", ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_trace_from_the_page_to_the_worker() {
    let collector = Collector::start().await;
    let options = told_to(&collector.endpoint).with("backend", "RELAY_SWEEP_SECONDS", "1");
    let stack = start(options).await;

    one_request(&stack).await;
    one_file(&stack).await;
    let logs = Logs::of(&stack);
    let mut metrics = BTreeMap::new();
    for pod in PODS {
        metrics.insert(pod, measured(&logs, pod).await);
    }
    let audit = story(&stack).await;
    let impostor = logs.inventory("frontend")["client_id"].clone();
    let impostor = impostor.as_str().expect("a client id");
    an_exchange_is_refused(&stack, impostor).await;
    stack.stop(|_| {}).await.expect("everything ends");

    let spans = collector.spans();
    let of_the_impostor = |span: &Told| {
        let identity = span.says("identity.client_id");
        span.service == "worker" && identity == impostor
    };
    let (refused, spans): (Vec<_>, Vec<_>) = spans.into_iter().partition(of_the_impostor);
    tells_the_refused_exchange(&refused, impostor);
    let page = page_request(&spans, "/lists/{list}/todos");
    goes_through_all_pods(&spans, page, &audit);
    a_file_goes_all_the_way(&spans, &audit);
    tells_the_five_steps(&spans, page, &logs);
    the_metrics_are_there(&metrics);
    logs.belong_to(page);
    no_token_is_told(&spans, &metrics, &logs);
    no_path_is_told(&spans, &metrics, &logs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_disturbs_nobody() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let endpoint = format!("http://{}", gone.local_addr().expect("an address"));
    drop(gone);
    let stack = start(told_to(&endpoint)).await;

    one_request(&stack).await;
    let complaints = until_complained(&stack).await;
    assert_eq!(complaints, 1, "once, not each time");
    let begin = Instant::now();
    stack.stop(|_| {}).await.expect("everything ends");

    let took = begin.elapsed();
    assert!(took < PODS_END_WITHIN, "the end took {took:?}");
}

/// Waits until the frontend says that its spans are not taken, and tells how
/// often it does.
async fn until_complained(stack: &Stack) -> usize {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let logs = Logs::of(stack);
        let complaints = logs.0["frontend"].iter().filter(|line| {
            line["message"] == "the collector does not take spans: they are dropped"
        });
        let count = complaints.count();
        if count > 0 {
            return count;
        }
        assert!(Instant::now() < deadline, "the frontend says nothing");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The one form that the person sent to this route, as the frontend took it.
fn page_request<'s>(spans: &'s [Told], route: &str) -> &'s Told {
    let found: Vec<_> = spans
        .iter()
        .filter(|span| span.service == "frontend" && span.kind == SpanKind::Server)
        .filter(|span| span.name == format!("POST {route}"))
        .collect();
    let [page] = found[..] else {
        panic!("the person sent one form: {found:#?}");
    };
    assert_eq!(page.parent, "", "the browser has no trace of its own");
    assert_eq!(page.says("http.response.status_code"), "303");
    page
}

/// Every pod has taken every step, as the service account and the identity that
/// it is.
fn tells_the_five_steps(spans: &[Told], page: &Told, logs: &Logs) {
    for pod in PODS {
        let client_id = logs.inventory(pod)["client_id"].clone();
        for step in STEPS {
            let taken: Vec<_> = spans
                .iter()
                .filter(|span| span.service == pod && span.name == step)
                .collect();
            assert!(!taken.is_empty(), "{pod} tells nothing of step {step}");
            for span in taken {
                assert!(!span.failed, "{span:?}");
                assert_eq!(span.says("identity.step"), &step[..1], "{span:?}");
                assert_eq!(span.says("identity.client_id"), client_id, "{span:?}");
                let (subject, audience) = (
                    span.says("identity.subject"),
                    span.says("identity.audience"),
                );
                if step < "4" {
                    assert_eq!(subject, format!("system:serviceaccount:todolist:{pod}"));
                    assert_eq!(audience, "api://AzureADTokenExchange");
                    assert!(span.says("identity.issuer").contains(".oic."), "{span:?}");
                } else {
                    assert!(!subject.is_empty(), "{span:?}");
                    assert!(audience.starts_with("https://"), "{span:?}");
                    assert!(span.says("identity.issuer").contains("sts."), "{span:?}");
                }
            }
        }
    }
    let called = spans
        .iter()
        .any(|span| span.trace == page.trace && span.service == "backend" && span.name == STEPS[4]);
    assert!(called, "the request itself called a resource");
}

type Metrics = BTreeMap<String, f64>;

/// What `/metrics` of a pod says: each series with its value.
async fn measured(logs: &Logs, pod: &str) -> Metrics {
    let inventory = logs.inventory(pod);
    let management = inventory["management"].as_str().expect("an address");
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let url = format!("http://{management}/metrics");
    let answer = client.get(url).send().await.expect("an answer");
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = answer.text().await.expect("text");
    let series = text.lines().filter(|line| !line.starts_with('#'));
    series
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, value)| (series.to_owned(), value.parse().expect("a number")))
        .collect()
}

fn the_metrics_are_there(metrics: &BTreeMap<&str, Metrics>) {
    let promised = [
        (
            "frontend",
            r#"http_server_requests_total{method="POST",route="/lists/{list}/todos",status="303"}"#,
        ),
        (
            "frontend",
            r#"http_server_request_duration_seconds_count{method="POST",route="/lists/{list}/todos"}"#,
        ),
        ("frontend", r#"dependency_calls_total{dependency="backend""#),
        (
            "frontend",
            r#"cosmos_request_charge_total{container="activity""#,
        ),
        (
            "backend",
            r#"http_server_requests_total{method="POST",route="/api/v1/lists/{list}/todos",status="201"}"#,
        ),
        (
            "backend",
            r#"dependency_calls_total{dependency="cosmos_db""#,
        ),
        (
            "backend",
            r#"dependency_call_duration_seconds_count{dependency="service_bus",operation="send todo-events"}"#,
        ),
        (
            "backend",
            r#"cosmos_request_charge_total{container="todos""#,
        ),
        ("backend", "token_exchanges_total{"),
        ("backend", "token_exchange_duration_seconds_count{"),
        ("worker", r#"messages_total{queue="todo-events""#),
        ("worker", r#"queue_lag_seconds_count{queue="todo-events"}"#),
        ("worker", "token_exchanges_total{"),
    ];
    for (pod, series) in promised {
        let found = metrics[pod]
            .iter()
            .find(|(name, _)| name.starts_with(series));
        let (_, value) =
            found.unwrap_or_else(|| panic!("{pod} has no {series}: {:#?}", metrics[pod]));
        assert!(*value >= 1.0, "{pod} {series} {value}");
    }
    let all: Vec<_> = metrics.values().flat_map(BTreeMap::keys).collect();
    // Dead letters are counted now and then, and the first look may be to come.
    let soon = |metric: &&Metric| metric.name != "dead_letters";
    for metric in metrics::ALL.iter().filter(soon) {
        let name = match metric.kind {
            Kind::Histogram => format!("{}_bucket", metric.name),
            Kind::Counter | Kind::Gauge => metric.name.to_owned(),
        };
        let told = all.iter().any(|series| series.starts_with(&name));
        assert!(told, "no pod tells {name}: {all:#?}");
    }
}

/// What each pod wrote, a JSON object per line.
struct Logs(BTreeMap<&'static str, Vec<Value>>);

impl Logs {
    fn of(stack: &Stack) -> Self {
        let read = |pod: &str| {
            let file = stack.logs().join(format!("{pod}.log"));
            let text = std::fs::read_to_string(file).expect("a log");
            let lines = text.lines().map(|line| {
                serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("{pod} wrote what is no JSON: {error}: {line}"))
            });
            lines.collect()
        };
        Self(PODS.map(|pod| (pod, read(pod))).into())
    }

    fn inventory(&self, pod: &str) -> &Value {
        let mut lines = self.0[pod].iter();
        let found = lines.find(|line| line["message"] == "inventory");
        found.expect("a pod begins with its inventory")
    }

    /// The lines that the request caused have its trace and one request id, in
    /// both pods.
    fn belong_to(&self, page: &Told) {
        let of = |pod: &str, route: &str| {
            let line = self.0[pod].iter().find(|line| {
                line["message"] == "answered" && line["route"] == route && line["method"] == "POST"
            });
            line.unwrap_or_else(|| panic!("{pod} does not say that it answered"))
        };
        let frontend = of("frontend", "/lists/{list}/todos");
        let backend = of("backend", "/api/v1/lists/{list}/todos");
        assert_eq!(frontend["trace_id"], page.trace.as_str());
        assert_eq!(backend["trace_id"], page.trace.as_str());
        assert_eq!(frontend["request_id"], backend["request_id"]);
        assert_eq!(frontend["request_id"], page.says("request.id"));
        for line in self.0.values().flatten() {
            assert!(
                line["timestamp"].is_string() && line["level"].is_string(),
                "{line}"
            );
        }
    }
}

fn everything(
    spans: &[Told],
    metrics: &BTreeMap<&str, Metrics>,
    logs: &Logs,
) -> impl Iterator<Item = String> {
    let spans = spans.iter().map(|span| format!("{span:?}"));
    let metrics = metrics.values().flat_map(BTreeMap::keys).cloned();
    let logs = logs.0.values().flatten().map(Value::to_string);
    spans
        .chain(metrics)
        .chain(logs)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Every token begins with `eyJ`, the encoded `{"` of its header.
fn no_token_is_told(spans: &[Told], metrics: &BTreeMap<&str, Metrics>, logs: &Logs) {
    for told in everything(spans, metrics, logs) {
        assert!(!told.contains("eyJ") && !told.contains("Bearer "), "{told}");
    }
}

/// Routes are told by their template.
fn no_path_is_told(spans: &[Told], metrics: &BTreeMap<&str, Metrics>, logs: &Logs) {
    for told in everything(spans, metrics, logs) {
        assert!(!told.contains("/lists/inbox"), "{told}");
    }
}
