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

mod admission;
mod explained;
mod file_mode;
pub(crate) mod issuer;
mod kubelet;
mod projection;
mod webhook;

pub use admission::Denial;
pub(crate) use admission::service_account;
pub use webhook::WebhookVersion;

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
    webhook: WebhookVersion,
    proxy_environment: Vec<(String, String)>,
}

impl Cluster {
    /// A cluster without pods. Its volumes lie below `root`; every container
    /// gets `proxy_environment`, as with the HTTP-proxy feature of AKS.
    pub(crate) fn start(
        root: PathBuf,
        keys: KeyRing,
        clock: Clock,
        webhook: WebhookVersion,
        proxy_environment: Vec<(String, String)>,
    ) -> Self {
        Self {
            kubelet: Kubelet::start(root, keys.clone(), clock.clone()),
            keys,
            clock,
            accounts: RwLock::default(),
            webhook,
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

    /// Removes a service account; whether there was one. Pods that run go on.
    pub(crate) fn remove(&self, namespace: &str, name: &str) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        let mut accounts = self
            .accounts
            .write()
            .expect("no one panics while holding the accounts");
        accounts.remove(&key).is_some()
    }

    /// Admits a pod and projects its tokens; or says why it is not admitted. In
    /// the order of the API server: the account, the webhook, the rules.
    pub(crate) fn create(&self, mut pod: Pod) -> Result<RunningPod, Denial> {
        if pod.spec.is_none() || pod.metadata.namespace.is_none() {
            return Err(Denial::bad_request("the pod has no namespace or no spec"));
        }
        let account = self.account_of(&pod)?;
        webhook::mutate(&mut pod, &account, self.webhook)?;
        self.add_proxy(&mut pod);
        admission::generate_name(&mut pod);
        admission::validate(&pod)?;
        self.run(pod)
    }

    /// Projects the tokens of a pod that is none: for programs outside of the
    /// cluster. It is not admitted, and its account need not be there.
    pub(crate) fn run(&self, pod: Pod) -> Result<RunningPod, Denial> {
        let volumes = self.kubelet.run(&pod).map_err(|error| {
            Denial::internal(format!("the pod's volumes could not be written: {error}"))
        })?;
        Ok(RunningPod { pod, volumes })
    }

    /// The account that a pod runs as. Every namespace has its `default`.
    fn account_of(&self, pod: &Pod) -> Result<ServiceAccount, Denial> {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let name = service_account(pod).to_owned();
        let accounts = self
            .accounts
            .read()
            .expect("no one panics while holding the accounts");
        match accounts.get(&(namespace.clone(), name.clone())) {
            Some(account) => Ok(account.clone()),
            None if name == "default" => Ok(ServiceAccount::default()),
            None => Err(Denial::forbidden(
                pod,
                &format!(
                    "error looking up service account {namespace}/{name}: serviceaccount {name:?} not found"
                ),
            )),
        }
    }

    /// Lets the API server sign tokens for volumes, or not.
    pub(crate) fn set_signing(&self, signs: bool) {
        self.kubelet.set_signing(signs);
    }

    /// Gives every pod new tokens, as a restart of them all would.
    pub(crate) fn renew_tokens(&self) {
        self.kubelet.renew_all();
    }

    /// Deletes a pod; whether there was one.
    pub(crate) fn delete(&self, namespace: &str, name: &str) -> Result<bool, String> {
        if ![namespace, name].into_iter().all(admission::is_label) {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cluster(root: &std::path::Path) -> Cluster {
        Cluster::start(
            root.to_owned(),
            KeyRing::generate(),
            Clock::system(),
            WebhookVersion::default(),
            Vec::new(),
        )
    }

    fn pod(spec: &Value) -> Pod {
        let pod = json!({
            "metadata": {
                "namespace": "ns", "name": "p",
                "labels": { "azure.workload.identity/use": "true" },
                "annotations": { "azure.workload.identity/service-account-token-expiration": "1" },
            },
            "spec": spec,
        });
        serde_json::from_value(pod).expect("a pod")
    }

    #[tokio::test]
    async fn a_missing_service_account_is_found_out_before_the_webhook_is_called() {
        let root = tempfile::tempdir().expect("a directory");
        let cluster = cluster(root.path());
        let pod = pod(&json!({ "serviceAccountName": "gone", "containers": [] }));

        let denial = cluster.create(pod).expect_err("there is no such account");

        assert_eq!(denial.code, 403);
        assert_eq!(
            denial.to_string(),
            "pods \"p\" is forbidden: error looking up service account ns/gone: serviceaccount \"gone\" not found"
        );
    }

    #[tokio::test]
    async fn every_namespace_has_a_default_account_that_names_no_client() {
        let root = tempfile::tempdir().expect("a directory");
        let cluster = cluster(root.path());
        let mut pod = pod(&json!({ "containers": [{ "name": "c" }] }));
        pod.metadata.annotations = None;

        let running = cluster.create(pod).expect("admitted");

        let container = &running.pod.spec.expect("a spec").containers[0];
        let names: Vec<_> = container
            .env
            .iter()
            .flatten()
            .map(|variable| variable.name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "AZURE_TENANT_ID",
                "AZURE_FEDERATED_TOKEN_FILE",
                "AZURE_AUTHORITY_HOST"
            ]
        );
    }

    #[tokio::test]
    async fn a_refusal_of_the_webhook_is_the_api_servers_answer() {
        let root = tempfile::tempdir().expect("a directory");
        let denial = cluster(root.path())
            .create(pod(&json!({ "containers": [] })))
            .expect_err("an expiration out of bounds");

        assert_eq!(denial.code, 400);
        assert_eq!(
            denial.to_string(),
            "admission webhook \"mutation.azure-workload-identity.io\" denied the request: \
             token expiration 1 not valid. Expected value to be between 3600 and 86400"
        );
    }
}
