//! Runs a separately built program as a pod's process, and ends it when standard
//! input closes: so that nothing is left when the harness is killed.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use platform::server::Shutdown;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

pub(crate) async fn run(program: &Path, arguments: &[String]) -> Result<ExitCode> {
    let shutdown = Shutdown::on_signals()?.also_when_stdin_closes();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} does not start", program.display()))?;
    let status = tokio::select! {
        status = child.wait() => status?,
        () = shutdown.requested() => {
            let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
            if let Some(pid) = pid {
                kill_process(pid, Signal::TERM)?;
            }
            child.wait().await?
        }
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
