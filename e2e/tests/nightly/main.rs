//! The parity report: the access matrix on the local cloud's own planes and on
//! third-party emulators, each behind the gate and bare; and the scenarios wherever
//! the whole workload can run.
//!
//! `cargo nightly` runs every combination that is here, and names what the others
//! need. Without `--report` it is a test of the report's own promises, so that
//! `cargo test` stays quick. `docs/emulators.md` tells how to read it.

#![cfg(test)]

mod azurite;
mod bare;
mod gated;
mod others;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use e2e::expected::{self, Cell, EXPECTED_ACCESS};
use e2e::parity::{Colour, Combination, Report};
use libtest_mimic::{Arguments, Trial};

/// Run the access matrix and the scenarios on each combination of planes that is
/// here, and print a parity report
///
/// Exit code: 0 if every cell and every scenario is as expected; 1 if one is not, or
/// is not enforced behind the gate; 2 if a bare emulator let somebody through whom it
/// could not refuse, which is never green.
#[derive(Parser)]
struct Cli {
    /// Print the report; without it, test the command itself
    #[arg(long)]
    report: bool,
    /// Run the combinations with this text in their name alone
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Play the scenarios with one of these in their name, where the whole workload
    /// runs
    #[arg(
        long,
        value_name = "TEXT",
        value_delimiter = ',',
        default_value = "story::,properties::,grants::,crashes::,chaos::"
    )]
    scenarios: Vec<String>,
    /// Write the report as a page of its own
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the report as `JUnit` XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    tests: Arguments,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    e2e::use_executable(env!("CARGO_BIN_EXE_e2e"));
    platform::pod::install_crypto_provider();
    if !cli.report {
        let trials = vec![
            Trial::test("every_combination_has_a_name_of_its_own", || {
                let names: BTreeSet<_> = COMBINATIONS.iter().collect();
                assert_eq!(names.len(), COMBINATIONS.len());
                Ok(())
            }),
            Trial::test("the_service_bus_emulator_gets_the_models_queues", || {
                Ok(others::the_service_bus_emulator_gets_the_models_queues()?)
            }),
        ];
        return libtest_mimic::run(&cli.tests, trials).exit_code();
    }
    match report(&cli) {
        Ok(Colour::Green) => ExitCode::SUCCESS,
        Ok(Colour::Red) => ExitCode::from(1),
        Ok(Colour::Yellow) => ExitCode::from(2),
        Err(error) => {
            eprintln!("nightly: {error:?}");
            ExitCode::from(1)
        }
    }
}

/// In the order in which they run.
const COMBINATIONS: [&str; 8] = [
    "embedded",
    "Azurite process behind the gate",
    "Azurite process bare",
    "Azurite container behind the gate",
    "Azurite container bare",
    "Cosmos DB emulator behind the gate",
    "Key Vault emulator behind the gate",
    "Service Bus emulator behind the gate",
];

/// What is run on each combination.
struct Wanted {
    /// The access matrix.
    cells: Vec<Cell>,
    /// Parts of the names of scenarios.
    scenarios: Vec<String>,
}

fn report(cli: &Cli) -> Result<Colour> {
    let wanted = Wanted {
        cells: expected::parse(EXPECTED_ACCESS)?,
        scenarios: cli.scenarios.clone(),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let mut report = Report::default();
    for name in COMBINATIONS {
        let is_named = cli
            .only
            .as_ref()
            .is_none_or(|text| name.contains(text.as_str()));
        if is_named {
            eprintln!("nightly: {name}");
            let combination = runtime.block_on(combination(name, &wanted));
            report
                .combinations
                .push(combination.with_context(|| name.to_owned())?);
        }
    }
    anstream::print!("{}", report.text());
    for (file, text) in [(&cli.html, report.html()), (&cli.junit, report.junit())] {
        if let Some(file) = file {
            std::fs::write(file, text)
                .with_context(|| format!("{} cannot be written", file.display()))?;
        }
    }
    Ok(report.colour())
}

/// Runs one combination. What is missing for it is no error.
async fn combination(name: &str, wanted: &Wanted) -> Result<Combination> {
    match name {
        "embedded" => gated::run(name, wanted, vec![]).await,
        "Azurite process behind the gate" => azurite::process_gated(name, wanted).await,
        "Azurite process bare" => azurite::process_bare(name, wanted).await,
        "Azurite container behind the gate" => azurite::container_gated(name, wanted).await,
        "Azurite container bare" => azurite::container_bare(name, wanted).await,
        "Cosmos DB emulator behind the gate" => others::cosmos(name, wanted).await,
        "Key Vault emulator behind the gate" => others::key_vault(name, wanted).await,
        _ => others::service_bus(name, wanted).await,
    }
}
