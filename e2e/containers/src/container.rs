//! One running container: started as its program says, its output followed, its end
//! waited for. It is removed when it is dropped.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use e2e::process::{Container, Program};
use e2e::runtime::{Child, Launched};
use futures::StreamExt as _;
use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::bollard::models::{
    EndpointSettings, HostConfig, NetworkConnectRequest, NetworkDisconnectRequest, PortBinding,
};
use testcontainers::bollard::query_parameters::KillContainerOptionsBuilder;
use testcontainers::bollard::{self};
use testcontainers::core::{AccessMode, ContainerPort, Mount};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _};
use tokio::sync::watch;

/// Starts a program in a container of its image.
pub(crate) async fn launch(client: &bollard::Docker, program: &Program) -> Result<Launched> {
    let started = request(program).start().await;
    let container = started.with_context(|| format!("the container {}", program.name))?;
    if !program.container.aliases.is_empty() {
        rename(client, container.id(), &program.container).await?;
    }
    let inspected = client.inspect_container(container.id(), None).await?;
    let pid = inspected.state.and_then(|state| state.pid);
    let (ended, end) = watch::channel(None);
    tokio::spawn(watch_end(client.clone(), container.id().to_owned(), ended));
    let output = [
        Box::new(container.stdout(true)) as _,
        Box::new(container.stderr(true)) as _,
    ];
    let child = Running {
        client: client.clone(),
        container,
        pid: pid.and_then(|pid| u32::try_from(pid).ok()),
        end,
    };
    Ok(Launched {
        child: Box::new(child),
        output,
    })
}

fn request(program: &Program) -> ContainerRequest<GenericImage> {
    let Container {
        network,
        hostname,
        user,
        read_only,
        may_escalate,
        dropped_capabilities,
        mounts,
        ports,
        ..
    } = &program.container;
    let (image, tag) = program
        .executable
        .rsplit_once(':')
        .unwrap_or((&program.executable, "latest"));
    let published = ports.clone();
    let mut request = GenericImage::new(image, tag)
        .with_cmd(program.arguments.clone())
        .with_network(network)
        .with_user(user)
        .with_readonly_rootfs(*read_only)
        .with_host_config_modifier(move |host| publish_on_loopback(host, &published));
    if let Some(hostname) = hostname {
        request = request.with_hostname(hostname);
    }
    if !may_escalate {
        request = request.with_security_opt("no-new-privileges");
    }
    for capability in dropped_capabilities {
        request = request.with_cap_drop(capability);
    }
    for (name, value) in &program.environment {
        request = request.with_env_var(name, value);
    }
    for (&inside, &outside) in ports {
        request = request.with_mapped_port(outside, ContainerPort::Tcp(inside));
    }
    for mount in mounts {
        let mode = if mount.writable {
            AccessMode::ReadWrite
        } else {
            AccessMode::ReadOnly
        };
        let bind = Mount::bind_mount(mount.from.display().to_string(), &mount.at);
        request = request.with_mount(bind.with_access_mode(mode));
    }
    request
}

/// Only this machine reaches what a container serves.
pub(crate) fn publish_on_loopback(
    host: &mut HostConfig,
    ports: &std::collections::BTreeMap<u16, u16>,
) {
    let bindings = ports.iter().map(|(inside, outside)| {
        let binding = PortBinding {
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: Some(outside.to_string()),
        };
        (format!("{inside}/tcp"), Some(vec![binding]))
    });
    host.port_bindings = Some(bindings.collect::<HashMap<_, _>>());
    host.publish_all_ports = Some(false);
}

/// Gives a container its further names. A network gives them when it is entered.
async fn rename(client: &bollard::Docker, id: &str, container: &Container) -> Result<()> {
    let out = NetworkDisconnectRequest {
        container: id.to_owned(),
        force: None,
    };
    client.disconnect_network(&container.network, out).await?;
    let into = NetworkConnectRequest {
        container: id.to_owned(),
        endpoint_config: Some(EndpointSettings {
            aliases: Some(container.aliases.clone()),
            ..EndpointSettings::default()
        }),
    };
    client.connect_network(&container.network, into).await?;
    Ok(())
}

/// Says how a container ended, once it has.
async fn watch_end(client: bollard::Docker, id: String, ended: watch::Sender<Option<i64>>) {
    let mut waiting = Box::pin(client.wait_container(&id, None));
    let code = match waiting.next().await {
        Some(Ok(end)) => end.status_code,
        Some(Err(DockerError::DockerContainerWaitError { code, .. })) => code,
        // Removed, or no daemon any more.
        Some(Err(_)) | None => -1,
    };
    ended.send_replace(Some(code));
}

struct Running {
    client: bollard::Docker,
    container: ContainerAsync<GenericImage>,
    /// As the daemon has it, which is this machine's number where it runs here.
    pid: Option<u32>,
    end: watch::Receiver<Option<i64>>,
}

impl Running {
    async fn signal(&self, signal: &str) {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        // An error: it has ended by itself.
        drop(
            self.client
                .kill_container(self.container.id(), Some(options))
                .await,
        );
    }
}

/// A code as `wait(2)` has it.
fn status(code: i64) -> ExitStatus {
    ExitStatus::from_raw(i32::try_from(code & 0xff).unwrap_or_default() << 8)
}

#[async_trait]
impl Child for Running {
    fn pid(&self) -> Option<u32> {
        let has_ended = self.end.borrow().is_some();
        self.pid.filter(|&pid| pid != 0 && !has_ended)
    }

    fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.end.borrow().map(status))
    }

    async fn wait(&mut self) -> Result<ExitStatus> {
        let code = self.end.wait_for(Option::is_some).await?;
        Ok(status(code.unwrap_or(-1)))
    }

    async fn ask_to_end(&mut self) {
        self.signal("SIGTERM").await;
    }

    async fn kill(&mut self) {
        self.signal("SIGKILL").await;
    }
}
