//! What identity costs: the token endpoint beside the signature that it cannot do
//! without, and what the gate of the local cloud decides in.
//!
//! `cargo bench -p e2e --bench identity` prints the table, and with `-- --write`
//! puts it into `docs/benchmarks.md`. All of it is one thread in this process:
//! neither TLS nor a network is in it. What is counted is the processor time of
//! that thread, and both sides of a ratio take turns.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal: the table on standard output, the rest beside it"
)]

mod decisions;
mod exchanges;
mod limit;
#[path = "../workload/table.rs"]
mod table;
mod time;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use local_cloud::LocalCloud;

const PLACE: table::Place = (
    "<!-- identity measured -->\n",
    "<!-- end of identity measured -->\n",
);

fn main() -> ExitCode {
    platform::pod::install_crypto_provider();
    let write = std::env::args().any(|argument| argument == "--write");
    match measure(write) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("not measured: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn measure(write: bool) -> Result<()> {
    // The cloud's own listeners live here, and have nothing to do.
    let elsewhere = tokio::runtime::Runtime::new().context("no runtime")?;
    let cloud = elsewhere.block_on(LocalCloud::start(local_cloud::Options::new(
        e2e::default_model(),
    )))?;
    let endpoint = exchanges::Endpoint::of(&cloud)?;
    // The cluster's keys are fetched over the network, once an hour.
    elsewhere.block_on(endpoint.exchange())?;

    let here = tokio::runtime::Builder::new_current_thread()
        .build()
        .context("no runtime")?;
    eprintln!("the token endpoint, beside sign and verify ...");
    let mut rows = vec![exchanges::measure(&here, &endpoint)?];
    eprintln!("the gate ...");
    rows.extend(decisions::measure(&here, &cloud, &endpoint)?);

    let table = table::markdown(&rows);
    if write {
        table::write(PLACE, &table)?;
    }
    println!("{table}");
    Ok(())
}
