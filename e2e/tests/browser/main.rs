//! The pages in a real browser, headless Chromium, on the whole workload. A module
//! for each story.
//!
//! In every window of every scenario nothing may be complained about in the
//! console, and no request may leave the origin: see `watcher.rs`.
//!
//! With `--pictures` the pictures of `docs/images` are taken instead.

#![cfg(test)]

mod access;
mod accessibility;
mod axe;
mod chromium;
mod conflict;
mod drawing;
mod files;
mod holds;
mod installed;
mod lab;
mod live;
mod outline;
mod pictures;
mod scenario;
mod sharing;
mod steps;
mod story;
mod trust;
mod upload;
mod visit;
mod watcher;
mod watching;
mod window;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use libtest_mimic::Arguments;

use installed::Installed;
use scenario::Scenario;
use world::World;

/// Scenarios that play at the same time, unless told otherwise: each waits for its
/// pages more than it computes.
const AT_ONCE: usize = 8;

#[derive(Parser)]
struct Cli {
    /// Take the pictures of docs/images instead of running the scenarios
    #[arg(long)]
    pictures: bool,
    #[command(flatten)]
    tests: Arguments,
}

fn main() -> ExitCode {
    let mut cli = Cli::parse();
    cli.tests.test_threads.get_or_insert(AT_ONCE);
    e2e::use_executable(env!("CARGO_BIN_EXE_e2e"));
    platform::pod::install_crypto_provider();
    let (scenarios, port) = if cli.pictures {
        (pictures::scenarios(), pictures::PORT)
    } else {
        (every_scenario(), 0)
    };
    let installed = Installed::find();
    let world = Arc::new(World::new(&installed, port));
    let trials = scenarios
        .into_iter()
        .map(|scenario| scenario.trial(&installed, &world));
    let verdict = libtest_mimic::run(&cli.tests, trials.collect());
    let world = Arc::into_inner(world).expect("all trials are over");
    match world.stop() {
        Ok(()) => verdict.exit_code(),
        Err(error) => {
            eprintln!("the workload or the browser does not end: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn every_scenario() -> Vec<Scenario> {
    [
        watching::scenarios(),
        story::scenarios(),
        live::scenarios(),
        sharing::scenarios(),
        conflict::scenarios(),
        upload::scenarios(),
        access::scenarios(),
        drawing::scenarios(),
        trust::scenarios(),
        lab::scenarios(),
        accessibility::scenarios(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
