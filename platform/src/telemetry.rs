//! What a pod tells of itself: its log, its traces and its metrics, and the
//! inventory that it begins with.
//!
//! No token leaves the process with any of them: [`redact`] goes over every line
//! and every span. A failure is logged once, where it is handled, with its whole
//! chain of causes ([`error_chain`]), because the clients of Azure keep the
//! reason in the sources and not in the text.

pub mod context;

pub mod dependency;

pub mod http;

pub mod metrics;

mod log;
mod redaction;
pub(crate) mod traces;

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer as _};
use url::Url;

pub use redaction::redact;

use crate::estate::Estate;
use crate::identity::IdentitySettings;
use crate::settings::{Reader, Value};

/// What the libraries below us may say by default: warnings. Their lower levels
/// tell each request a second time, in their own words.
const QUIET: &str = "azure_core=warn,azure_data_cosmos=warn,azure_data_cosmos_driver=warn,\
    azure_identity=warn,fe2o3_amqp=warn,h2=warn,hyper=warn,hyper_util=warn,reqwest=warn,\
    rustls=warn,typespec_client_core=warn";

/// How long the end of a pod waits for its last spans to be taken.
pub const LAST_SPANS: Duration = Duration::from_secs(3);

/// What a pod is told about telling of itself.
#[derive(Debug)]
pub struct TelemetrySettings {
    log: LogFilter,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, optional: the collector of spans, an http
    /// or https base URL; `v1/traces` is added to it.
    collector: Option<Url>,
}

impl TelemetrySettings {
    /// Reads the variables.
    pub fn read(reader: &mut Reader) -> Value<Self> {
        let log = LogFilter::read(reader);
        let collector = reader.cluster_url_if_set("OTEL_EXPORTER_OTLP_ENDPOINT");
        reader.group(|| Self {
            log: log.get(),
            collector: collector.get(),
        })
    }
}

/// Which events are written.
#[derive(Debug)]
struct LogFilter(String);

impl LogFilter {
    /// `LOG`, optional: directives as of `RUST_LOG` (`debug`,
    /// `info,azure_identity=trace`). By default `info`, and warnings of the
    /// libraries below.
    fn read(reader: &mut Reader) -> Value<Self> {
        reader.parsed_or("LOG", Self::with("info"), |directives| {
            let filter = Self::with(directives);
            match EnvFilter::builder().parse(&filter.0) {
                Ok(_) => Ok(filter),
                Err(error) => Err(format!("is not a log filter: {error}")),
            }
        })
    }

    fn with(directives: &str) -> Self {
        Self(format!("{QUIET},{directives}"))
    }
}

/// Telemetry that was started. To be ended, for the last spans.
#[derive(Debug)]
#[must_use = "spans that wait are lost unless it is ended"]
pub struct Telemetry {
    traces: SdkTracerProvider,
}

/// Starts log, traces and metrics for a pod with this name. In a process that
/// has done so before, nothing happens: a test process has many pods. Not to be
/// called within a runtime.
pub fn start(pod: &'static str, settings: TelemetrySettings) -> Telemetry {
    metrics::start();
    let exporter = settings.collector.as_ref().map(traces::exporter);
    let (exporter, failure) = match exporter.transpose() {
        Ok(exporter) => (exporter, None),
        Err(error) => (None, Some(error)),
    };
    let traces = traces::provider(pod, exporter);
    let subscriber = subscriber(settings.log, std::io::stdout, &traces);
    if subscriber.try_init().is_ok() {
        opentelemetry::global::set_tracer_provider(traces.clone());
    } else {
        tracing::debug!("events are written already");
    }
    if let Some(error) = failure {
        let cause = error_chain(error.as_ref());
        tracing::warn!(cause, "spans are not exported");
    }
    Telemetry { traces }
}

impl Telemetry {
    /// Sends the spans that wait, for a few seconds at most. Not to be called
    /// within a runtime.
    pub fn end(self) {
        if let Err(error) = self.traces.shutdown_with_timeout(LAST_SPANS) {
            tracing::debug!(%error, "the last spans were not taken");
        }
    }
}

/// Writes each event as a line, and gives each span its place in a trace. The
/// filter is for events; spans are there whatever is written, because events are
/// found by them.
fn subscriber<W: Write + 'static>(
    filter: LogFilter,
    writer: impl Fn() -> W + Send + Sync + 'static,
    traces: &SdkTracerProvider,
) -> impl SubscriberInitExt + tracing::Subscriber + Send + Sync {
    let spans = || {
        filter_fn(|metadata| metadata.is_span() && *metadata.level() <= LevelFilter::INFO)
            .with_max_level_hint(LevelFilter::INFO)
    };
    let events = EnvFilter::builder().parse_lossy(filter.0);
    let in_traces = tracing_opentelemetry::layer()
        .with_tracer(traces.tracer("platform"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false);
    tracing_subscriber::registry()
        .with(in_traces.with_filter(spans()))
        .with(log::Lines::to(writer).with_filter(events.or(spans())))
}

/// The text of an error and of everything that caused it, joined by `: `. A
/// cause that its effect already quotes is not repeated.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !text.is_empty() && !chain.contains(&text) {
            // Writing to a String cannot fail.
            write!(chain, ": {text}").expect("a String takes what is written");
        }
        cause = error.source();
    }
    chain
}

/// What a pod says once it listens. The harness reads the addresses from this
/// line, because its pods listen on port 0.
#[derive(Debug)]
pub struct Inventory<'a> {
    /// What the pod is, for example `backend`.
    pub pod: &'a str,
    /// Where it serves, if it serves.
    pub listen: Option<SocketAddr>,
    /// Where it answers to the kubelet.
    pub management: SocketAddr,
    /// Who it is.
    pub identity: &'a IdentitySettings,
    /// What it may talk to.
    pub estate: &'a Estate,
}

/// Writes the inventory: one event with the message `inventory`.
pub fn inventory(inventory: &Inventory<'_>) {
    let Inventory {
        pod,
        listen,
        management,
        identity,
        estate,
    } = inventory;
    tracing::info!(
        pod = %pod,
        listen = listen.map(tracing::field::display),
        management = %management,
        client_id = %identity.client_id,
        tenant_id = %identity.tenant_id,
        authority = %identity.authority,
        key_vault = %estate.vault.url,
        cosmos = %estate.cosmos.endpoint,
        storage = %estate.storage.url,
        service_bus = %estate.bus.namespace,
        service_bus_custom_endpoint = estate.bus.custom_endpoint.as_deref(),
        otlp = traces::collector().map(tracing::field::display),
        version = env!("CARGO_PKG_VERSION"),
        "inventory"
    );
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use super::testing::written;
    use super::*;

    use serde_json::json;

    use crate::estate::tests::BASE;
    use crate::identity::tests::{settings, token_file};
    use crate::settings::Vars;

    #[test]
    fn the_inventory_is_one_line_that_a_program_can_read() {
        let file = token_file(&json!({}));
        let mut reader = Reader::new(&Vars::from_pairs(BASE));
        let estate = Estate::read(&mut reader);
        let estate = reader.finish(|| estate.get()).expect("the base estate");

        let lines = written("info", || {
            inventory(&Inventory {
                pod: "backend",
                listen: Some(([127, 0, 0, 1], 40_001).into()),
                management: ([127, 0, 0, 1], 40_002).into(),
                identity: &settings(file.path()),
                estate: &estate,
            });
        });

        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["message"], "inventory");
        assert_eq!(lines[0]["listen"], "127.0.0.1:40001");
        assert_eq!(lines[0]["management"], "127.0.0.1:40002");
        assert_eq!(lines[0]["pod"], "backend");
        assert_eq!(lines[0]["service_bus"], "localbus.servicebus.windows.net");
    }

    #[test]
    fn a_token_in_an_event_is_redacted() {
        let lines = written("info", || {
            tracing::info!(header = "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "sent");
        });

        assert_eq!(lines[0]["header"], "Bearer [redacted]");
    }

    #[test]
    fn a_line_names_its_request_whatever_else_is_not_written() {
        let lines = written("warn", || {
            let span = tracing::info_span!("request", request.id = "abc-1");
            let _entered = span.enter();
            let _within = tracing::info_span!("call").entered();
            tracing::info!("not written");
            tracing::warn!(count = 3, "written");
        });

        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["request_id"], "abc-1");
        assert_eq!(lines[0]["count"], 3);
        let trace = lines[0]["trace_id"].as_str().expect("a trace");
        assert_eq!(trace.len(), 32, "{trace}");
    }

    #[test]
    fn a_collector_that_is_no_address_is_a_problem() {
        let vars = [("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")];
        let mut reader = Reader::new(&Vars::from_pairs(vars));
        let telemetry = TelemetrySettings::read(&mut reader);

        let error = reader
            .finish(|| telemetry.get())
            .expect_err("no scheme")
            .to_string();

        assert!(
            error.starts_with(
                "OTEL_EXPORTER_OTLP_ENDPOINT: \"collector:4318\" is not a http or https URL"
            ),
            "{error}"
        );
    }

    #[test]
    fn the_libraries_are_quiet_unless_they_are_asked() {
        let act = || tracing::info!(target: "azure_identity", "a request");

        assert_eq!(written("info", act).len(), 0);
        assert_eq!(written("info,azure_identity=info", act).len(), 1);
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the secret session-key")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("retry policy expired")]
    struct Middle(#[source] std::io::Error);

    #[test]
    fn an_error_is_told_with_all_that_caused_it() {
        let error = Outer(Middle(std::io::Error::other("UnknownIssuer")));

        assert_eq!(
            error_chain(&error),
            "cannot read the secret session-key: retry policy expired: UnknownIssuer"
        );
    }

    #[test]
    fn a_cause_that_is_quoted_already_is_not_repeated() {
        #[derive(Debug, thiserror::Error)]
        #[error("failed: {0}")]
        struct Quoting(#[source] std::io::Error);

        let error = Quoting(std::io::Error::other("no route"));

        assert_eq!(error_chain(&error), "failed: no route");
    }

    #[test]
    fn a_log_filter_that_cannot_be_read_is_a_problem() {
        let mut reader = Reader::new(&Vars::from_pairs([("LOG", "platform=loud")]));
        let filter = LogFilter::read(&mut reader);

        let error = reader
            .finish(|| filter.get())
            .expect_err("loud is not a level")
            .to_string();

        assert!(
            error.starts_with("LOG: \"platform=loud\" is not a log filter: "),
            "{error}"
        );
    }
}
