//! The cluster, as far as identity goes: the service-account issuer, the
//! workload-identity webhook, and kubelet's projected token volumes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::RwLock;

use k8s_openapi::api::core::v1::{Container, EnvVar, Pod, ServiceAccount};
use serde::{Deserialize, Serialize};
use time::Duration;

use crate::clock::Clock;
use crate::keys::KeyRing;
use crate::names;

mod explained;
pub(crate) mod issuer;
mod kubelet;
mod projection;
mod webhook;

use issuer::Binding;
use kubelet::Kubelet;

/// A pod as it was admitted, and where its token volumes are on this machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningPod {
    /// The pod, with what admission added.
    pub pod: Pod,
    /// The directory of each projected volume, by the volume's name.
    pub volumes: BTreeMap<String, PathBuf>,
}

/// What a test asks the cluster's issuer to sign, as it would have signed it at
/// another time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {
    /// The service account's namespace.
    pub namespace: String,
    /// The service account's name.
    pub service_account: String,
    /// The token's audience.
    pub audience: String,
    /// How long the token is valid.
    pub lifetime_seconds: u32,
    /// How long ago it was issued; negative for the future.
    #[serde(default)]
    pub age_seconds: i32,
}

/// The cluster.
pub(crate) struct Cluster {
    keys: KeyRing,
    clock: Clock,
    kubelet: Kubelet,
    accounts: RwLock<BTreeMap<(String, String), ServiceAccount>>,
    proxy_environment: Vec<(String, String)>,
}

impl Cluster {
    /// A cluster without pods. Its volumes lie below `root`; every container
    /// gets `proxy_environment`, as with the HTTP-proxy feature of AKS.
    pub(crate) fn start(
        root: PathBuf,
        keys: KeyRing,
        clock: Clock,
        proxy_environment: Vec<(String, String)>,
    ) -> Self {
        Self {
            kubelet: Kubelet::start(root, keys.clone(), clock.clone()),
            keys,
            clock,
            accounts: RwLock::default(),
            proxy_environment,
        }
    }

    /// Creates or replaces a service account.
    pub(crate) fn apply(&self, account: ServiceAccount) {
        let key = |field: &Option<String>| field.clone().unwrap_or_else(|| "default".to_owned());
        let key = (
            key(&account.metadata.namespace),
            key(&account.metadata.name),
        );
        let mut accounts = self
            .accounts
            .write()
            .expect("no one panics while holding the accounts");
        accounts.insert(key, account);
    }

    /// Admits a pod and projects its tokens; or says why it is not admitted.
    pub(crate) fn create(&self, mut pod: Pod) -> Result<RunningPod, String> {
        let namespace = pod
            .metadata
            .namespace
            .clone()
            .ok_or("the pod has no namespace")?;
        let name = pod.metadata.name.clone().ok_or("the pod has no name")?;
        if [&namespace, &name].into_iter().any(|part| !is_label(part)) {
            return Err(format!(
                "`{namespace}/{name}` is not a name of a pod: lower-case letters, digits and `-`"
            ));
        }
        let spec = pod.spec.as_ref().ok_or("the pod has no spec")?;
        let account = spec
            .service_account_name
            .clone()
            .unwrap_or_else(|| "default".to_owned());
        let account = {
            let accounts = self
                .accounts
                .read()
                .expect("no one panics while holding the accounts");
            let found = accounts.get(&(namespace.clone(), account.clone())).cloned();
            found.ok_or_else(|| {
                format!(
                    "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
                )
            })?
        };
        webhook::mutate(&mut pod, &account)?;
        check_volumes(&pod)?;
        self.add_proxy(&mut pod);
        let volumes = self
            .kubelet
            .run(&pod)
            .map_err(|error| format!("the pod's volumes could not be written: {error}"))?;
        Ok(RunningPod { pod, volumes })
    }

    /// Deletes a pod; whether there was one.
    pub(crate) fn delete(&self, namespace: &str, name: &str) -> Result<bool, String> {
        if ![namespace, name].into_iter().all(is_label) {
            return Ok(false);
        }
        self.kubelet
            .remove(namespace, name)
            .map_err(|error| format!("the pod's volumes could not be removed: {error}"))
    }

    /// Signs a token outside of any volume.
    pub(crate) fn sign(&self, request: &TokenRequest) -> String {
        let binding = Binding {
            namespace: request.namespace.clone(),
            service_account: request.service_account.clone(),
            pod: "outside".to_owned(),
            pod_uid: names::object_uid("pod", "outside"),
        };
        let issued = self.clock.now() - Duration::seconds(request.age_seconds.into());
        let lifetime = request.lifetime_seconds.into();
        issuer::sign(&self.keys, &binding, &request.audience, lifetime, issued)
    }

    fn add_proxy(&self, pod: &mut Pod) {
        let Some(spec) = &mut pod.spec else {
            return;
        };
        let containers = spec
            .init_containers
            .iter_mut()
            .flatten()
            .chain(&mut spec.containers);
        for container in containers {
            add_missing(container, &self.proxy_environment);
        }
    }
}

/// Sets variables that have a value and are not there yet: what a mutating
/// webhook injects never overrides what the pod says.
fn add_missing(container: &mut Container, variables: &[(String, String)]) {
    let env = container.env.get_or_insert_default();
    for (name, value) in variables {
        if !value.is_empty() && !env.iter().any(|own| own.name == *name) {
            env.push(EnvVar {
                name: name.clone(),
                value: Some(value.clone()),
                ..EnvVar::default()
            });
        }
    }
}

/// Names of volumes and paths of tokens become paths on this machine.
fn check_volumes(pod: &Pod) -> Result<(), String> {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    for volume in volumes {
        if !is_label(&volume.name) {
            return Err(format!("`{}` is not a name of a volume", volume.name));
        }
        let projected = volume.projected.iter();
        let sources = projected.flat_map(|projected| projected.sources.iter().flatten());
        for token in sources.filter_map(|source| source.service_account_token.as_ref()) {
            if !is_within_volume(&token.path) {
                return Err(format!("`{}` is not a path within a volume", token.path));
            }
        }
    }
    Ok(())
}

/// A relative path without a part that begins with two dots, as Kubernetes wants
/// it too: those are the volume's own.
fn is_within_volume(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && !part.starts_with("..");
    path.split('/').all(plain)
}

/// A DNS label, as Kubernetes names are: also safe as a part of a path.
fn is_label(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= 63 && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_pod_of_a_missing_service_account_is_not_admitted() {
        let root = tempfile::tempdir().expect("a directory");
        let cluster = Cluster::start(
            root.path().to_owned(),
            KeyRing::generate(),
            Clock::system(),
            Vec::new(),
        );
        let pod = serde_json::from_value(json!({
            "metadata": { "namespace": "ns", "name": "p" },
            "spec": { "serviceAccountName": "gone", "containers": [] },
        }));

        let refusal = cluster
            .create(pod.expect("a pod"))
            .expect_err("there is no such account");

        assert_eq!(
            refusal,
            "error looking up service account ns/gone: serviceaccount \"gone\" not found"
        );
    }

    #[tokio::test]
    async fn a_token_path_that_leaves_its_volume_is_not_admitted() {
        let root = tempfile::tempdir().expect("a directory");
        let cluster = Cluster::start(
            root.path().to_owned(),
            KeyRing::generate(),
            Clock::system(),
            Vec::new(),
        );
        let account = json!({ "metadata": { "namespace": "ns", "name": "default" } });
        cluster.apply(serde_json::from_value(account).expect("an account"));
        for path in ["../token", "/token", "a/../../token", "..data", ""] {
            let token = json!({ "audience": "a", "path": path });
            let pod = json!({
                "metadata": { "namespace": "ns", "name": "p" },
                "spec": { "containers": [], "volumes": [
                    { "name": "v", "projected": { "sources": [{ "serviceAccountToken": token }] } } ] },
            });
            let pod = serde_json::from_value(pod).expect("a pod");
            let refusal = cluster.create(pod).expect_err(path);
            assert_eq!(refusal, format!("`{path}` is not a path within a volume"));
        }
    }

    #[tokio::test]
    async fn a_pod_name_that_leaves_its_directory_is_not_admitted() {
        let root = tempfile::tempdir().expect("a directory");
        let cluster = Cluster::start(
            root.path().to_owned(),
            KeyRing::generate(),
            Clock::system(),
            Vec::new(),
        );
        let pod = json!({ "metadata": { "namespace": "ns", "name": "../p" }, "spec": { "containers": [] } });
        let pod = serde_json::from_value(pod).expect("a pod");

        assert!(
            cluster
                .create(pod)
                .expect_err("no such name")
                .contains("is not a name of a pod")
        );
    }
}
