//! What the workload costs: its own code beside what it stands on, measured in
//! one run, on one machine, on the same local cloud.
//!
//! `cargo bench -p e2e` prints the table, with `-- --write` puts it into
//! `docs/benchmarks.md`, and with `-- --check` fails when something was missed. With
//! `E2E_BIN_DIR` the separately built programs are measured. Figures of a machine that does other things meanwhile are worth
//! nothing; ratios are worth a little.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal: the table on standard output, the rest beside it"
)]

mod bare;
mod page;
mod reading;
mod resources;
mod start;
mod table;
mod upload;
mod visitor;

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use e2e::stack::{Options, Stack};

use table::Row;

const PLACE: table::Place = ("<!-- measured -->\n", "<!-- end of what was measured -->\n");

/// The upload that is measured is larger than the pages allow otherwise.
const UPLOAD_LIMIT: &str = "134217728";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    platform::pod::install_crypto_provider();
    e2e::use_executable(env!("CARGO_BIN_EXE_e2e"));
    let outcome = match tokio::runtime::Runtime::new().context("no runtime") {
        Ok(runtime) if arguments.iter().any(|argument| argument == bare::ARGUMENT) => {
            runtime.block_on(bare::run())
        }
        Ok(runtime) => runtime.block_on(measure(&arguments)),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo bench: {error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &[String]) -> Result<()> {
    let asked = |option: &str| arguments.iter().any(|argument| argument == option);
    let options = Options::default().with("frontend", "UPLOAD_LIMIT_BYTES", UPLOAD_LIMIT);
    let stack = Stack::start(options, |_| {}).await?;
    let mut rows: Vec<Row> = Vec::new();
    // In this order: what is idle has done nothing yet.
    eprintln!("start and idle memory ...");
    rows.extend(start::measure(&stack).await?);
    eprintln!("reading a todo, beside the bare SDK ...");
    rows.push(reading::measure(&stack).await?);
    eprintln!("the list page of 50 todos ...");
    rows.push(page::measure(&stack).await?);
    eprintln!("uploading 100 MB ...");
    rows.push(upload::measure(&stack).await?);
    stack.stop(|_| {}).await?;

    let table = table::markdown(&rows);
    if asked("--write") {
        table::write(PLACE, &table)?;
    }
    println!("{table}");
    let all_met = rows.iter().all(|row| row.met);
    ensure!(all_met || !asked("--check"), "a target was missed");
    Ok(())
}
