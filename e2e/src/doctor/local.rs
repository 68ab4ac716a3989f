//! Facts of a running local cloud: its state directory, its control API, its
//! discovery document, its audit; and the manifests that its pods come from.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use local_cloud::Endpoints;
use local_cloud::audit::{Decision, Record};
use local_cloud::control::GrantBody;
use serde::Deserialize;

use super::facts::{Account, Credential, Facts, Fixes, Identity, Pod, Seen, Surplus, Verified};
use super::{Found, Source, Wanted};
use crate::control::Control;
use crate::kustomization::Kustomized;
use crate::manifests::objects::{self, Objects};
use crate::node::Node;
use crate::trust::access::Grant;

const FIXES: Fixes = Fixes {
    cluster: "start the local cloud again, and take addresses from its state directory",
    namespace: "add the Namespace `{}` to the manifests",
    account: "add a ServiceAccount in namespace `{}` called `{}` to the manifests",
    identity: "declare `{}` in the access file that the cloud runs on, and start it again",
    client_id: "annotate service account `{}/{}`: azure.workload.identity/client-id: {}",
    credential: "let `{}` trust issuer {} and subject {} (audience api://AzureADTokenExchange): in \
                 the access file, or with PUT identities/.../federated-credentials of the control API",
    grant: "grant `{}` the role `{}` on `{}`: in the access file, or with POST grants of the control API",
    surplus: "take from `{}` the role `{}` on `{}`: with DELETE grants of the control API; or grant it in the access file",
    pod: "let a pod in namespace `{}` name `{}` as its serviceAccountName",
    label: "label the pods of the template in namespace `{}`, {}",
    injection: "create the pod in namespace `{}` again: {}",
    authentication: "start a pod in namespace `{}` as `{}`; its last refusal is in the audit, with the reason",
};

/// The audit knows this party as Entra ID.
const ENTRA: &str = "entra";

/// A running local cloud.
pub struct LocalCloud {
    /// Its state directory.
    pub state: PathBuf,
    /// The kustomization that its pods come from.
    pub manifests: PathBuf,
}

impl Source for LocalCloud {
    async fn facts(&self, wanted: &Wanted) -> Result<Found> {
        let file = self.state.join("endpoints.json");
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let endpoints: Endpoints = serde_json::from_str(&text)
            .with_context(|| format!("{} is not valid", file.display()))?;
        let control = Control::open(&self.state, &endpoints)?;
        let audit = control.audit(0).await?;
        let granted = control.grants().await?;
        let objects = Objects::of(&Kustomized::read(&self.manifests)?)?;
        let manifests = self.manifests.display().to_string();
        let (discovery, published) = self.published(&endpoints).await;
        let identities = control.identities().await?.into_iter();
        let identities = identities.map(|identity| (identity.name.clone(), known(identity)));
        let namespaces = objects.namespaces.iter().map(|named| named.name.clone());
        Ok(Found(Facts {
            issuer: Seen::new(Some(endpoints.issuer.clone()), file.display().to_string()),
            published: Seen::new(published.map_err(|why| format!("{why:#}")), discovery),
            workload_identity: Seen::new(true, "the local cloud plays the webhook"),
            namespaces: Seen::new(namespaces.collect::<BTreeSet<_>>(), manifests),
            accounts: objects
                .accounts
                .iter()
                .map(|own| account(own, &audit))
                .collect(),
            identities: identities.collect(),
            grants: wanted
                .0
                .grants
                .iter()
                .map(|grant| Seen::new(is_granted(grant, &granted), "control API: grants"))
                .collect(),
            surplus: surplus(wanted, granted),
            pods: objects.workloads.iter().map(pod).collect(),
            fixes: &FIXES,
        }))
    }
}

impl LocalCloud {
    /// The issuer that the cluster publishes: fetched as Entra ID does, by name,
    /// over TLS with the private CA.
    async fn published(&self, endpoints: &Endpoints) -> (String, Result<String>) {
        let issuer = endpoints.issuer.trim_end_matches('/');
        let url = format!("{issuer}/.well-known/openid-configuration");
        let published = fetch(&url, &endpoints.proxy, &self.state.join("ca.pem")).await;
        (url, published)
    }
}

async fn fetch(url: &str, proxy: &str, ca: &Path) -> Result<String> {
    #[derive(Deserialize)]
    struct Discovery {
        issuer: String,
    }
    let pem = std::fs::read(ca).with_context(|| format!("{} cannot be read", ca.display()))?;
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&pem)?])
        .proxy(reqwest::Proxy::https(proxy)?)
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(10))
        .build()?;
    let response = client.get(url).send().await?.error_for_status()?;
    let discovery: Discovery = response.json().await?;
    Ok(discovery.issuer)
}

fn known(identity: crate::control::Identity) -> Identity {
    let credentials = identity.federated_credentials.into_iter();
    Identity {
        client_id: identity.client_id,
        credentials: credentials
            .map(|credential| Credential {
                name: credential.name,
                issuer: credential.issuer,
                subject: credential.subject,
                audiences: vec![credential.audience],
            })
            .collect(),
        from: "control API: identities".to_owned(),
    }
}

fn account(account: &objects::Account, audit: &[Record]) -> Account {
    let client_id = account.client_id();
    let subject = format!(
        "system:serviceaccount:{}:{}",
        account.namespace.name, account.name
    );
    Account {
        namespace: account.namespace.name.clone(),
        name: account.name.clone(),
        client_id: client_id.map(|id| {
            let text = id.text().unwrap_or_default();
            Seen::new(text.to_owned(), id.place.to_string())
        }),
        from: account.place.to_string(),
        verified: verified(&subject, audit),
    }
}

/// Whether the audit has, for a subject, an exchange and a data action that were
/// allowed, and its last exchange was.
fn verified(subject: &str, audit: &[Record]) -> Verified {
    const FROM: &str = "the audit";
    let own = || {
        let records = audit.iter();
        records.filter(|record| record.subject.as_deref() == Some(subject))
    };
    let Some(exchange) = own().rfind(|record| record.by == ENTRA) else {
        let why = "no token exchange is in the audit: no pod has asked";
        return Verified::No(Seen::new(why.to_owned(), FROM));
    };
    if exchange.decision == Decision::Denied {
        let code = exchange.code.as_deref().unwrap_or_default();
        let why = format!(
            "the last token exchange was refused with {code}: {}",
            exchange.why
        );
        return Verified::No(Seen::new(
            why,
            format!("{FROM}, record {}", exchange.sequence),
        ));
    }
    let action = own().rfind(|record| record.by != ENTRA && record.decision == Decision::Allowed);
    match action {
        Some(action) => Verified::Yes(Seen::new(
            format!("exchanged a token and did {}", action.operation),
            FROM,
        )),
        None => Verified::No(Seen::new(
            "a token was exchanged, and nothing was done with it that was allowed".to_owned(),
            FROM,
        )),
    }
}

fn is_granted(grant: &Grant, granted: &[GrantBody]) -> bool {
    granted.iter().any(|own| {
        let scope = grant.scope.name.strip_prefix(&own.scope);
        own.identity == grant.identity
            && own.role == grant.role.name
            && scope.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    })
}

/// What identities of the access file are granted, and no grant of it says.
fn surplus(wanted: &Wanted, granted: Vec<GrantBody>) -> Vec<Surplus> {
    let is_wanted = |own: &GrantBody| {
        wanted.0.grants.iter().any(|grant| {
            (&grant.identity, &grant.role.name, &grant.scope.name)
                == (&own.identity, &own.role, &own.scope)
        })
    };
    let is_known = |own: &GrantBody| {
        let mut identities = wanted.0.identities.iter();
        identities.any(|identity| identity.name == own.identity)
    };
    let granted = granted.into_iter();
    let more = granted.filter(|own| is_known(own) && !is_wanted(own));
    more.map(|own| Surplus {
        identity: own.identity,
        role: own.role,
        scope: own.scope,
        from: "control API: grants".to_owned(),
    })
    .collect()
}

fn pod(workload: &objects::Workload) -> Pod {
    let (label, place) = workload.label();
    Pod {
        name: workload.full_name(),
        namespace: workload.namespace.name.clone(),
        account: workload.account().to_owned(),
        labelled: label.and_then(Node::text) == Some("true"),
        injected: None,
        from: place.to_string(),
    }
}

/// Where `cargo up` says which state directory its cloud has.
pub fn announcement() -> PathBuf {
    crate::repository().join("target/running-cloud")
}

/// Says which state directory a running cloud has, until it is dropped.
pub struct Announced {
    state: PathBuf,
}

impl Announced {
    /// Says it.
    pub fn new(state: PathBuf) -> Result<Self> {
        let file = announcement();
        let directory = file.parent().context("it is in a directory")?;
        std::fs::create_dir_all(directory)?;
        std::fs::write(&file, state.as_os_str().as_encoded_bytes())
            .with_context(|| format!("{} cannot be written", file.display()))?;
        Ok(Self { state })
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        // Another one may have been started since.
        let said = std::fs::read_to_string(announcement());
        if said.is_ok_and(|said| Path::new(&said) == self.state)
            && let Err(error) = std::fs::remove_file(announcement())
        {
            tracing::warn!(error = %error, "the announcement of the cloud stays");
        }
    }
}

/// The state directory of a cloud that `cargo up` runs, if one was announced and
/// still listens: one that was killed leaves its announcement behind.
pub fn announced() -> Option<PathBuf> {
    let state = PathBuf::from(std::fs::read_to_string(announcement()).ok()?);
    let text = std::fs::read_to_string(state.join("endpoints.json")).ok()?;
    let endpoints: Endpoints = serde_json::from_str(&text).ok()?;
    let control = url::Url::parse(&endpoints.control).ok()?;
    let addresses = control.socket_addrs(|| None).ok()?;
    TcpStream::connect(&addresses[..]).ok()?;
    Some(state)
}
