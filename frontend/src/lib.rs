//! The to-do pages: rendered here, usable without JavaScript, with attachments
//! streamed both ways and the Access page.
//!
//! The frontend keeps nothing. Todos are the backend's, reached as this pod
//! (module `backend`); activity, attachments, jobs and the key of sessions are
//! reached with the pod's own Azure identity, each by one role that
//! `infra/access.json` grants.

mod settings;

mod id;

mod backend;

mod activity;

mod attachments;

mod grants;

mod session;

mod origin;

mod same_origin;

mod pages;

mod security_headers;

mod readiness;

#[cfg(test)]
mod testing;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use platform::access::Probe;
use platform::azure::Clients;
use platform::health::{self, Readiness};
use platform::identity::WorkloadIdentity;
use platform::pod::{self, EndsWith};
use platform::server::{self, Shutdown};
use platform::settings::Vars;
use platform::signing::SigningKeys;
use platform::telemetry::{self, Inventory};
use tokio::net::TcpListener;

use crate::activity::Live;
use crate::attachments::{Attachments, QueuedJobs};
use crate::backend::Backend;
use crate::pages::{Access, Pages};
use crate::session::{Cookies, Sessions};
use crate::settings::Settings;

/// Serves the to-do pages. The settings are variables: see `k8s/base/frontend.yaml`.
#[derive(Debug, Parser)]
#[command(name = "frontend", version)]
struct Arguments {}

/// Runs the frontend until `ends_with` says that it ends. The arguments are those
/// after the program's name.
pub fn main(args: impl IntoIterator<Item = String>, vars: &Vars, ends_with: EndsWith) -> ExitCode {
    let args = std::iter::once("frontend".to_owned()).chain(args);
    match Arguments::try_parse_from(args) {
        Ok(Arguments {}) => pod::run("frontend", vars, ends_with, Settings::read, run),
        Err(error) => {
            // Help goes to standard output, a mistake to standard error; a closed
            // one cannot be told.
            let _told = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
        }
    }
}

async fn run(settings: Settings, shutdown: Shutdown) -> anyhow::Result<()> {
    let pod = settings.pod;
    let identity = WorkloadIdentity::connect(pod.identity.clone())?;
    let clients = Clients::connect(&pod.estate, identity.credential())?;
    let backend = Backend::new(settings.backend, settings.backend_token_file);
    let probe = pod
        .access_probe
        .then(|| Probe::new(clients.clone(), identity.clone()));
    let jobs = clients.sender(&pod.estate.bus.attachment_jobs);
    let session_key = pod.estate.vault.session_key.clone();
    let keys = SigningKeys::new(clients.clone(), session_key, session::PURPOSE);
    let pages = pages::router(Pages {
        sessions: Sessions {
            signature: Arc::new(keys.clone()),
            cookies: Cookies::new(settings.origins.is_https()),
        },
        origins: settings.origins,
        backend: backend.clone(),
        feed: Arc::new(clients.clone()),
        live: Live::start(Arc::new(clients.clone()), &shutdown),
        attachments: Attachments::new(
            Arc::new(clients.clone()),
            Arc::new(QueuedJobs(jobs.clone())),
            settings.upload_limit_bytes,
        ),
        access: probe.clone().map(|probe| Access {
            probe,
            model: settings.access_model_file,
        }),
    });

    let listener = TcpListener::bind(settings.listen).await?;
    let management = TcpListener::bind(pod.management_listen).await?;
    telemetry::inventory(&Inventory {
        pod: "frontend",
        listen: Some(listener.local_addr()?),
        management: management.local_addr()?,
        identity: &pod.identity,
        estate: &pod.estate,
    });

    let readiness = Readiness::new(&shutdown);
    let _watching = readiness::watch(&readiness, (&clients, &jobs), &keys, &backend);
    let serving = server::serve(listener, pages, &shutdown, pod.drain);
    let management_pages = health::management(readiness, probe);
    server::serve_while(management, management_pages, serving).await;
    clients.bus().close().await;
    Ok(())
}
