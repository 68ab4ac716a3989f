//! The beginning of every pod, so that each `main` fits on a screen: the crypto
//! provider, the settings, the log, the runtime, the signals, the end.

use std::error::Error;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use crate::estate::Estate;
use crate::identity::IdentitySettings;
use crate::server::Shutdown;
use crate::settings::{Reader, SettingsError, Value, Vars};
use crate::telemetry::{self, TelemetrySettings, error_chain, metrics, redact};

/// How long open work may take to end unless `DRAIN_SECONDS` says otherwise.
pub const DRAIN: Duration = Duration::from_secs(25);

/// What every pod of the workload is told.
#[derive(Debug, Clone)]
pub struct PodSettings {
    /// `MANAGEMENT_LISTEN`: where the pod answers to the kubelet, by default
    /// 127.0.0.1:9090.
    pub management_listen: SocketAddr,
    /// `DRAIN_SECONDS`: how long open work may take to end, by default 25.
    pub drain: Duration,
    /// `ACCESS_PROBE`: whether the access probe is served, `on` or `off`, by
    /// default off.
    pub access_probe: bool,
    /// Who the pod is.
    pub identity: IdentitySettings,
    /// Where the resources are.
    pub estate: Estate,
}

impl PodSettings {
    /// Reads what every pod is told.
    pub fn read(reader: &mut Reader) -> Value<Self> {
        let management_listen =
            reader.socket_address("MANAGEMENT_LISTEN", (Ipv4Addr::LOCALHOST, 9090).into());
        let drain = reader.seconds("DRAIN_SECONDS", DRAIN.as_secs());
        let access_probe = reader.switch("ACCESS_PROBE", false);
        let identity = IdentitySettings::read(reader);
        let estate = Estate::read(reader);
        reader.group(|| Self {
            management_listen: management_listen.get(),
            drain: drain.get(),
            access_probe: access_probe.get(),
            identity: identity.get(),
            estate: estate.get(),
        })
    }
}

/// `LISTEN`: where the pod serves, by default 127.0.0.1:8080.
pub fn listen(reader: &mut Reader) -> Value<SocketAddr> {
    reader.socket_address("LISTEN", (Ipv4Addr::LOCALHOST, 8080).into())
}

/// What asks the pod to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndsWith {
    /// SIGTERM or SIGINT.
    Signals,
    /// These, or the end of standard input: a pod that another program started.
    SignalsOrStdin,
}

/// Runs a pod with this name to its end: 0 when it ended in order, 1 when it failed, 64 when its
/// settings are wrong (each problem is a line on standard error, and no port was
/// opened).
///
/// ```no_run
/// use platform::{pod, settings::{Reader, SettingsError, Vars}};
///
/// struct Settings { pod: pod::PodSettings }
///
/// fn read(mut reader: Reader) -> Result<Settings, SettingsError> {
///     let pod = pod::PodSettings::read(&mut reader);
///     reader.finish(|| Settings { pod: pod.get() })
/// }
///
/// fn main() -> std::process::ExitCode {
///     pod::run("shop", &Vars::from_process(), pod::EndsWith::Signals, read, async |settings, shutdown| {
///         // build the clients, open the ports, serve
///         # let _: (Settings, platform::server::Shutdown) = (settings, shutdown);
///         Ok::<(), std::io::Error>(())
///     })
/// }
/// ```
pub fn run<S, E, Work>(
    pod: &'static str,
    vars: &Vars,
    ends_with: EndsWith,
    read: impl FnOnce(Reader) -> Result<S, SettingsError>,
    work: impl FnOnce(S, Shutdown) -> Work,
) -> ExitCode
where
    Work: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    install_crypto_provider();
    let (telemetry, settings) = match read_all(vars, read) {
        Ok((telemetry, settings)) => (telemetry::start(pod, telemetry), settings),
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "there is no log before its settings")]
            {
                eprintln!("{error}");
            }
            return error.exit_code();
        }
    };
    let code = match run_to_end(ends_with, settings, work) {
        Ok(()) => {
            tracing::info!("ended");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let cause = redact(&error_chain(error.as_ref())).into_owned();
            tracing::error!(cause, "failed");
            ExitCode::FAILURE
        }
    };
    telemetry.end();
    code
}

/// Chooses the crypto of TLS for the whole process. The first call counts; with
/// none, TLS panics where two providers are compiled in.
pub fn install_crypto_provider() {
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("the crypto provider is installed already");
    }
}

fn read_all<S>(
    vars: &Vars,
    read: impl FnOnce(Reader) -> Result<S, SettingsError>,
) -> Result<(TelemetrySettings, S), SettingsError> {
    let mut own = Reader::new(vars);
    let telemetry = TelemetrySettings::read(&mut own);
    let telemetry = own.finish(|| telemetry.get());
    match (telemetry, read(Reader::new(vars))) {
        (Ok(telemetry), Ok(settings)) => Ok((telemetry, settings)),
        (Err(one), Err(other)) => Err(one.and(other)),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

// No identity: the work that it runs says its own.
fn run_to_end<S, E, Work>(
    ends_with: EndsWith,
    settings: S,
    work: impl FnOnce(S, Shutdown) -> Work,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    Work: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        let _upkeep = tokio::spawn(metrics::upkeep());
        let shutdown = Shutdown::on_signals()?;
        let shutdown = match ends_with {
            EndsWith::Signals => shutdown,
            EndsWith::SignalsOrStdin => shutdown.also_when_stdin_closes(),
        };
        work(settings, shutdown).await.map_err(Into::into)
    });
    // What is still running was given its time; it does not hold up the end.
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estate::tests::BASE;
    use crate::identity::tests::token_file;

    #[test]
    fn a_pod_as_the_manifests_and_the_webhook_make_it_is_readable() {
        let file = token_file(&serde_json::json!({}));
        let path = file.path().to_str().expect("a UTF-8 path");
        let vars = Vars::from_pairs(BASE.into_iter().chain([
            ("MANAGEMENT_LISTEN", "0.0.0.0:9090"),
            ("ACCESS_PROBE", "on"),
            ("AZURE_CLIENT_ID", "6977c771-7ec5-5c54-9864-189d96bd2654"),
            ("AZURE_TENANT_ID", "0dd17ccc-1660-5815-893b-e60e4270e70b"),
            ("AZURE_FEDERATED_TOKEN_FILE", path),
            ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com"),
        ]));
        let mut reader = Reader::new(&vars);
        let pod = PodSettings::read(&mut reader);

        let settings = reader.finish(|| pod.get()).expect("the base manifests");

        assert!(settings.access_probe);
        assert_eq!(settings.drain, Duration::from_secs(25));
    }

    #[test]
    fn the_problems_of_the_log_and_of_the_pod_are_told_together() {
        let vars = Vars::from_pairs([("LOG", "platform=loud"), ("DRAIN_SECONDS", "soon")]);

        let error = read_all(&vars, |mut reader| {
            let drain = reader.seconds("DRAIN_SECONDS", 25);
            reader.finish(|| drain.get())
        })
        .expect_err("two problems")
        .to_string();

        assert!(error.contains("LOG: \"platform=loud\""), "{error}");
        assert!(
            error.ends_with("\nDRAIN_SECONDS: \"soon\" is not a whole number of seconds"),
            "{error}"
        );
    }
}
