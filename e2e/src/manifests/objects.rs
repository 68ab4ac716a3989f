//! What the checks look at in manifests: service accounts, pods, settings.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::kustomization::{Kustomized, Namespace};
use crate::node::{Entry, Node, Place, named};

#[derive(Default)]
pub(crate) struct Objects {
    pub(crate) namespaces: Vec<Named>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) workloads: Vec<Workload>,
    /// Variables of containers, and the data of `ConfigMap`s.
    pub(crate) settings: Vec<Setting>,
}

/// A namespace, and where it is named.
#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) place: Place,
}

/// A service account.
pub(crate) struct Account {
    pub(crate) namespace: Named,
    pub(crate) name: String,
    /// Where its name stands.
    pub(crate) place: Place,
    pub(crate) object: Node,
}

/// Something that makes pods, or a pod.
pub(crate) struct Workload {
    pub(crate) kind: String,
    pub(crate) namespace: Named,
    pub(crate) name: String,
    pub(crate) place: Place,
    /// Metadata and spec of its pods.
    pub(crate) pod: Node,
}

/// A setting with a value that is written down.
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) place: Place,
}

impl Objects {
    pub(crate) fn of(kustomized: &Kustomized) -> Result<Self> {
        let mut objects = Self::default();
        for resource in &kustomized.resources {
            let file = named(&resource.file);
            objects.add_text(&file, &resource.text, resource.namespace.as_ref())?;
        }
        Ok(objects)
    }

    pub(crate) fn rendered(name: &str, text: &str) -> Result<Self> {
        let mut objects = Self::default();
        objects.add_text(&name.into(), text, None)?;
        Ok(objects)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.workloads.is_empty()
    }

    pub(crate) fn account(&self, namespace: &str, name: &str) -> Option<&Account> {
        self.accounts
            .iter()
            .find(|account| account.namespace.name == namespace && account.name == name)
    }

    fn add_text(
        &mut self,
        file: &Arc<str>,
        text: &str,
        namespace: Option<&Namespace>,
    ) -> Result<()> {
        let documents =
            Node::documents(file, text).with_context(|| format!("{file} is not valid YAML"))?;
        let namespace = namespace.map(|namespace| Named {
            name: namespace.name.clone(),
            place: Place {
                file: named(&namespace.file),
                line: namespace.line,
                column: namespace.column,
            },
        });
        for document in &documents {
            self.add(document, namespace.as_ref());
        }
        Ok(())
    }

    fn add(&mut self, object: &Node, outer: Option<&Named>) {
        let kind = object.text_of("kind").unwrap_or_default();
        if kind == "List" {
            for item in object.get("items").map(Node::items).unwrap_or_default() {
                self.add(item, outer);
            }
            return;
        }
        let name = object.path(&["metadata", "name"]);
        let place = name.map_or_else(|| object.place.clone(), |name| name.place.clone());
        let namespace = outer.cloned().unwrap_or_else(|| {
            let own = object.path(&["metadata", "namespace"]);
            Named {
                name: own.and_then(Node::text).unwrap_or("default").to_owned(),
                place: own.map_or_else(|| place.clone(), |own| own.place.clone()),
            }
        });
        let name = name.and_then(Node::text).unwrap_or_default().to_owned();
        match kind {
            "Namespace" => self.namespaces.push(Named { name, place }),
            "ServiceAccount" => self.accounts.push(Account {
                namespace,
                name,
                place,
                object: object.clone(),
            }),
            "ConfigMap" => {
                let data = object.get("data").map(Node::entries).unwrap_or_default();
                self.settings.extend(data.iter().filter_map(Setting::datum));
            }
            _ => {
                if let Some(pod) = pod_of(kind, object) {
                    let workload = Workload {
                        kind: kind.to_owned(),
                        namespace,
                        name,
                        place,
                        pod: pod.clone(),
                    };
                    let variables = workload.containers().flat_map(variables);
                    self.settings
                        .extend(variables.filter_map(Setting::variable));
                    self.workloads.push(workload);
                }
            }
        }
    }
}

/// Where a kind has metadata and spec of its pods.
fn pod_of<'n>(kind: &str, object: &'n Node) -> Option<&'n Node> {
    match kind {
        "Pod" => Some(object),
        "CronJob" => object.path(&["spec", "jobTemplate", "spec", "template"]),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
            object.path(&["spec", "template"])
        }
        _ => None,
    }
}

/// The variables of a container.
pub(crate) fn variables(container: &Node) -> impl Iterator<Item = &Node> {
    container
        .get("env")
        .map(Node::items)
        .unwrap_or_default()
        .iter()
}

impl Setting {
    fn datum(entry: &Entry) -> Option<Self> {
        Some(Self {
            name: entry.key.clone(),
            value: entry.value.text()?.to_owned(),
            place: entry.value.place.clone(),
        })
    }

    fn variable(node: &Node) -> Option<Self> {
        let value = node.get("value")?;
        Some(Self {
            name: node.text_of("name")?.to_owned(),
            value: value.text()?.to_owned(),
            place: value.place.clone(),
        })
    }
}

impl Account {
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.namespace.name, self.name)
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&Node> {
        self.object.path(&["metadata", "annotations", name])
    }

    /// Its client id, if it is annotated with one.
    pub(crate) fn client_id(&self) -> Option<&Node> {
        self.annotation("azure.workload.identity/client-id")
    }
}

impl Workload {
    pub(crate) fn full_name(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace.name, self.name)
    }

    pub(crate) fn spec(&self, name: &str) -> Option<&Node> {
        self.pod.path(&["spec", name])
    }

    /// The name of the service account that its pods run as.
    pub(crate) fn account(&self) -> &str {
        let named = self.spec("serviceAccountName").and_then(Node::text);
        // The old name of the same field.
        named
            .or_else(|| self.spec("serviceAccount").and_then(Node::text))
            .unwrap_or("default")
    }

    /// Where that name stands.
    pub(crate) fn account_place(&self) -> &Place {
        let named = self.spec("serviceAccountName");
        named
            .or_else(|| self.spec("serviceAccount"))
            .map_or(&self.place, |node| &node.place)
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&Node> {
        self.pod.path(&["metadata", "annotations", name])
    }

    /// The label of the webhook, and where it is or would be.
    pub(crate) fn label(&self) -> (Option<&Node>, &Place) {
        let labels = self.pod.path(&["metadata"]).and_then(|m| m.entry("labels"));
        let label = labels.and_then(|labels| labels.value.get("azure.workload.identity/use"));
        let place = match (label, labels, self.pod.entry("metadata")) {
            (Some(label), _, _) => &label.place,
            (None, Some(labels), _) => &labels.place,
            (None, None, Some(metadata)) => &metadata.place,
            (None, None, None) => &self.place,
        };
        (label, place)
    }

    /// Init containers and containers.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &Node> {
        ["initContainers", "containers"]
            .into_iter()
            .filter_map(|name| self.spec(name))
            .flat_map(Node::items)
    }

    /// The service-account tokens that its volumes project.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &Node> {
        let volumes = self.spec("volumes").map(Node::items).unwrap_or_default();
        volumes
            .iter()
            .filter_map(|volume| volume.path(&["projected", "sources"]))
            .flat_map(Node::items)
            .filter_map(|source| source.get("serviceAccountToken"))
    }
}
