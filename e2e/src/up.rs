//! `cargo up`: the whole workload on the local cloud. Every line that it prints
//! comes from something that happened.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anstream::println;
use anyhow::{Context as _, Result, bail};
use e2e::doctor::local::Announced;
use e2e::expected::{self, EXPECTED_ACCESS};
use e2e::kubelet::Happening;
use e2e::stack::{Event, Options as StackOptions, PODS, Stack};
use platform::access::{AccessReport, Outcome};
use platform::server::Shutdown;

use crate::terminal::{BAD, FAINT, GOOD};

/// Run the whole workload on the local cloud, until Ctrl-C.
///
/// It starts a local cloud (a cluster's token issuer, Entra ID, Key Vault,
/// Cosmos DB, Blob Storage, Service Bus), then backend, worker and frontend as
/// the manifests in k8s/overlays/workshop say, lets each pod try every access
/// path with its own identity, and compares the answers with e2e/expected-access.md. It needs
/// no Docker, no cluster and no subscription, and leaves nothing behind.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The port of the pages, on localhost.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The access model to run on.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Stop as soon as everything has been checked; fail if an answer is not as
    /// expected.
    #[arg(long)]
    check: bool,
}

pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let began = Instant::now();
    let shutdown = Shutdown::on_signals()?;
    check_port(options.port)?;
    println!(
        "{FAINT}The local cloud is not Azure: it enforces trust and roles, and keeps nothing.{FAINT:#}"
    );
    let stack_options = StackOptions {
        model: options.model,
        port: options.port,
        ..StackOptions::default()
    };
    let started = tokio::select! {
        started = start(stack_options) => started,
        () = shutdown.requested() => bail!("interrupted while starting"),
    };
    let (mut stack, as_expected) = started?;
    // So that `cargo doctor` finds it.
    let announced = Announced::new(stack.cloud_state());
    if let Err(error) = &announced {
        println!("{FAINT}`cargo doctor` will not find this by itself: {error:#}{FAINT:#}");
    }
    println!("{FAINT}logs   {}{FAINT:#}", stack.logs().display());
    println!("{FAINT}lab    {}{FAINT:#}", lab(&stack)?);
    println!(
        "{FAINT}Try: add a to-do, attach a file and watch the worker process it; then open Access. Ctrl-C stops all.{FAINT:#}"
    );
    println!(
        "{GOOD}ready{GOOD:#} in {:.1} s: http://localhost:{}",
        began.elapsed().as_secs_f64(),
        options.port
    );
    let ended = if options.check {
        None
    } else {
        stack.supervise();
        tokio::select! {
            ended = watch(&mut stack) => Some(ended),
            () = shutdown.requested() => None,
        }
    };
    println!();
    drop(announced);
    stack.stop(|name| println!("stopped {name}")).await?;
    match ended {
        Some(ended) => Err(ended),
        None if options.check && !as_expected => Ok(ExitCode::FAILURE),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Where the lab console is. Its key is for a terminal alone: whoever writes the output
/// down does not write that down.
fn lab(stack: &Stack) -> Result<String> {
    if std::io::stdout().is_terminal() {
        return stack.console();
    }
    let file = stack.cloud_state().join("console");
    Ok(format!("its address is in {}", file.display()))
}

/// Starts the workload and lets every pod try every path; also says whether the
/// answers are as expected.
async fn start(options: StackOptions) -> Result<(Stack, bool)> {
    let stack = Stack::start(options, tell).await?;
    let mut found = BTreeMap::new();
    let mut reports = Vec::new();
    for pod in PODS {
        let report = stack.probe(pod).await?;
        print_exchanges(pod, &report);
        found.extend(expected::found(pod, &report));
        reports.push(report);
    }
    println!("{}", matrix(&reports));
    let differences = expected::compare(&expected::parse(EXPECTED_ACCESS)?, &found);
    let as_expected = differences.is_empty();
    if as_expected {
        let allowed = found
            .values()
            .filter(|outcome| *outcome == "allowed")
            .count();
        println!(
            "access {allowed} allowed, {} denied: {GOOD}each as in e2e/expected-access.md{GOOD:#}",
            found.len() - allowed
        );
    } else {
        println!("access {BAD}differs from e2e/expected-access.md{BAD:#}:");
        for difference in differences {
            let expected = difference.expected;
            let found = difference.found.unwrap_or_else(|| "not tried".to_owned());
            println!(
                "  {} {}: {BAD}{found}{BAD:#}, expected {}",
                expected.identity, expected.action, expected.outcome
            );
        }
    }
    Ok((stack, as_expected))
}

/// Says what the kubelet does, until the local cloud ends by itself.
async fn watch(stack: &mut Stack) -> anyhow::Error {
    loop {
        match stack.next_happening().await {
            Ok(happening) => print_happening(&happening),
            Err(ended) => return ended,
        }
    }
}

fn print_happening(happening: &Happening) {
    match happening {
        Happening::Ended { pod, how, wait } => {
            println!(
                "{pod:<9} {BAD}ended{BAD:#}, starts again {}: {how}",
                after(*wait)
            );
        }
        Happening::Unhealthy { pod, probe, wait } => {
            let probe = format!("{probe:?}").to_lowercase();
            println!(
                "{pod:<9} {BAD}fails its {probe} probe{BAD:#}, starts again {}",
                after(*wait)
            );
        }
        Happening::Restarted { pod } => println!("{pod:<9} started again"),
    }
}

fn after(wait: Duration) -> String {
    if wait.is_zero() {
        "at once".to_owned()
    } else {
        format!("in {} s", wait.as_secs())
    }
}

fn check_port(port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!(
                "port {port} is taken; choose another, for example: cargo up --port {}",
                port.saturating_add(1)
            )
        }
        other => {
            other.with_context(|| {
                format!("port {port} cannot be used; choose another with --port")
            })?;
            Ok(())
        }
    }
}

fn tell(event: Event) {
    match event {
        Event::CloudReady { took } => {
            println!("cloud     local cloud ready in {}", milliseconds(took));
        }
        Event::TokenProjected { pod, subject } => {
            println!("{pod:<9} step 1    token projected for {subject}");
        }
        Event::PodReady { pod, took } => println!("{pod:<9} ready in {}", milliseconds(took)),
    }
}

/// Steps 2 to 4, once per resource.
fn print_exchanges(pod: &str, report: &AccessReport) {
    for exchange in &report.exchanges {
        let resource = exchange
            .scope
            .trim_start_matches("https://")
            .trim_end_matches("/.default")
            .trim_end_matches('/');
        println!(
            "{pod:<9} steps 2-4 exchanged for a token for {resource} in {} ms",
            exchange.duration_ms
        );
    }
}

fn milliseconds(took: Duration) -> String {
    format!("{} ms", took.as_millis())
}

/// The answers as a table: a column for each pod.
fn matrix(reports: &[AccessReport]) -> String {
    let mut text = format!("{:<38}", "step 5: who may do what");
    for pod in PODS {
        write!(text, "{pod:<12}").expect("a string takes text");
    }
    let rows = reports
        .first()
        .map(|report| report.cells.len())
        .unwrap_or_default();
    for row in 0..rows {
        let action = reports[0].cells[row].id();
        write!(text, "\n  {action:<36}").expect("a string takes text");
        for report in reports {
            let (style, mark, outcome) = match &report.cells[row].outcome {
                Outcome::Allowed => (GOOD, '✓', "allowed".to_owned()),
                Outcome::Refused { code } => (FAINT, '·', short(code)),
                Outcome::Failed { text } => (BAD, '✗', text.clone()),
            };
            let shown: String = outcome.chars().take(9).collect();
            write!(text, "{style}{mark} {shown:<10}{style:#}").expect("a string takes text");
        }
    }
    text
}

/// A refusal that fits into a column; the full text is in the table of expected
/// access and on the Access page.
fn short(code: &str) -> String {
    match code.split_once(' ') {
        Some(("amqp:unauthorized-access", claim)) => format!("no {claim}"),
        Some((status, _)) => status.to_owned(),
        None => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_fits_into_its_column() {
        for (code, shown) in [
            ("403 AuthorizationPermissionMismatch", "403"),
            ("403/5301", "403/5301"),
            ("amqp:unauthorized-access Listen", "no Listen"),
        ] {
            assert_eq!(short(code), shown);
        }
    }
}
