//! The to-do API with its outbox relay, and the worker: two roles of one program,
//! each with a Deployment, a service account and an identity of its own.

mod backoff;
mod instant;
mod messages;
mod store;
mod todos;

pub mod settings;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use platform::pod::{self, EndsWith};
use platform::server::Shutdown;
use platform::settings::Vars;

use settings::{ApiSettings, WorkerSettings};

/// The to-do API and its worker. All settings are environment variables.
#[derive(Debug, Parser)]
#[command(name = "backend")]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Role {
    /// Serve the API to the frontend, and send the outbox's events.
    Api,
    /// Record events as activity, and process attachments.
    Worker,
}

/// Runs the program: the arguments are those after its name. Ends with 0 in
/// order, 1 for a failure, 2 for wrong arguments and 64 for wrong settings.
pub fn main(args: impl IntoIterator<Item = String>, vars: &Vars, ends_with: EndsWith) -> ExitCode {
    let args = std::iter::once("backend".to_owned()).chain(args);
    let role = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments.role,
        Err(said) => return say(&said),
    };
    match role {
        Role::Api => pod::run(vars, ends_with, ApiSettings::read, run_api),
        Role::Worker => pod::run(vars, ends_with, WorkerSettings::read, run_worker),
    }
}

/// Runs the API until it is asked to end.
pub async fn run_api(_settings: ApiSettings, shutdown: Shutdown) -> anyhow::Result<()> {
    shutdown.requested().await;
    Ok(())
}

/// Runs the worker until it is asked to end.
pub async fn run_worker(_settings: WorkerSettings, shutdown: Shutdown) -> anyhow::Result<()> {
    shutdown.requested().await;
    Ok(())
}

/// Help and the like on standard output, a wrong argument on standard error.
fn say(said: &clap::Error) -> ExitCode {
    if said.print().is_err() {
        return ExitCode::FAILURE;
    }
    u8::try_from(said.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}
