//! The local cloud as a program of its own: what is in its image.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use local_cloud::command::{self, Arguments};
use tokio::signal::unix::{SignalKind, signal};

/// Where the image has its access model.
const MODEL: &str = "/etc/local-cloud/access.json";

#[derive(Parser)]
#[command(name = "local-cloud", version)]
struct Cli {
    #[command(flatten)]
    arguments: Arguments,
}

#[tokio::main]
async fn main() -> ExitCode {
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    installed.expect("nothing was installed before");
    let Cli { arguments } = Cli::parse();
    let (mut terminated, mut interrupted) = match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(terminated), Ok(interrupted)) => (terminated, interrupted),
        (Err(error), _) | (_, Err(error)) => return failed(&error),
    };
    let end = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    };
    match command::run(arguments, PathBuf::from(MODEL), end).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let text: Vec<_> = causes.map(ToString::to_string).collect();
    anstream::eprintln!("local-cloud: {}", text.join(": "));
    ExitCode::FAILURE
}
