//! Where in the files of a kustomization what an explanation is about stands:
//! the label, the annotation, the service account.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use local_cloud::explain::{Fix, Spot, SpotKind};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Manifests;

const USE_LABEL: &str = "azure.workload.identity/use";
const CLIENT_ID: &str = "azure.workload.identity/client-id";
const TENANT_ID: &str = "azure.workload.identity/tenant-id";
const EXPIRATION: &str = "azure.workload.identity/service-account-token-expiration";

/// A file and a line in it.
pub type Place = (String, usize);

/// Where things stand in the files of one kustomization.
#[derive(Debug, Default)]
pub struct Places {
    accounts: Vec<Account>,
    pods: Vec<PodTemplate>,
}

#[derive(Debug)]
struct Account {
    namespace: String,
    name: String,
    at: Place,
    annotations: BTreeMap<String, (String, Place)>,
}

#[derive(Debug)]
struct PodTemplate {
    deployment: String,
    namespace: String,
    at: Place,
    service_account: Option<(String, Place)>,
    labels: BTreeMap<String, (String, Place)>,
    annotations: BTreeMap<String, (String, Place)>,
}

type Texts = BTreeMap<String, Spanned<String>>;

#[derive(Deserialize)]
struct Object {
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    spec: Option<Spec>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    name: Option<Spanned<String>>,
    #[serde(default)]
    labels: Texts,
    #[serde(default)]
    annotations: Texts,
}

#[derive(Deserialize)]
struct Spec {
    template: Option<Template>,
}

#[derive(Deserialize)]
struct Template {
    #[serde(default)]
    metadata: Metadata,
    spec: Option<PodSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    service_account_name: Option<Spanned<String>>,
}

impl Places {
    /// Looks through the files of a kustomization.
    pub fn of(manifests: &Manifests) -> Result<Self> {
        let mut places = Self::default();
        for (file, namespace) in &manifests.files {
            let text = crate::kustomization::read(file)?;
            let objects: Vec<Object> = serde_saphyr::from_multiple(&text)
                .with_context(|| format!("{} is not valid YAML", file.display()))?;
            for object in objects {
                places.add(object, file, namespace);
            }
        }
        Ok(places)
    }

    fn add(&mut self, object: Object, file: &Path, namespace: &str) {
        let shown = local_cloud::model::file_name(&normal(file));
        let place = |text: &Spanned<String>| {
            let line = usize::try_from(text.referenced.line()).unwrap_or(1);
            (shown.clone(), line)
        };
        let texts = |texts: Texts| {
            let placed = texts.into_iter().map(|(name, text)| {
                let at = place(&text);
                (name, (text.value, at))
            });
            placed.collect::<BTreeMap<_, _>>()
        };
        let Some(name) = object.metadata.name else {
            return;
        };
        let at = place(&name);
        match (
            object.kind.as_str(),
            object.spec.and_then(|spec| spec.template),
        ) {
            ("ServiceAccount", _) => self.accounts.push(Account {
                namespace: namespace.to_owned(),
                name: name.value,
                at,
                annotations: texts(object.metadata.annotations),
            }),
            (_, Some(template)) => {
                let account = template.spec.and_then(|spec| spec.service_account_name);
                self.pods.push(PodTemplate {
                    deployment: name.value,
                    namespace: namespace.to_owned(),
                    at,
                    service_account: account.map(|account| {
                        let at = place(&account);
                        (account.value, at)
                    }),
                    labels: texts(template.metadata.labels),
                    annotations: texts(template.metadata.annotations),
                });
            }
            _ => {}
        }
    }

    /// Where something stands; what is missing is told by the line of what it
    /// would belong to.
    pub fn find(&self, spot: &Spot) -> Option<Place> {
        let account = || {
            self.accounts.iter().find(|account| {
                account.namespace == spot.namespace && account.name == spot.service_account
            })
        };
        let pod = || self.pods.iter().find(|pod| pod.runs_as(spot));
        let annotation = |name: &str| {
            let account = account()?;
            let found = account.annotations.get(name).map(|(_, at)| at);
            Some(found.unwrap_or(&account.at).clone())
        };
        match spot.kind {
            SpotKind::ServiceAccount => account().map(|account| account.at.clone()),
            SpotKind::ClientId => annotation(CLIENT_ID),
            SpotKind::TenantId => annotation(TENANT_ID),
            SpotKind::TokenExpiration => {
                let own = pod().and_then(|pod| pod.annotations.get(EXPIRATION));
                own.map(|(_, at)| at.clone())
                    .or_else(|| annotation(EXPIRATION))
            }
            SpotKind::UseLabel => pod().map(PodTemplate::label),
            SpotKind::ServiceAccountName => {
                let pod = pod()?;
                let named = pod.service_account.as_ref().map(|(_, at)| at);
                Some(named.unwrap_or(&pod.at).clone())
            }
        }
    }

    /// The client ids that the annotations give, with namespace and account.
    pub fn client_ids(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.accounts.iter().filter_map(|account| {
            let (id, _) = account.annotations.get(CLIENT_ID)?;
            Some((
                account.namespace.as_str(),
                account.name.as_str(),
                id.as_str(),
            ))
        })
    }

    /// What keeps the webhook from injecting: labels and annotations that are not
    /// there.
    pub fn not_injected(&self) -> Vec<Fix> {
        let labels = self.pods.iter().filter_map(|pod| {
            let found = pod.labels.get(USE_LABEL).map(|(text, _)| text.as_str());
            let what = match found {
                Some("true") => return None,
                Some(other) => format!(
                    "The label {USE_LABEL} of Deployment `{}` is \"{other}\", and has to be \"true\"",
                    pod.deployment
                ),
                None => format!(
                    "Deployment `{}`: its pods have no label {USE_LABEL}: \"true\"",
                    pod.deployment
                ),
            };
            let (file, line) = pod.label();
            Some(Fix::new(what).at(&file, Some(line)))
        });
        let annotations = self.accounts.iter().filter_map(|account| {
            if account.annotations.contains_key(CLIENT_ID) {
                return None;
            }
            let what = format!(
                "Service account `{}` has no annotation {CLIENT_ID}",
                account.name
            );
            Some(Fix::new(what).at(&account.at.0, Some(account.at.1)))
        });
        labels.chain(annotations).collect()
    }
}

impl PodTemplate {
    fn runs_as(&self, spot: &Spot) -> bool {
        let own = self.service_account.as_ref();
        let own = own.map_or("default", |(name, _)| name.as_str());
        self.namespace == spot.namespace && own == spot.service_account
    }

    /// The label's line, or that of the pods' first label, or of the Deployment.
    fn label(&self) -> Place {
        let label = self
            .labels
            .get(USE_LABEL)
            .or_else(|| self.labels.values().next());
        label.map_or_else(|| self.at.clone(), |(_, at)| at.clone())
    }
}

/// `a/b/../c` as `a/c`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}
