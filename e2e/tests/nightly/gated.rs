//! The whole workload on a cloud of which third-party emulators may hold a part: each
//! pod tries every action with its own identity and the official clients; then the
//! scenarios are played on the same emulators.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use e2e::expected;
use e2e::parity::{Combination, Played};
use e2e::stack::{Options, PODS, Stack};
use local_cloud::Behind;
use platform::settings::Vars;
use tokio::process::Command;

use crate::Wanted;

pub(crate) async fn run(name: &str, wanted: &Wanted, behind: Vec<Behind>) -> Result<Combination> {
    let emulators = behind.iter().map(Behind::to_string).collect::<Vec<_>>();
    let options = Options {
        behind,
        ..Options::default()
    };
    let stack = Stack::start(options, |_| {}).await?;
    let mut found = BTreeMap::new();
    for pod in PODS {
        let report = stack.probe(pod).await;
        let report = report.with_context(|| format!("the probe of {pod}"))?;
        found.extend(expected::found(pod, &report));
    }
    stack.stop(|_| {}).await?;
    let played = play(&wanted.scenarios, &emulators).await?;
    Ok(Combination::gated(name, &wanted.cells, &found, played))
}

/// Plays the scenarios by their own test binary, each with a cloud of its own that has
/// these emulators behind it.
async fn play(scenarios: &[String], emulators: &[String]) -> Result<Vec<Played>> {
    eprintln!("nightly: the scenarios {}", scenarios.join(" "));
    let cargo = Vars::from_process().get("CARGO");
    let cargo = cargo.unwrap_or_else(|| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command
        .args(["test", "--package", "e2e", "--test", "scenarios", "--"])
        .args(scenarios)
        .current_dir(e2e::repository())
        .env("E2E_BEHIND", emulators.join(" "))
        .env_remove("E2E_TARGET")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    match emulators {
        [] => command.env_remove("E2E_BEHIND"),
        // They share what it holds: a queue's messages go to whoever asks first.
        _ => command.arg("--test-threads=1"),
    };
    let output = command.output().await.context("cargo does not start")?;
    let output = String::from_utf8_lossy(&output.stdout);
    let played = Played::read(&output);
    ensure!(
        !played.is_empty(),
        "no scenario was played: {}",
        scenarios.join(" ")
    );
    Ok(played)
}
