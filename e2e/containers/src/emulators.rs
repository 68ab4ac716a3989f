//! Third-party emulators in containers, for the gate to stand before and for the
//! parity report to ask bare. An image that is not on the daemon is not pulled: the
//! caller learns what is missing.
//!
//! Azurite was run here, from an image of our own making. The others compile; their
//! first run is in your CI. Images, ports and settings as their publishers document
//! them: `docs/emulators.md`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use testcontainers::core::{ContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _, bollard};

use crate::container::publish_on_loopback;
use crate::docker::free_port;

/// Azurite of `e2e/emulators/azurite/image`, or Microsoft's.
pub const AZURITE: [&str; 2] = [
    "todolist-azurite:latest",
    "mcr.microsoft.com/azure-storage/azurite:latest",
];

/// Microsoft's Cosmos DB emulator for Linux, which knows the gateway mode alone.
pub const COSMOS: &str = "mcr.microsoft.com/cosmosdb/linux/azure-cosmos-emulator:vnext-latest";

/// Microsoft's Service Bus emulator, and the SQL Server that it keeps its state in.
pub const SERVICE_BUS: [&str; 2] = [
    "mcr.microsoft.com/azure-messaging/servicebus-emulator:latest",
    "mcr.microsoft.com/mssql/server:2022-latest",
];

/// Lowkey Vault, an emulator of Key Vault.
pub const KEY_VAULT: &str = "nagyesta/lowkey-vault:latest";

/// A running emulator; dropping it removes its containers.
pub struct Emulator {
    /// Where it is on this machine.
    pub url: String,
    /// What to ask by HTTP whether it is ready, where that is not the URL.
    pub health: Option<String>,
    _containers: Vec<ContainerAsync<GenericImage>>,
}

/// Finds an image on the daemon; the error says how to get it.
async fn image(client: &bollard::Docker, name: &str) -> Result<GenericImage> {
    if client.inspect_image(name).await.is_err() {
        bail!("the image: docker pull {name}");
    }
    let (image, tag) = name.rsplit_once(':').context("an image has a tag")?;
    Ok(GenericImage::new(image, tag))
}

fn published(
    request: ContainerRequest<GenericImage>,
    inside: u16,
) -> Result<(ContainerRequest<GenericImage>, u16)> {
    let (request, [outside]) = all_published(request, [inside])?;
    Ok((request, outside))
}

fn all_published<const N: usize>(
    mut request: ContainerRequest<GenericImage>,
    inside: [u16; N],
) -> Result<(ContainerRequest<GenericImage>, [u16; N])> {
    let mut outside = [0; N];
    for port in &mut outside {
        *port = free_port()?;
    }
    let ports: BTreeMap<_, _> = inside.into_iter().zip(outside).collect();
    for (inside, outside) in &ports {
        request = request.with_mapped_port(*outside, ContainerPort::Tcp(*inside));
    }
    let request = request.with_host_config_modifier(move |host| publish_on_loopback(host, &ports));
    Ok((request, outside))
}

/// Azurite. With a certificate and its key, in files, it serves TLS and checks tokens
/// as far as it can (`--oauth basic`).
pub async fn azurite(client: &bollard::Docker, tls: Option<(&Path, &Path)>) -> Result<Emulator> {
    let [own, microsofts] = AZURITE;
    let (image, program) = match image(client, own).await {
        Ok(image) => (image, None),
        Err(_) => match image(client, microsofts).await {
            Ok(image) => (image, Some("azurite-blob")),
            Err(_) => {
                bail!("the image: bash e2e/emulators/azurite/image, or docker pull {microsofts}")
            }
        },
    };
    let image = image.with_wait_for(WaitFor::message_on_stdout("successfully listens"));
    let mut arguments: Vec<&str> = program.into_iter().collect();
    arguments.extend([
        "--blobHost",
        "0.0.0.0",
        "--inMemoryPersistence",
        "--disableTelemetry",
        "--skipApiVersionCheck",
    ]);
    if tls.is_some() {
        arguments.extend([
            "--oauth",
            "basic",
            "--cert",
            "/tls/cert.pem",
            "--key",
            "/tls/key.pem",
        ]);
    }
    let mut request = image.with_cmd(arguments);
    if let Some((certificate, key)) = tls {
        for (file, at) in [(certificate, "/tls/cert.pem"), (key, "/tls/key.pem")] {
            let bytes = std::fs::read(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            request = request.with_copy_to(at, bytes);
        }
    }
    let (request, port) = published(request, 10000)?;
    let container = request.start().await.context("Azurite in a container")?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    Ok(Emulator {
        url: format!("{scheme}://127.0.0.1:{port}/devstoreaccount1"),
        health: None,
        _containers: vec![container],
    })
}

/// The Cosmos DB emulator, by HTTP. Whether it is ready is for the caller to ask.
pub async fn cosmos(client: &bollard::Docker) -> Result<Emulator> {
    let image = image(client, COSMOS).await?;
    let request = image
        .with_env_var("PROTOCOL", "http")
        .with_env_var("ENABLE_EXPLORER", "false");
    let (request, port) = published(request, 8081)?;
    let container = request.start().await.context("the Cosmos DB emulator")?;
    Ok(Emulator {
        url: format!("http://127.0.0.1:{port}"),
        health: None,
        _containers: vec![container],
    })
}

/// The Service Bus emulator with its SQL Server, with the queues of `config`, a file in
/// its own form. Both have a licence that the caller accepts by calling this. The URL
/// is that of its AMQP port, without TLS. Whether it is ready is for the caller to ask,
/// at the emulator's port 5300 (Microsoft Learn, *Service Bus emulator: what's new*).
pub async fn service_bus(
    client: &bollard::Docker,
    network: &str,
    password: &str,
    config: &str,
) -> Result<Emulator> {
    let [emulator, sql] = SERVICE_BUS;
    let (emulator, sql) = match (image(client, emulator).await, image(client, sql).await) {
        (Ok(emulator), Ok(sql)) => (emulator, sql),
        (Err(one), Err(other)) => bail!("{one}, and {other}"),
        (Err(missing), _) | (_, Err(missing)) => return Err(missing),
    };
    let name = format!("{network}-sql");
    let sql = sql
        .with_env_var("ACCEPT_EULA", "Y")
        .with_env_var("MSSQL_SA_PASSWORD", password)
        .with_network(network)
        .with_container_name(&name);
    let sql = sql
        .start()
        .await
        .context("the SQL Server of the Service Bus emulator")?;
    let request = emulator
        .with_env_var("ACCEPT_EULA", "Y")
        .with_env_var("SQL_SERVER", &name)
        .with_env_var("MSSQL_SA_PASSWORD", password)
        .with_copy_to(
            "/ServiceBus_Emulator/ConfigFiles/Config.json",
            config.as_bytes().to_vec(),
        )
        .with_network(network);
    let (request, [amqp, http]) = all_published(request, [5672, 5300])?;
    let emulator = request.start().await.context("the Service Bus emulator")?;
    Ok(Emulator {
        url: format!("amqp://localhost:{amqp}"),
        health: Some(format!("http://127.0.0.1:{http}/health")),
        _containers: vec![emulator, sql],
    })
}

/// Lowkey Vault, by HTTPS with a certificate of its own.
pub async fn key_vault(client: &bollard::Docker) -> Result<Emulator> {
    let image = image(client, KEY_VAULT).await?;
    let request = image.with_env_var("LOWKEY_ARGS", "--LOWKEY_VAULT_RELAXED_PORTS=true");
    let (request, port) = published(request, 8443)?;
    let container = request.start().await.context("Lowkey Vault")?;
    Ok(Emulator {
        url: format!("https://localhost:{port}"),
        health: None,
        _containers: vec![container],
    })
}
