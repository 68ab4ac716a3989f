//! The Kubernetes manifests, read as typed objects: what `kubectl apply -k`
//! would apply is what the harness runs.
//!
//! What of Kustomize is known, `kustomization.rs` says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kustomization::Kustomized;

pub(crate) mod objects;
mod places;

pub use places::Places;

/// What the harness runs unless it is told otherwise: the base with the component
/// that shows who may do what.
pub fn default_directory() -> PathBuf {
    crate::repository().join("k8s/overlays/workshop")
}

/// The base alone.
pub fn base_directory() -> PathBuf {
    crate::repository().join("k8s/base")
}

/// The objects of one kustomization.
#[derive(Debug, Default)]
pub struct Manifests {
    /// Service accounts.
    pub service_accounts: Vec<ServiceAccount>,
    /// The data of each `ConfigMap`, by its name.
    pub config_maps: BTreeMap<String, BTreeMap<String, String>>,
    /// Deployments by name.
    pub deployments: BTreeMap<String, Deployment>,
    /// Services by name.
    pub services: BTreeMap<String, Service>,
    /// Network policies: read for the checks, and not enforced between processes.
    pub network_policies: Vec<NetworkPolicy>,
}

impl Manifests {
    /// Reads a kustomization's directory.
    pub fn load(directory: &Path) -> Result<Self> {
        let kustomized = Kustomized::read(directory)?;
        let mut manifests = Self::default();
        for resource in &kustomized.resources {
            let namespace = resource.namespace.as_ref();
            let namespace = namespace.map_or("default", |namespace| namespace.name.as_str());
            for document in documents(&resource.file, &resource.text)? {
                manifests
                    .add(&document, &resource.file, namespace)
                    .with_context(|| format!("in {}", resource.file.display()))?;
            }
        }
        let generated = kustomized.config_maps.into_iter();
        manifests
            .config_maps
            .extend(generated.map(|generated| (generated.name, generated.data)));
        Ok(manifests)
    }

    /// The pod that a deployment makes, under a name of our choosing.
    pub fn pod(&self, deployment: &str, name: &str) -> Result<Pod> {
        let deployment = self
            .deployments
            .get(deployment)
            .with_context(|| format!("there is no Deployment `{deployment}` in the manifests"))?;
        let spec = deployment
            .spec
            .as_ref()
            .context("the Deployment has no spec")?;
        let template = spec.template.metadata.clone().unwrap_or_default();
        Ok(Pod {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: deployment.metadata.namespace.clone(),
                ..template
            },
            spec: spec.template.spec.clone(),
            status: None,
        })
    }

    fn add(&mut self, document: &Value, file: &Path, namespace: &str) -> Result<()> {
        let kind = document["kind"].as_str().unwrap_or_default();
        let name = document["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        match kind {
            "ServiceAccount" => {
                let mut account: ServiceAccount = typed(document, file)?;
                account.metadata.namespace = Some(namespace.to_owned());
                self.service_accounts.push(account);
            }
            "ConfigMap" => {
                let map: ConfigMap = typed(document, file)?;
                self.config_maps.insert(name, map.data.unwrap_or_default());
            }
            "Deployment" => {
                let mut deployment: Deployment = typed(document, file)?;
                deployment.metadata.namespace = Some(namespace.to_owned());
                self.deployments.insert(name, deployment);
            }
            "Service" => {
                self.services.insert(name, typed(document, file)?);
            }
            "NetworkPolicy" => self.network_policies.push(typed(document, file)?),
            // Nothing of these runs on one machine; what is read has to be valid.
            "Namespace" => {}
            "PriorityClass" => drop(typed::<PriorityClass>(document, file)?),
            "PodDisruptionBudget" => drop(typed::<PodDisruptionBudget>(document, file)?),
            "HorizontalPodAutoscaler" => drop(typed::<HorizontalPodAutoscaler>(document, file)?),
            other => bail!("the harness does not know what to do with a `{other}`"),
        }
        Ok(())
    }
}

fn documents(file: &Path, text: &str) -> Result<Vec<Value>> {
    serde_saphyr::from_multiple(text)
        .with_context(|| format!("{} is not valid YAML", file.display()))
}

fn typed<T: DeserializeOwned>(document: &Value, file: &Path) -> Result<T> {
    let kind = document["kind"].as_str().unwrap_or("document");
    serde_json::from_value(document.clone())
        .with_context(|| format!("the {kind} in {} is not valid", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(directory: &Path) -> Manifests {
        Manifests::load(directory).expect("the manifests are valid")
    }

    #[test]
    fn the_base_has_three_pods_each_with_its_own_service_account() {
        let manifests = load(&base_directory());

        let names: Vec<_> = manifests.deployments.keys().map(String::as_str).collect();
        assert_eq!(names, ["backend", "frontend", "worker"]);
        for name in names {
            let pod = manifests.pod(name, &format!("{name}-0")).expect("a pod");
            let spec = pod.spec.expect("a spec");
            assert_eq!(spec.service_account_name.as_deref(), Some(name));
            assert_eq!(pod.metadata.namespace.as_deref(), Some("todolist"));
            assert_eq!(spec.automount_service_account_token, Some(false));
        }
    }

    #[test]
    fn an_overlay_that_names_no_namespace_leaves_that_of_its_base() {
        let manifests = load(&default_directory());

        for account in &manifests.service_accounts {
            assert_eq!(account.metadata.namespace.as_deref(), Some("todolist"));
        }
    }

    #[test]
    fn the_access_model_and_the_probe_come_with_the_component_alone() {
        let (base, workshop) = (load(&base_directory()), load(&default_directory()));

        assert_eq!(base.config_maps.keys().collect::<Vec<_>>(), ["estate"]);
        assert_eq!(
            workshop.config_maps.keys().collect::<Vec<_>>(),
            ["access-model", "access-probe", "estate"]
        );
        assert_eq!(workshop.config_maps["access-probe"]["ACCESS_PROBE"], "on");
        assert!(workshop.config_maps["access-model"].contains_key("access.json"));
    }
}
