//! The to-do API with its outbox relay, and the worker: two roles of one program,
//! each with a Deployment, a service account and an identity of its own.

mod todos;

mod messages;

mod store;

mod api;

mod relay;

mod worker;

mod readiness;

mod rounds;

mod instant;

pub mod settings;

use std::future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use platform::access::Probe;
use platform::azure::Clients;
use platform::caller::CallerVerifier;
use platform::health::{self, Readiness};
use platform::identity::WorkloadIdentity;
use platform::pod::{self, EndsWith};
use platform::server::{self, Shutdown};
use platform::settings::Vars;
use platform::signing::SigningKeys;
use platform::telemetry::{self, Inventory};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use api::Api;
use relay::Relay;
use settings::{ApiSettings, WorkerSettings};
use store::Store;
use worker::Work;

/// How long the relay may take for the events that it has in hand at the end.
pub const LAST_EVENTS: Duration = Duration::from_secs(5);

/// How long the worker may take to give back what it could not finish.
pub const LAST_SETTLEMENTS: Duration = Duration::from_secs(10);

/// What a link to a list is signed for.
const SHARE_LINK: &str = "share-link";

/// The to-do API and its worker. All settings are environment variables.
#[derive(Debug, Parser)]
#[command(name = "backend")]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
enum Role {
    /// Serve the API to the frontend, and send the outbox's events.
    Api,
    /// Record events as activity, and process attachments.
    Worker,
    /// Print the API's OpenAPI document, and end.
    Openapi,
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
        Role::Api => pod::run("backend", vars, ends_with, ApiSettings::read, run_api),
        Role::Worker => pod::run("worker", vars, ends_with, WorkerSettings::read, run_worker),
        Role::Openapi => match writeln!(std::io::stdout(), "{}", api::document()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
    }
}

/// Runs the API, and the relay of its outbox, until it is asked to end.
pub async fn run_api(settings: ApiSettings, shutdown: Shutdown) -> anyhow::Result<()> {
    let ApiSettings { pod, .. } = settings;
    let identity = WorkloadIdentity::connect(pod.identity)?;
    let clients = Clients::connect(&pod.estate, identity.credential())?;
    let probe = pod
        .access_probe
        .then(|| Probe::new(clients.clone(), identity.clone()));

    let listener = bind(settings.listen).await?;
    let management = bind(pod.management_listen).await?;
    telemetry::inventory(&Inventory {
        pod: "backend",
        listen: Some(listener.local_addr()?),
        management: management.local_addr()?,
        identity: identity.settings(),
        estate: &pod.estate,
    });

    let store = Store::new(clients.clone());
    let verifier = CallerVerifier::new(settings.caller);
    let secret = pod.estate.vault.share_link_key.clone();
    let links = SigningKeys::new(clients.clone(), secret, SHARE_LINK);
    let readiness = Readiness::new(&shutdown);
    let _waiting = readiness::of_api(&readiness, &store, &verifier, &links);

    let sender = clients.sender(&pod.estate.bus.todo_events);
    let (outbox, relay) = Relay::new(store.clone(), sender);
    let api = Api {
        store,
        outbox,
        links,
        probe: probe.clone(),
    };
    let api = api::router(api, verifier);
    let work = async {
        let check = readiness.check("todo-events");
        let mut relaying = JoinSet::new();
        relaying.spawn(relay.run(check, settings.relay_sweep, shutdown.clone()));
        let ended_by_itself = async {
            let ended = relaying.join_next().await;
            // With the last request the last way to the relay goes, and so the relay:
            // that is no failure once the pod has been asked to end.
            if shutdown.is_requested() {
                future::pending::<()>().await;
            }
            ended
        };
        tokio::select! {
            () = server::serve(listener, api, &shutdown, pod.drain) => {}
            ended = ended_by_itself => bail!("the relay ended by itself: {ended:?}"),
        }
        let relayed = async { while relaying.join_next().await.is_some() {} };
        if timeout(LAST_EVENTS, relayed).await.is_err() {
            tracing::warn!("events were left to the next sweep");
        }
        clients.bus().close().await;
        Ok(())
    };
    server::serve_while(
        management,
        health::management(readiness.clone(), probe),
        work,
    )
    .await
}

/// Runs the worker until it is asked to end.
pub async fn run_worker(settings: WorkerSettings, shutdown: Shutdown) -> anyhow::Result<()> {
    let WorkerSettings { pod, .. } = settings;
    let identity = WorkloadIdentity::connect(pod.identity)?;
    let clients = Clients::connect(&pod.estate, identity.credential())?;
    let probe = pod
        .access_probe
        .then(|| Probe::new(clients.clone(), identity.clone()));

    let management = bind(pod.management_listen).await?;
    telemetry::inventory(&Inventory {
        pod: "worker",
        listen: None,
        management: management.local_addr()?,
        identity: identity.settings(),
        estate: &pod.estate,
    });

    let store = Store::new(clients.clone());
    let readiness = Readiness::new(&shutdown);
    let _waiting = readiness::of_worker(&readiness, &clients, &store);

    let work = async {
        let work = Work {
            slots: settings.concurrency,
            sweep: settings.sweep,
            grace: settings.pending_grace,
            drain: pod.drain,
        };
        let mut tasks = worker::start(work, (&clients, &store), (&readiness, &shutdown));
        tokio::select! {
            // First, because then tasks may end by themselves.
            biased;
            () = shutdown.requested() => {}
            ended = tasks.join_next() => bail!("a task of the worker ended by itself: {ended:?}"),
        }
        let drained = async { while tasks.join_next().await.is_some() {} };
        if timeout(pod.drain + LAST_SETTLEMENTS, drained)
            .await
            .is_err()
        {
            tracing::warn!("messages in hand were left to their locks' end");
        }
        clients.bus().close().await;
        Ok(())
    };
    let management_port = health::management(readiness.clone(), probe);
    server::serve_while(management, management_port, work).await
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

/// Help and the like on standard output, a wrong argument on standard error.
fn say(said: &clap::Error) -> ExitCode {
    if said.print().is_err() {
        return ExitCode::FAILURE;
    }
    u8::try_from(said.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::error::ErrorKind;

    #[test]
    fn the_program_is_told_its_role() {
        for (argument, role) in [
            ("api", Role::Api),
            ("worker", Role::Worker),
            ("openapi", Role::Openapi),
        ] {
            let arguments = Arguments::try_parse_from(["backend", argument]).expect("a role");
            assert_eq!(arguments.role, role);
        }
    }

    #[test]
    fn without_a_role_the_roles_are_listed() {
        let said = Arguments::try_parse_from(["backend"]).expect_err("no role");

        assert_eq!(
            said.kind(),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        );
        assert!(said.to_string().contains("Serve the API"), "{said}");
    }

    #[test]
    fn a_wrong_role_is_a_wrong_argument() {
        let said = Arguments::try_parse_from(["backend", "web"]).expect_err("no such role");

        assert_eq!(said.kind(), ErrorKind::InvalidSubcommand);
        assert_eq!(said.exit_code(), 2);
    }
}
