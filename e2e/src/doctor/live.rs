//! Facts of a live environment, by commands that change nothing: `az` and
//! `kubectl`, signed in by whoever runs the doctor.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

mod cluster;
mod command;
mod roles;
mod scope;

pub use command::{Answer, Command, Installed, Runner, is_read_only};

use super::facts::{Credential, Facts, Fixes, Identity, Seen};
use super::{Found, Source, Wanted};
use cluster::Cluster;

const FIXES: Fixes = Fixes {
    cluster: "az aks update --enable-oidc-issuer --enable-workload-identity --resource-group <group> --name <cluster>",
    namespace: "kubectl create namespace {}, or apply the manifests",
    account: "kubectl --namespace {} create serviceaccount {}, or apply the manifests",
    identity: "az identity create --resource-group <group> --name <name of {}>, or deploy the template",
    client_id: "kubectl --namespace {} annotate --overwrite serviceaccount {} azure.workload.identity/client-id={}; then restart its pods",
    credential: "az identity federated-credential create --resource-group <group> --identity-name <name of {}> --name <name> --issuer {} --subject {} --audiences api://AzureADTokenExchange",
    grant: "assign to `{}` the role `{}` on `{}` (az role assignment create, or az cosmosdb sql role assignment create); it takes up to ten minutes",
    surplus: "take from `{}` the role `{}` on `{}` (az role assignment delete, or az cosmosdb sql role assignment delete): no deployment takes anything away; or grant it in the access file",
    pod: "let a pod in namespace `{}` name `{}` as its serviceAccountName",
    label: "label the pods in the template of what makes them, in namespace `{}`, and roll it out: {}",
    injection: "see that the webhook runs (kubectl --namespace kube-system get pods), then delete the pod in namespace `{}`: {}",
    authentication: "kubectl --namespace {} logs <pod of {}>; the AADSTS code is explained by `cargo explain`",
};

/// What a live environment is called: where to look.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Environment {
    /// The resource group of cluster, identities and resources.
    pub resource_group: String,
    /// The cluster's name.
    pub cluster: String,
    /// The kubectl context; the current one by default.
    #[serde(default)]
    pub context: Option<String>,
    /// The names of the user-assigned identities, by those of the access file.
    pub identities: BTreeMap<String, String>,
    /// The names of the resources, by those of the access file.
    pub resources: BTreeMap<String, String>,
}

impl Environment {
    /// Reads an environment's file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not valid", path.display()))
    }
}

/// A live environment.
pub struct Live<R> {
    /// Where to look.
    pub environment: Environment,
    /// What runs the commands.
    pub runner: R,
}

impl<R: Runner> Source for Live<R> {
    async fn facts(&self, wanted: &Wanted) -> Result<Found> {
        let Environment {
            resource_group,
            cluster,
            ..
        } = &self.environment;
        let shown = Command::ShowCluster {
            group: resource_group.clone(),
            name: cluster.clone(),
        };
        let aks = self.json(&shown)?;
        let issuer = aks
            .pointer("/oidcIssuerProfile/issuerUrl")
            .and_then(Value::as_str);
        let webhook = aks.pointer("/securityProfile/workloadIdentity/enabled");
        let identities = self.identities(wanted)?;
        let (grants, surplus) = self.roles(wanted, &identities)?;
        let inside = Cluster::read(self, wanted)?;
        Ok(Found(Facts {
            issuer: Seen::new(issuer.map(str::to_owned), shown.to_string()),
            published: self.published()?,
            workload_identity: Seen::new(webhook == Some(&Value::Bool(true)), shown.to_string()),
            namespaces: inside.namespaces,
            accounts: inside.accounts,
            identities: identities
                .into_iter()
                .map(|(name, identity)| (name, identity.known))
                .collect(),
            grants,
            surplus,
            pods: inside.pods,
            fixes: &FIXES,
        }))
    }
}

/// An identity, and what its role assignments name it by.
struct Principal {
    known: Identity,
    object_id: String,
    /// `/subscriptions/<id>/resourceGroups/<name>`.
    group: String,
}

impl<R: Runner> Live<R> {
    /// What a command answers, or why it failed.
    fn json(&self, command: &Command) -> Result<Value> {
        let answer = self.runner.run(command)?;
        answer.json(command)
    }

    /// What the API server publishes as its issuer.
    fn published(&self) -> Result<Seen<Result<String, String>>> {
        let command = Command::Discovery {
            context: self.environment.context.clone(),
        };
        let discovery = self.json(&command)?;
        let issuer = discovery["issuer"].as_str();
        let issuer = issuer
            .map(str::to_owned)
            .ok_or_else(|| "it names no issuer".to_owned());
        Ok(Seen::new(issuer, command.to_string()))
    }

    /// The identities of the access file that are there.
    fn identities(&self, wanted: &Wanted) -> Result<BTreeMap<String, Principal>> {
        let mut known = BTreeMap::new();
        for identity in &wanted.0.identities {
            let Some(name) = self.environment.identities.get(&identity.name) else {
                continue;
            };
            let group = self.environment.resource_group.clone();
            let shown = Command::ShowIdentity {
                group: group.clone(),
                name: name.clone(),
            };
            let answer = self.runner.run(&shown)?;
            if answer.is_not_found() {
                continue;
            }
            let shown_as = answer.json(&shown)?;
            let listed = Command::ListCredentials {
                group,
                identity: name.clone(),
            };
            let credentials = self.json(&listed)?;
            known.insert(
                identity.name.clone(),
                Principal::of(&shown_as, &credentials, &listed)?,
            );
        }
        Ok(known)
    }
}

impl Principal {
    fn of(shown: &Value, credentials: &Value, from: &Command) -> Result<Self> {
        let text = |name: &str| {
            let text = shown[name].as_str();
            text.with_context(|| format!("az identity show does not tell `{name}`"))
        };
        let id = text("id")?;
        let (group, _) = id
            .split_once("/providers/")
            .with_context(|| format!("`{id}` is no resource id"))?;
        let credentials = credentials
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        Ok(Self {
            known: Identity {
                client_id: text("clientId")?.to_owned(),
                credentials: credentials.iter().map(credential).collect(),
                from: from.to_string(),
            },
            object_id: text("principalId")?.to_owned(),
            group: group.to_owned(),
        })
    }
}

fn credential(value: &Value) -> Credential {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let audiences = value["audiences"].as_array();
    let audiences = audiences.map(Vec::as_slice).unwrap_or_default();
    Credential {
        name: text("name"),
        issuer: text("issuer"),
        subject: text("subject"),
        audiences: audiences
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    }
}
