//! The emulators that were not run where this was written: they compile, and their
//! first run is wherever their images are.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use containers::docker;
use containers::emulators::{self, Emulator};
use e2e::parity::Combination;
use local_cloud::model::{Model, Resource};
use local_cloud::roles::Roles;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{Wanted, gated};

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

/// The Service Bus emulator, with the queues of the access model and a password that
/// nobody knows after this run.
pub(crate) async fn service_bus(name: &str, wanted: &Wanted) -> Result<Combination> {
    let variable = "E2E_ACCEPT_EULA";
    let accepted = platform::settings::Vars::from_process().get(variable);
    if accepted.as_deref() != Some("Y") {
        let needs = format!(
            "{variable}=Y: that you accept the licences of the Service Bus emulator and of \
             SQL Server; docs/emulators.md"
        );
        return Ok(Combination::not_here(name, needs));
    }
    let client = match docker::daemon().await {
        Ok(client) => client,
        Err(missing) => return Ok(Combination::not_here(name, missing.to_string())),
    };
    let network = format!("nightly-{}", Uuid::new_v4().simple());
    // SQL Server wants letters of both cases, digits and something else.
    let password = format!("Aa1!{}", Uuid::new_v4());
    let config = emulator_config(&access_model()?, "bus")?;
    match emulators::service_bus(&client, &network, &password, &config).await {
        Ok(emulator) => run(name, wanted, "bus", &emulator, None).await,
        Err(missing) => Ok(Combination::not_here(name, format!("{missing:#}"))),
    }
}

fn access_model() -> Result<Model> {
    let text = std::fs::read_to_string(e2e::default_model())?;
    Ok(Model::parse(&text, &Roles::built_in())?)
}

/// The emulator's configuration for a namespace of the access model, in the form of
/// Microsoft's `azure-service-bus-emulator-installer` repository. Unconfirmed: that no
/// message may live longer than an hour there, and that ids are remembered for five
/// minutes at most.
fn emulator_config(model: &Model, namespace: &str) -> Result<String> {
    let Some(Resource::ServiceBus(spec)) = model.resources.get(namespace) else {
        bail!("`{namespace}` is no Service Bus namespace of the access model");
    };
    let duration = |duration: Duration| format!("PT{}S", duration.as_secs());
    let queues = spec.queues.iter().map(|(name, queue)| {
        let remembered = queue.duplicate_detection_history_time_window;
        json!({
            "Name": name,
            "Properties": {
                "DeadLetteringOnMessageExpiration": false,
                "DefaultMessageTimeToLive": "PT1H",
                "DuplicateDetectionHistoryTimeWindow": duration(remembered.min(Duration::from_mins(5))),
                "ForwardDeadLetteredMessagesTo": "",
                "ForwardTo": "",
                "LockDuration": duration(queue.lock_duration),
                "MaxDeliveryCount": queue.max_delivery_count,
                "RequiresDuplicateDetection": queue.requires_duplicate_detection,
                "RequiresSession": false,
            },
        })
    });
    let namespace = json!({
        // The only name that it takes.
        "Name": "sbemulatorns",
        "Queues": queues.collect::<Vec<_>>(),
        "Topics": [],
    });
    let config = json!({
        "UserConfig": { "Namespaces": [namespace], "Logging": { "Type": "Console" } },
    });
    Ok(config.to_string())
}

async fn run(
    name: &str,
    wanted: &Wanted,
    resource: &str,
    emulator: &Emulator,
    ca: Option<&str>,
) -> Result<Combination> {
    let asked = emulator.health.as_deref().unwrap_or(&emulator.url);
    until_it_answers(asked, ca).await?;
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

/// As the access model has them: lock, attempts, duplicates.
pub(crate) fn the_service_bus_emulator_gets_the_models_queues() -> Result<()> {
    let config: Value = serde_json::from_str(&emulator_config(&access_model()?, "bus")?)?;
    let queues = &config["UserConfig"]["Namespaces"][0]["Queues"];
    let queues = queues.as_array().into_iter().flatten();
    let said: Vec<_> = queues
        .map(|queue| {
            let of = |name: &str| queue["Properties"][name].clone();
            let settings = [
                "LockDuration",
                "MaxDeliveryCount",
                "RequiresDuplicateDetection",
            ];
            (queue["Name"].clone(), settings.map(of))
        })
        .collect();
    let expected = [
        (
            json!("attachment-jobs"),
            [json!("PT30S"), json!(5), json!(false)],
        ),
        (
            json!("todo-events"),
            [json!("PT30S"), json!(10), json!(true)],
        ),
    ];
    assert_eq!(said, expected);
    Ok(())
}
