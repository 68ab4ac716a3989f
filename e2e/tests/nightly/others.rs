//! The emulators that were not run where this was written: they compile, and their
//! first run is wherever their images are.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use containers::docker;
use containers::emulators::{self, Emulator};
use e2e::parity::Combination;
use tokio::time::{Instant, sleep};

use crate::{Wanted, gated};

/// What stands in the way of the Service Bus emulator.
pub(crate) const SERVICE_BUS: &str = "unsupported behind the gate for now: a bridge of AMQP links that are opened \
     again with the emulator's SAS key; docs/emulators.md";

const PATIENCE: Duration = Duration::from_mins(3);

pub(crate) async fn cosmos(name: &str, wanted: &Wanted) -> Result<Combination> {
    let client = match docker::daemon().await {
        Ok(client) => client,
        Err(missing) => return Ok(Combination::not_here(name, missing.to_string())),
    };
    match emulators::cosmos(&client).await {
        Ok(emulator) => run(name, wanted, "cosmos", &emulator, None).await,
        Err(missing) => Ok(Combination::not_here(name, format!("{missing:#}"))),
    }
}

pub(crate) async fn key_vault(name: &str, wanted: &Wanted) -> Result<Combination> {
    let client = match docker::daemon().await {
        Ok(client) => client,
        Err(missing) => return Ok(Combination::not_here(name, missing.to_string())),
    };
    let variable = "E2E_LOWKEY_VAULT_CA";
    let Some(ca) = platform::settings::Vars::from_process().get(variable) else {
        let needs =
            format!("{variable}: the file of Lowkey Vault's certificate; docs/emulators.md");
        return Ok(Combination::not_here(name, needs));
    };
    match emulators::key_vault(&client).await {
        Ok(emulator) => run(name, wanted, "vault", &emulator, Some(&ca)).await,
        Err(missing) => Ok(Combination::not_here(name, format!("{missing:#}"))),
    }
}

async fn run(
    name: &str,
    wanted: &Wanted,
    resource: &str,
    emulator: &Emulator,
    ca: Option<&str>,
) -> Result<Combination> {
    until_it_answers(&emulator.url, ca).await?;
    let ca = ca.map(|file| format!(",ca={file}")).unwrap_or_default();
    let behind = format!("{resource}={}{ca}", emulator.url).parse();
    let behind = behind.map_err(|error: String| anyhow!(error))?;
    gated::run(name, wanted, vec![behind]).await
}

/// Waits until there is any answer but that of a server that is not ready.
async fn until_it_answers(url: &str, ca: Option<&str>) -> Result<()> {
    let mut builder = reqwest::Client::builder().no_proxy();
    if let Some(file) = ca {
        let pem = std::fs::read(file)?;
        builder = builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem)?);
    }
    let client = builder.build()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match client.get(url).send().await {
            Ok(answer) if !answer.status().is_server_error() => return Ok(()),
            _ if Instant::now() > deadline => bail!("the emulator at {url} is not ready in time"),
            _ => sleep(Duration::from_millis(250)).await,
        }
    }
}
