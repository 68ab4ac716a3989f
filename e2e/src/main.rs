//! One program for everything: the harness, the local cloud, and, re-executed
//! with a pod's environment and nothing else, each pod.

use std::path::PathBuf;
use std::process::ExitCode;

use anstyle::AnsiColor;
use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use platform::pod::EndsWith;
use platform::settings::Vars;
use platform::telemetry::error_chain;

#[cfg(not(unix))]
compile_error!("The harness needs Linux: use WSL2 or the devcontainer on Windows.");

mod api;
mod cloud;
mod doctor_command;
mod explain;
mod guard;
mod lab_command;
mod secrets_command;
mod terminal;
mod trust_command;
mod up;

/// The to-do workload, the local cloud that it runs on, and both together.
#[derive(Parser)]
#[command(name = "e2e", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(up::Options),
    Cloud(local_cloud::command::Arguments),
    Doctor(doctor_command::Options),
    Explain(explain::Options),
    Lab(lab_command::Options),
    Secrets(secrets_command::Options),
    Trust(trust_command::Options),
    /// Run the workload for a program that calls the backend's API.
    #[command(hide = true)]
    Api,
    /// Be a pod of the workload; what it needs is in the environment.
    #[command(hide = true)]
    Pod {
        /// The program: `frontend` or `backend`.
        program: PodProgram,
        /// The container's arguments.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Run a program that ends when standard input closes.
    #[command(hide = true)]
    Guard {
        /// The executable.
        program: PathBuf,
        /// Its arguments.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum PodProgram {
    Frontend,
    Backend,
}

/// Runs a command to its end; a failure is told with all that caused it.
fn run_to_end(what: &str, command: impl Future<Output = Result<ExitCode>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let ran = runtime
        .context("no runtime could be started")
        .and_then(|runtime| runtime.block_on(command));
    ran.unwrap_or_else(|error| {
        let style = AnsiColor::Red.on_default();
        anstream::eprintln!("{style}{what}:{style:#} {}", error_chain(error.as_ref()));
        ExitCode::FAILURE
    })
}

fn main() -> ExitCode {
    platform::pod::install_crypto_provider();
    match Cli::parse().command {
        Command::Up(options) => run_to_end("cargo up", up::run(options)),
        Command::Cloud(options) => run_to_end("cargo cloud", cloud::run(options)),
        Command::Doctor(options) => run_to_end("cargo doctor", doctor_command::run(options)),
        Command::Explain(options) => run_to_end("cargo explain", async { explain::run(&options) }),
        Command::Lab(options) => run_to_end("cargo lab", lab_command::run(options)),
        Command::Secrets(options) => secrets_command::run(&options),
        Command::Trust(options) => trust_command::run(options),
        Command::Api => run_to_end("e2e api", api::run()),
        Command::Pod { program, arguments } => {
            let vars = Vars::from_process();
            match program {
                PodProgram::Frontend => frontend::main(arguments, &vars, EndsWith::SignalsOrStdin),
                PodProgram::Backend => backend::main(arguments, &vars, EndsWith::SignalsOrStdin),
            }
        }
        Command::Guard { program, arguments } => {
            run_to_end("guard", guard::run(&program, &arguments))
        }
    }
}
