//! The access matrix: every pod tries every action with its own identity and
//! the official clients, one named test for each cell of `expected-access.md`.

#![cfg(test)]

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use e2e::expected::{self, Cell, EXPECTED_ACCESS};
use e2e::stack::{Options, PODS, Stack};
use libtest_mimic::{Arguments, Failed, Trial};
use local_cloud::audit::{Decision, Record};
use serde_json::Value;

/// What one run of all probes left behind.
struct Run {
    outcomes: BTreeMap<(String, String), (String, String)>,
    state_before: Value,
    state_after: Value,
    audit: Vec<Record>,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    e2e::use_executable(env!("CARGO_BIN_EXE_e2e"));
    platform::pod::install_crypto_provider();
    let expected = expected::parse(EXPECTED_ACCESS).expect("expected-access.md is a table");
    // Listing does not need a run.
    let run = if arguments.list {
        None
    } else {
        Some(run_probes())
    };
    let run = match run.transpose() {
        Ok(run) => run.map(|run| &*Box::leak(Box::new(run))),
        Err(error) => {
            eprintln!("the workload did not start: {error:?}");
            return ExitCode::FAILURE;
        }
    };
    let mut trials: Vec<Trial> = expected
        .iter()
        .map(|cell| trial(cell.clone(), run))
        .collect();
    trials.push(Trial::test(
        "every tried action is in the table",
        move || nothing_else(&expected, run),
    ));
    trials.push(Trial::test(
        "the probes leave every resource as it was",
        move || no_side_effect(run),
    ));
    trials.push(Trial::test(
        "every cell is in the audit log, as it was decided",
        move || denials_are_audited(run),
    ));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn run_probes() -> Result<Run> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        containers::use_target().await?;
        let stack = Stack::start(Options::default(), |_| {}).await?;
        let control = stack.control();
        let state_before = control.state().await?;
        let before = control.audit(0).await?.len();
        let mut outcomes = BTreeMap::new();
        for pod in PODS {
            let report = stack
                .probe(pod)
                .await
                .with_context(|| format!("the probe of {pod}"))?;
            for cell in report.cells {
                let key = (pod.to_owned(), cell.id());
                outcomes.insert(key, (cell.outcome.text().to_owned(), cell.detail));
            }
        }
        let state_after = control.state().await?;
        let audit = control.audit(before as u64).await?;
        stack.stop(|_| {}).await?;
        Ok(Run {
            outcomes,
            state_before,
            state_after,
            audit,
        })
    })
}

fn trial(cell: Cell, run: Option<&'static Run>) -> Trial {
    let verdict = if cell.outcome == "allowed" {
        "is allowed"
    } else {
        "is denied"
    };
    let name = format!("{}: {} {verdict}", cell.identity, cell.action);
    Trial::test(name, move || {
        let run = run.ok_or("there was no run")?;
        let found = run
            .outcomes
            .get(&(cell.identity.clone(), cell.action.clone()));
        let (outcome, detail) = found.ok_or("the probe did not try this")?;
        if *outcome == cell.outcome {
            return Ok(());
        }
        Err(Failed::from(format!(
            "expected {}, found {outcome}: {detail}\n{}",
            cell.outcome,
            trail(run, &cell.identity)
        )))
    })
}

fn nothing_else(expected: &[Cell], run: Option<&Run>) -> Result<(), Failed> {
    let run = run.ok_or("there was no run")?;
    let found = run
        .outcomes
        .iter()
        .map(|(key, (outcome, _))| (key.clone(), outcome.clone()));
    let differences = expected::compare(expected, &found.collect());
    let unknown: Vec<_> = differences
        .into_iter()
        .filter(|difference| difference.expected.outcome == "(not in the table)")
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(format!("these are tried but not in expected-access.md: {unknown:#?}").into())
}

fn no_side_effect(run: Option<&Run>) -> Result<(), Failed> {
    let run = run.ok_or("there was no run")?;
    let resources = run.state_before.as_object().map_or(0, serde_json::Map::len);
    if resources < 4 {
        return Err(format!(
            "the state covers only {resources} resources: {:#}",
            run.state_before
        )
        .into());
    }
    if run.state_before == run.state_after {
        return Ok(());
    }
    Err(format!(
        "before: {:#}\nafter: {:#}",
        run.state_before, run.state_after
    )
    .into())
}

/// The scope of a cell, and the operations of which one has to be denied there.
fn audited_as(cell: &str) -> (String, &'static [&'static str]) {
    let (resource, action) = cell.rsplit_once(' ').expect("a resource and an action");
    let scope = match resource.split_once('/') {
        Some(("cosmos", container)) => {
            format!("cosmos/databases/todolist/containers/{container}")
        }
        Some(("storage", container)) => format!("storage/containers/{container}"),
        Some(("bus", queue)) => format!("bus/queues/{queue}"),
        _ => resource.to_owned(),
    };
    let operations: &[&str] = match (resource.split('/').next(), action) {
        (Some("vault"), "list") => &["GetSecrets"],
        (Some("vault"), "get") => &["GetSecret"],
        (Some("vault"), "update") => &["UpdateSecret"],
        // Without any role there, the container cannot even be opened.
        (Some("cosmos"), "read") => &["ReadContainer", "ReadMetadata", "ReadItem"],
        (Some("cosmos"), "query") => &["ReadContainer", "ReadMetadata", "QueryItems"],
        (Some("cosmos"), "write") => &["ReadContainer", "ReadMetadata", "ReplaceItem"],
        (Some("cosmos"), "delete") => &["ReadContainer", "ReadMetadata", "DeleteItem"],
        (Some("storage"), "list-containers") => &["ListContainers"],
        (Some("storage"), "list") => &["ListBlobs"],
        (Some("storage"), "read") => &["GetBlob"],
        (Some("storage"), "write") => &["PutBlob"],
        (Some("storage"), "delete") => &["DeleteBlob"],
        (Some("bus"), "send") => &["AttachSender"],
        (Some("bus"), "receive") => &["AttachReceiver"],
        other => panic!("{other:?} is no action of the matrix"),
    };
    (scope, operations)
}

fn denials_are_audited(run: Option<&Run>) -> Result<(), Failed> {
    let run = run.ok_or("there was no run")?;
    for ((identity, cell), (outcome, _)) in &run.outcomes {
        let (scope, operations) = audited_as(cell);
        let wanted = if outcome == "allowed" {
            Decision::Allowed
        } else {
            Decision::Denied
        };
        let audited = run.audit.iter().any(|record| {
            record.identity.as_deref() == Some(identity)
                && record.scope == scope
                && record.decision == wanted
                && operations.contains(&record.operation.as_str())
        });
        if !audited {
            let story = trail(run, identity);
            return Err(format!("{identity}: {cell} ({outcome}) is not audited\n{story}").into());
        }
    }
    Ok(())
}

/// The audit of one identity, for a failure's story.
fn trail(run: &Run, identity: &str) -> String {
    let of_identity = run
        .audit
        .iter()
        .filter(|record| record.identity.as_deref() == Some(identity));
    format!("audit of {identity}:\n{}", e2e::story::told(of_identity))
}
