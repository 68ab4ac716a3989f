//! The to-do pages: rendered here, usable without JavaScript, with attachments
//! streamed both ways and the Access page.
//!
//! The frontend keeps nothing. Todos are the backend's, reached as this pod
//! ([`backend`]); activity, attachments and jobs are reached with the pod's own
//! Azure identity, each by one role that `infra/access.json` grants.

mod settings;

use std::process::ExitCode;

use clap::Parser;
use platform::azure::Clients;
use platform::health::{self, Readiness};
use platform::identity::WorkloadIdentity;
use platform::pod::{self, EndsWith};
use platform::server::{self, Shutdown};
use platform::settings::Vars;
use platform::telemetry::{self, Inventory};
use tokio::net::TcpListener;

use crate::settings::Settings;

/// Serves the to-do pages. The settings are variables: see `k8s/base/frontend.yaml`.
#[derive(Debug, Parser)]
#[command(name = "frontend", version)]
struct Arguments {}

/// Runs the frontend until `ends_with` says that it ends. The arguments begin
/// with the program's name.
pub fn main(args: impl IntoIterator<Item = String>, vars: &Vars, ends_with: EndsWith) -> ExitCode {
    match Arguments::try_parse_from(args) {
        Ok(Arguments {}) => pod::run(vars, ends_with, Settings::read, run),
        Err(error) => {
            // Help goes to standard output, a mistake to standard error; a closed
            // one cannot be told.
            let _told = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
        }
    }
}

async fn run(settings: Settings, shutdown: Shutdown) -> anyhow::Result<()> {
    let Settings { pod, listen, .. } = settings;
    let identity = WorkloadIdentity::connect(pod.identity.clone())?;
    let _clients = Clients::connect(&pod.estate, identity.credential())?;
    let readiness = Readiness::new(&shutdown);

    let listener = TcpListener::bind(listen).await?;
    let management = TcpListener::bind(pod.management_listen).await?;
    telemetry::inventory(&Inventory {
        pod: "frontend",
        listen: Some(listener.local_addr()?),
        management: management.local_addr()?,
        identity: &pod.identity,
        estate: &pod.estate,
    });
    let serving = server::serve(listener, axum::Router::new(), &shutdown, pod.drain);
    server::serve_while(management, health::management(readiness, None), serving).await??;
    Ok(())
}
