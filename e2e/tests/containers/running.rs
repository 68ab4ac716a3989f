//! The containers while they run: with what rights, and how they end.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use containers::Docker;
use e2e::stack::{Options, Stack};
use libtest_mimic::Trial;
use testcontainers::bollard::models::NetworkSettings;
use testcontainers::bollard::query_parameters::ListContainersOptions;
use tokio::runtime::Runtime;

use crate::{Found, trial};

/// Where a pod of this webhook finds its token.
const TOKEN: &str = "/var/run/secrets/azure/wi/token/azure-identity-token";

pub(crate) fn trials(runtime: &Arc<Runtime>, found: &Arc<Found>) -> Vec<Trial> {
    vec![
        trial(
            "every container runs as nobody, on a root that it cannot write, without a capability"
                .to_owned(),
            runtime,
            found,
            bounds,
        ),
        trial(
            "every container ends with 0 when it is asked to, within its grace".to_owned(),
            runtime,
            found,
            ends,
        ),
    ]
}

async fn start(docker: &Docker) -> Result<Stack> {
    let options = Options {
        runtime: Some(Arc::new(docker.clone())),
        ..Options::default()
    };
    Stack::start(options, |event| println!("{event:?}")).await
}

/// As the kernel has it, not as it was asked for.
async fn bounds(docker: &Docker) -> Result<()> {
    let stack = start(docker).await?;
    let mut seen = 0;
    for (id, image) in of_stack(docker, &stack.name()).await? {
        let inspected = docker.client().inspect_container(&id, None).await?;
        only_on_loopback(&image, inspected.network_settings)?;
        let pid = inspected.state.and_then(|state| state.pid);
        let pid = pid.with_context(|| format!("{image} runs"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .context("the daemon runs on this machine")?;
        for (field, wanted) in [
            ("Uid", "10001\t10001\t10001\t10001"),
            ("CapEff", "0000000000000000"),
            ("CapBnd", "0000000000000000"),
            ("NoNewPrivs", "1"),
        ] {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let value = line.map(|line| line.trim_start_matches(':').trim());
            // The cloud may run as whoever runs the tests.
            let of_cloud = image.contains("local-cloud") && field == "Uid";
            ensure!(
                value == Some(wanted)
                    || (of_cloud && value.is_some_and(|uid| !uid.starts_with('0'))),
                "{image}: {field} is {value:?}"
            );
        }
        let mounts = std::fs::read_to_string(format!("/proc/{pid}/mounts"))?;
        let root = mounts
            .lines()
            .find(|line| line.split(' ').nth(1) == Some("/"));
        let options = root.and_then(|root| root.split(' ').nth(3));
        ensure!(
            options.is_some_and(|options| options.split(',').any(|option| option == "ro")),
            "{image}: its root is mounted {options:?}"
        );
        if !image.contains("local-cloud") {
            let token = format!("/proc/{pid}/root{TOKEN}");
            ensure!(
                std::fs::metadata(&token).is_ok_and(|token| token.is_file()),
                "{image} has no {TOKEN}"
            );
        }
        seen += 1;
    }
    ensure!(seen == 4, "{seen} containers were looked at");
    stack.stop(|_| {}).await
}

/// Whatever a container publishes, only this machine reaches it.
fn only_on_loopback(image: &str, settings: Option<NetworkSettings>) -> Result<()> {
    let ports = settings.and_then(|settings| settings.ports);
    let published = ports.into_iter().flatten().filter_map(|(_, at)| at);
    let addresses: Vec<_> = published.flatten().map(|at| at.host_ip).collect();
    ensure!(!addresses.is_empty(), "{image} publishes nothing");
    let is_loopback = |address: &Option<String>| address.as_deref() == Some("127.0.0.1");
    ensure!(
        addresses.iter().all(is_loopback),
        "{image} is published at {addresses:?}"
    );
    Ok(())
}

async fn ends(docker: &Docker) -> Result<()> {
    let stack = start(docker).await?;
    for pod in ["frontend", "worker", "backend"] {
        let ended = stack.end_pod(pod).await?;
        ensure!(ended.success(), "{pod} ended with {ended}");
    }
    let (cloud, _) = of_stack(docker, &stack.name())
        .await?
        .into_iter()
        .next()
        .context("the cloud still runs")?;
    // Docker kills it after ten seconds, with another code.
    docker.client().stop_container(&cloud, None).await?;
    let ended = docker.client().inspect_container(&cloud, None).await?;
    let state = ended.state.context("it has a state")?;
    ensure!(state.exit_code == Some(0), "the cloud ended with {state:?}");
    Ok(())
}

/// The running containers of a stack, with their images.
async fn of_stack(docker: &Docker, stack: &str) -> Result<Vec<(String, String)>> {
    let listed = docker
        .client()
        .list_containers(None::<ListContainersOptions>);
    let listed = listed.await?.into_iter().filter(|container| {
        let networks = container.network_settings.as_ref();
        let networks = networks.and_then(|settings| settings.networks.as_ref());
        networks.is_some_and(|networks| networks.contains_key(stack))
    });
    Ok(listed
        .filter_map(|container| Some((container.id?, container.image?)))
        .collect())
}
