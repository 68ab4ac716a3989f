//! Azurite, as a process of what npm installed and in a container, behind the gate and
//! bare.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use containers::{docker, emulators};
use e2e::parity::Combination;
use local_cloud::Behind;
use reqwest::Client;
use tempfile::TempDir;
use testcontainers::bollard;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::{Wanted, bare, gated};

const INSTALL: &str = "Node.js, and npm ci --prefix e2e/emulators/azurite";

/// How long Node.js may take to load it.
const PATIENCE: Duration = Duration::from_mins(1);

/// A certificate for loopback, and a client that takes no other.
struct Tls {
    directory: TempDir,
    client: Client,
}

impl Tls {
    fn new() -> Result<Self> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names)?;
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("cert.pem"), made.cert.pem())?;
        std::fs::write(
            directory.path().join("key.pem"),
            made.signing_key.serialize_pem(),
        )?;
        let certificate = reqwest::Certificate::from_pem(made.cert.pem().as_bytes())?;
        let client = Client::builder().no_proxy().tls_certs_only([certificate]);
        Ok(Self {
            directory,
            client: client.build()?,
        })
    }

    fn files(&self) -> (PathBuf, PathBuf) {
        let directory = self.directory.path();
        (directory.join("cert.pem"), directory.join("key.pem"))
    }
}

/// A running Azurite; it ends when this is dropped.
struct Azurite {
    url: String,
    _process: Child,
}

fn program() -> PathBuf {
    let installed = "e2e/emulators/azurite/node_modules/azurite/dist/src/blob/main.js";
    e2e::repository().join(installed)
}

async fn process(tls: Option<(&Path, &Path)>) -> Result<Azurite> {
    let mut command = Command::new("node");
    command
        .arg(program())
        .args(["--blobHost", "127.0.0.1", "--blobPort", "0"])
        .args([
            "--inMemoryPersistence",
            "--disableTelemetry",
            "--skipApiVersionCheck",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    if let Some((certificate, key)) = tls {
        command
            .args(["--oauth", "basic", "--cert"])
            .arg(certificate);
        command.arg("--key").arg(key);
    }
    let mut process = command.spawn().context("node does not start")?;
    let output = process.stdout.take().context("it was made a pipe")?;
    let mut lines = BufReader::new(output).lines();
    let listening = async {
        while let Some(line) = lines.next_line().await? {
            if let Some((_, url)) = line.split_once("successfully listens on ") {
                return Ok(url.trim().to_owned());
            }
        }
        bail!("Azurite ended before it listened")
    };
    let url = tokio::time::timeout(PATIENCE, listening).await;
    let url = url.context("Azurite did not listen in time")??;
    // It goes on printing; somebody has to read.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(Azurite {
        url: format!("{url}/devstoreaccount1"),
        _process: process,
    })
}

fn holds_storage(url: &str) -> Result<Vec<Behind>> {
    let behind = format!("storage={url}").parse();
    Ok(vec![behind.map_err(|error: String| anyhow!(error))?])
}

pub(crate) async fn process_gated(name: &str, wanted: &Wanted) -> Result<Combination> {
    if !program().exists() {
        return Ok(Combination::not_here(name, INSTALL));
    }
    let azurite = process(None).await?;
    gated::run(name, wanted, holds_storage(&azurite.url)?).await
}

pub(crate) async fn process_bare(name: &str, wanted: &Wanted) -> Result<Combination> {
    if !program().exists() {
        return Ok(Combination::not_here(name, INSTALL));
    }
    let tls = Tls::new()?;
    let (certificate, key) = tls.files();
    let azurite = process(Some((&certificate, &key))).await?;
    bare::storage(name, &wanted.cells, &tls.client, &azurite.url).await
}

/// The daemon with an image of Azurite, or what is missing.
async fn daemon() -> Result<bollard::Docker, String> {
    let client = docker::daemon().await;
    let client = client.map_err(|missing| missing.to_string())?;
    for image in emulators::AZURITE {
        if client.inspect_image(image).await.is_ok() {
            return Ok(client);
        }
    }
    Err("the image: bash e2e/emulators/azurite/image".to_owned())
}

pub(crate) async fn container_gated(name: &str, wanted: &Wanted) -> Result<Combination> {
    let client = match daemon().await {
        Ok(client) => client,
        Err(needs) => return Ok(Combination::not_here(name, needs)),
    };
    let azurite = emulators::azurite(&client, None).await?;
    gated::run(name, wanted, holds_storage(&azurite.url)?).await
}

pub(crate) async fn container_bare(name: &str, wanted: &Wanted) -> Result<Combination> {
    let client = match daemon().await {
        Ok(client) => client,
        Err(needs) => return Ok(Combination::not_here(name, needs)),
    };
    let tls = Tls::new()?;
    let (certificate, key) = tls.files();
    let azurite = emulators::azurite(&client, Some((&certificate, &key))).await?;
    bare::storage(name, &wanted.cells, &tls.client, &azurite.url).await
}
