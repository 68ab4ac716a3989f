//! `cargo cloud`: the local cloud alone.

use std::process::ExitCode;

use anyhow::Result;
use local_cloud::command::{self, Arguments};
use platform::server::Shutdown;

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let shutdown = Shutdown::on_signals()?;
    let shutdown = if arguments.until_stdin_closes {
        shutdown.also_when_stdin_closes()
    } else {
        shutdown
    };
    let end = async move { shutdown.requested().await };
    command::run(arguments, e2e::default_model(), end).await?;
    Ok(ExitCode::SUCCESS)
}
