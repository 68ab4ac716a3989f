//! Days of use in minutes: cloud and pods share one clock, which jumps by a minute
//! and a half while people use the pages. Tokens and assertions expire, kubelet
//! rotates them, both issuers roll their keys over, and nobody may notice.
//!
//! `cargo longevity --hours 48` runs as long as one likes; without `--hours` it is
//! a test of half an hour. `docs/longevity.md` tells what is asserted.

#![cfg(test)]

mod person;
mod plan;
mod report;
mod run;
mod tokens;
mod watcher;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use e2e::faked_clock::FakedClock;
use libtest_mimic::{Arguments, Failed, Trial};

/// Long enough for rotations of every ten-minute token and the first rollovers.
const SHORT: Duration = Duration::from_mins(31);

/// The certificates of the local cloud are good for seven days; those of a real
/// cloud are renewed, ours end with the run.
const MOST: u32 = 6 * 24;

#[derive(Parser)]
struct Cli {
    /// Run this many simulated hours and print the report
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST)))]
    hours: Option<u32>,
    /// By how many seconds the clock jumps: no more than a projected token has
    /// left when kubelet rotates it
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=90))]
    step: u64,
    /// After how many jumps people come back to the pages
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=20))]
    jumps: u64,
    #[command(flatten)]
    tests: Arguments,
}

/// How time passes.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// By how much the clock jumps.
    step: Duration,
    /// After how many jumps people come.
    jumps: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    e2e::use_executable(env!("CARGO_BIN_EXE_e2e"));
    platform::pod::install_crypto_provider();
    let pace = Pace {
        step: Duration::from_secs(cli.step),
        jumps: cli.jumps,
    };
    if let Some(hours) = cli.hours {
        return match lasts(Duration::from_hours(hours.into()), pace) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failed) => {
                eprintln!("{}", failed.message().unwrap_or_default());
                ExitCode::FAILURE
            }
        };
    }
    let is_strict = e2e::is_strict();
    let is_ignored = FakedClock::library().is_none() && !is_strict;
    let name = "the_workload_outlives_its_tokens_and_keys_for_half_an_hour";
    let trial = Trial::test(name, move || lasts(SHORT, pace));
    let trial = if is_ignored {
        trial
            .with_kind("needs libfaketime: apt-get install libfaketime")
            .with_ignored_flag(true)
    } else {
        trial
    };
    libtest_mimic::run(&cli.tests, vec![trial]).exit_code()
}

/// Runs it to its end; what went wrong is the failure.
fn lasts(total: Duration, pace: Pace) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(run::run(total, pace))?;
    println!("{report}");
    match report.problems() {
        problems if problems.is_empty() => Ok(()),
        problems => Err(Failed::from(problems.join("\n"))),
    }
}
