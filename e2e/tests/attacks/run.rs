//! Tries every attack at every door, on one cloud and one backend, and writes
//! down what was answered and what it left behind.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use e2e::stack::{Options, Stack};
use local_cloud::EXCHANGE_AUDIENCE;
use local_cloud::audit::{Decision, Record};
use local_cloud::control::Issuer;
use serde_json::{Value, json};

use crate::doors::{self, Answer, Answered, Door, Town};
use crate::draft::{Draft, Good};
use crate::ear::Ear;
use crate::table::Attack;
use crate::trial_name;

/// What was seen of one attack at one door.
pub(crate) struct Seen {
    pub(crate) answer: Answer,
    pub(crate) body: String,
    /// What should not be in the audit or in the state of the cloud, or is missing.
    pub(crate) traces: Option<String>,
}

pub(crate) struct Run {
    /// By the names of door and attack.
    pub(crate) seen: BTreeMap<(&'static str, &'static str), Seen>,
    /// How often somebody went to an address in a token.
    pub(crate) asked: usize,
    /// Where a presented signature was found again.
    pub(crate) leaks: Vec<String>,
}

pub(crate) fn all(attacks: &[Attack], wanted: impl Fn(&str) -> bool) -> Result<Run> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let directory = tempfile::tempdir()?;
        let model = directory.path().join("access.json");
        std::fs::write(&model, with_graph()?)?;
        // Whoever else works on the cloud would only be in the way.
        let options = Options {
            model: Some(model),
            ..Options::default()
        };
        let options = options.replicas("worker", 0).replicas("frontend", 0);
        let stack = Stack::start(options, |_| {}).await?;
        let town = town(&stack)?;
        let ear = Ear::open().await?;
        let good = Good {
            assertion: town.service_account(EXCHANGE_AUDIENCE).await?,
            for_backend: town.service_account("todolist-backend").await?,
            for_vault: Door::KeyVault.good_token(&town).await?,
        };
        let keys = Keys {
            cluster: town.key(Issuer::Cluster).await?,
            entra: town.key(Issuer::Entra).await?,
        };

        let mut seen = BTreeMap::new();
        let mut signatures = Vec::new();
        let mut place = 0;
        for door in doors::ALL {
            let token = door.good_token(&town).await?;
            let signer = (door.issuer(), keys.of(door.issuer()));
            for attack in attacks {
                if attack.expected(door).is_none() || !wanted(&trial_name(door.name(), attack.name))
                {
                    continue;
                }
                let mut draft = Draft::of(&token, signer, &good, ear.address())?;
                (attack.make)(&mut draft);
                let presented = draft.finish(&town.control).await?;
                let tried = tries(door, &town, &presented, &mut place).await;
                let tried = tried.with_context(|| trial_name(door.name(), attack.name))?;
                seen.insert((door.name(), attack.name), tried);
                let signature = presented.rsplit('.').next().unwrap_or_default();
                if signature.len() > 32 {
                    signatures.push(signature.to_owned());
                }
            }
        }
        let leaks = leaks(&stack, &signatures).await?;
        let asked = ear.heard();
        stack.stop(|_| {}).await?;
        Ok(Run { seen, asked, leaks })
    })
}

/// The repository's own model, and Microsoft Graph, which the frontend may read: a door
/// that the workload itself does not use.
fn with_graph() -> Result<String> {
    let text = std::fs::read_to_string(e2e::default_model())?;
    let mut model: Value = serde_json::from_str(&text)?;
    model["resources"]["graph"] = json!({ "type": "graph" });
    let grants = model["grants"].as_array_mut().context("grants")?;
    grants.push(json!({
        "identity": "frontend", "role": "Application.Read.All", "scope": "graph"
    }));
    Ok(model.to_string())
}

/// `place` is how far the audit was read.
async fn tries(door: Door, town: &Town, token: &str, place: &mut u64) -> Result<Seen> {
    let state = town.control.state().await?;
    new_records(town, place).await?;

    let answered = door.present(town, token).await?;

    let denials = denials(&new_records(town, place).await?);
    let code = denials.first().and_then(|(_, code)| code.as_deref());
    let answer = door.meaning(&answered, code)?;
    let mut traces = None;
    let expected = match (&answer, door.in_audit()) {
        (Answer::Shut(code), Some(by)) if by == "entra" => {
            vec![(by.to_owned(), Some(format!("AADSTS{code}")))]
        }
        (Answer::Shut(code), Some(by)) => vec![(by.to_owned(), Some(code.clone()))],
        _ => Vec::new(),
    };
    // A link without a claim is refused and audited too.
    let link = |(_, code): &(String, Option<String>)| code.as_deref() == Some("TokenMissing");
    let denials: Vec<_> = match door {
        Door::ServiceBus => denials.into_iter().filter(|denial| !link(denial)).collect(),
        _ => denials,
    };
    if denials != expected {
        traces = Some(format!("the audit has {denials:?} and not {expected:?}"));
    }
    if town.control.state().await? != state {
        traces = Some("the state of the cloud has changed".to_owned());
    }
    let Answered { status, body } = answered;
    Ok(Seen {
        answer,
        body: format!("{status} {body}"),
        traces,
    })
}

fn denials(records: &[Record]) -> Vec<(String, Option<String>)> {
    let denied = records
        .iter()
        .filter(|record| record.decision == Decision::Denied);
    denied
        .map(|record| (record.by.clone(), record.code.clone()))
        .collect()
}

async fn new_records(town: &Town, place: &mut u64) -> Result<Vec<Record>> {
    let records = town.control.audit(*place).await?;
    if let Some(last) = records.last() {
        *place = last.sequence;
    }
    Ok(records)
}

/// Looks for presented signatures in the audit and in the logs of the processes.
async fn leaks(stack: &Stack, signatures: &[String]) -> Result<Vec<String>> {
    let mut places = vec![(
        "the audit".to_owned(),
        serde_json::to_string(&stack.control().audit(0).await?)?,
    )];
    for entry in std::fs::read_dir(stack.logs())? {
        let path = entry?.path();
        let log = std::fs::read(&path)?;
        places.push((
            path.display().to_string(),
            String::from_utf8_lossy(&log).into_owned(),
        ));
    }
    let found = places.iter().filter(|(_, text)| {
        signatures
            .iter()
            .any(|signature| text.contains(signature.as_str()))
    });
    Ok(found
        .map(|(place, _)| format!("{place} holds a signature"))
        .collect())
}

struct Keys {
    cluster: Value,
    entra: Value,
}

impl Keys {
    fn of(&self, issuer: Issuer) -> &Value {
        match issuer {
            Issuer::Cluster => &self.cluster,
            Issuer::Entra => &self.entra,
        }
    }
}

fn town(stack: &Stack) -> Result<Town> {
    let ca = std::fs::read(Path::new(&stack.cloud_state()).join("ca.pem"))?;
    let endpoints = stack.endpoints().clone();
    let azure = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&ca)?])
        .proxy(reqwest::Proxy::https(&endpoints.proxy)?)
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    Ok(Town {
        control: stack.control().clone(),
        endpoints,
        ca,
        azure,
        local: reqwest::Client::builder().no_proxy().build()?,
        backend: format!("http://{}", stack.address("backend")?),
    })
}
