//! A Docker daemon as the runtime of a stack: from a pod to a container.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use e2e::pod::{environment, only_container, volumes};
use e2e::process::{Container, Mount, Program};
use e2e::runtime::{CloudToRun, Launched, PodToRun, Runtime};
use k8s_openapi::api::core::v1::{Container as ContainerSpec, PodSpec};
use testcontainers::bollard;
use testcontainers::core::client::docker_client_instance;

use crate::container;

/// The images that a stack is made of.
pub const IMAGES: [&str; 3] = [
    "todolist-frontend",
    "todolist-backend",
    "todolist-local-cloud",
];

/// The user and the group of every image of ours.
const USER: u32 = 10001;

/// Where an image has its trusted roots. The private CA takes their place, so that a
/// container cannot reach the real Azure by mistake.
const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Runs everything in containers of the daemon that `DOCKER_HOST` names.
#[derive(Clone, Debug)]
pub struct Docker {
    client: bollard::Docker,
}

impl Docker {
    /// Finds the daemon and the images; the error says what is missing.
    pub async fn connect() -> Result<Self> {
        let client = daemon().await?;
        for image in IMAGES {
            if client.inspect_image(image).await.is_err() {
                bail!("there is no image `{image}`: `bash images/build` makes all of them");
            }
        }
        Ok(Self { client })
    }

    /// The daemon.
    pub fn client(&self) -> &bollard::Docker {
        &self.client
    }
}

/// The daemon that `DOCKER_HOST` names, or that is at its usual socket.
pub async fn daemon() -> Result<bollard::Docker> {
    const MISSING: &str = "no Docker daemon: start one, or say where it is with DOCKER_HOST";
    let client = docker_client_instance().await.context(MISSING)?;
    client.ping().await.context(MISSING)?;
    Ok(client)
}

#[async_trait]
impl Runtime for Docker {
    async fn cloud(&self, cloud: CloudToRun<'_>) -> Result<Program> {
        let (user, group) = owner();
        std::fs::create_dir_all(cloud.state)?;
        chown(cloud.state, Some(user), Some(group))
            .with_context(|| format!("{} cannot be given away", cloud.state.display()))?;
        let [proxy, control, console] = [free_port()?, free_port()?, free_port()?];
        Ok(Program {
            executable: "todolist-local-cloud".to_owned(),
            arguments: [
                "--log=info".to_owned(),
                format!("--model={}", cloud.model.display()),
                format!("--state={}", cloud.state.display()),
                format!("--webhook={}", cloud.webhook),
                "--names-on=0.0.0.0".to_owned(),
                format!("--proxy-on=0.0.0.0:{proxy}"),
                format!("--control-on=0.0.0.0:{control}"),
                format!("--console-on=0.0.0.0:{console}"),
            ]
            .into_iter()
            .chain(cloud.behind_arguments())
            .collect(),
            container: Container {
                network: cloud.stack.to_owned(),
                aliases: local_cloud::played_hosts(cloud.model)?,
                user: format!("{user}:{group}"),
                read_only: true,
                dropped_capabilities: vec!["ALL".to_owned()],
                mounts: vec![same_path(cloud.state, true), same_path(cloud.model, false)],
                // The cloud answers to its own port only.
                ports: [proxy, control, console].map(|port| (port, port)).into(),
                ..Container::default()
            },
            ..Program::named("cloud")
        })
    }

    async fn pod(&self, pod: PodToRun<'_>) -> Result<Program> {
        let spec = pod.admitted.pod.spec.as_ref();
        let spec = spec.context("the pod has no spec")?;
        let container = only_container(spec)?;
        let mut environment = environment(container, pod.manifests)?;
        environment.extend(pod.surroundings.overrides.clone());
        let image = container.image.clone();
        Ok(Program {
            executable: image.context("the container has no image")?,
            arguments: container.args.clone().unwrap_or_default(),
            environment,
            container: in_container(&pod, spec, container)?,
            ..Program::named(pod.name)
        })
    }

    async fn launch(&self, program: &Program) -> Result<Launched> {
        container::launch(&self.client, program).await
    }
}

/// What the pod's manifest says about its container, and where its ports are.
fn in_container(
    pod: &PodToRun<'_>,
    spec: &PodSpec,
    container: &ContainerSpec,
) -> Result<Container> {
    let of_pod = spec.security_context.clone().unwrap_or_default();
    let security = container.security_context.clone().unwrap_or_default();
    let user = security.run_as_user.or(of_pod.run_as_user);
    let group = security.run_as_group.or(of_pod.run_as_group);
    let user = user.context("a pod of the workload says as whom it runs")?;
    let mut ports = BTreeMap::new();
    for port in container.ports.iter().flatten() {
        let wanted = pod.surroundings.ports.get(&port.container_port);
        let published = match wanted {
            None | Some(0) => free_port()?,
            Some(&port) => port,
        };
        ports.insert(u16::try_from(port.container_port)?, published);
    }
    Ok(Container {
        network: pod.stack.to_owned(),
        hostname: (pod.manifests.services)
            .contains_key(pod.deployment)
            .then(|| pod.deployment.to_owned()),
        aliases: Vec::new(),
        user: format!("{user}:{}", group.unwrap_or(user)),
        read_only: security.read_only_root_filesystem == Some(true),
        may_escalate: security.allow_privilege_escalation != Some(false),
        dropped_capabilities: security
            .capabilities
            .and_then(|capabilities| capabilities.drop)
            .unwrap_or_default(),
        mounts: mounts(pod, spec, container)?,
        ports,
    })
}

/// The volumes at their places, and the private CA in place of the image's roots.
fn mounts(pod: &PodToRun<'_>, spec: &PodSpec, container: &ContainerSpec) -> Result<Vec<Mount>> {
    let surroundings = pod.surroundings;
    let directories = volumes(pod.admitted, spec, pod.manifests, &surroundings.volumes)?;
    let mut mounts = vec![Mount {
        from: surroundings.ca.clone(),
        at: ROOTS.to_owned(),
        writable: false,
    }];
    for mount in container.volume_mounts.iter().flatten() {
        let from = directories.get(&mount.name);
        let from = from.with_context(|| format!("there is no volume `{}`", mount.name))?;
        mounts.push(Mount {
            from: from.clone(),
            at: mount.mount_path.clone(),
            writable: mount.read_only != Some(true),
        });
    }
    Ok(mounts)
}

fn same_path(path: &Path, writable: bool) -> Mount {
    Mount {
        from: path.to_owned(),
        at: path.display().to_string(),
        writable,
    }
}

/// Who owns what the cloud writes: the harness must be able to read it, and so must
/// the pods, which are in the group.
fn owner() -> (u32, u32) {
    let own = rustix::process::geteuid().as_raw();
    (if own == 0 { USER } else { own }, USER)
}

/// A port of loopback that is free now.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
