//! What a stack is started with: which manifests and which model, how many pods of
//! what, and what a scenario changes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use local_cloud::{Behind, WebhookVersion};

use crate::back_off::BackOff;
use crate::runtime::Runtime;

/// The pods of the workload, in the order of the table of expected access.
pub const PODS: [&str; 3] = ["frontend", "backend", "worker"];

/// The order in which Deployments start: the frontend is told the address of the
/// backend's Service.
const START_ORDER: [&str; 3] = ["backend", "worker", "frontend"];

/// What a stack is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The kustomization that is applied.
    pub manifests: PathBuf,
    /// The access model; the repository's own by default.
    pub model: Option<PathBuf>,
    /// The port of the frontend's pages on loopback; any by default.
    pub port: u16,
    /// Variables that a scenario sets for a Deployment's pods, on top of the
    /// manifest.
    pub overrides: BTreeMap<String, BTreeMap<String, String>>,
    /// Variables of every process, the cloud's too.
    pub everywhere: BTreeMap<String, String>,
    /// How many pods a Deployment has; one by default, whatever its manifest says.
    pub replicas: BTreeMap<String, usize>,
    /// The Deployments that are started; all of the workload by default.
    pub only: Option<Vec<String>>,
    /// Whose layout the workload-identity webhook has.
    pub webhook: WebhookVersion,
    /// The resources that third-party emulators hold, behind the gate;
    /// `runtime::use_emulators` says by default.
    pub behind: Vec<Behind>,
    /// How long the kubelet waits before it starts a pod again.
    pub back_off: BackOff,
    /// What runs its parts; `runtime::use_runtime` says by default.
    pub runtime: Option<Arc<dyn Runtime>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            manifests: crate::manifests::default_directory(),
            model: None,
            port: 0,
            overrides: BTreeMap::new(),
            everywhere: BTreeMap::new(),
            replicas: BTreeMap::new(),
            only: None,
            webhook: WebhookVersion::default(),
            behind: crate::runtime::default_emulators(),
            back_off: BackOff::default(),
            runtime: None,
        }
    }
}

impl Options {
    /// The base alone, without the component that shows who may do what.
    pub fn base() -> Self {
        Self {
            manifests: crate::manifests::base_directory(),
            ..Self::default()
        }
    }

    /// Sets a variable of a Deployment's pods.
    #[must_use]
    pub fn with(mut self, deployment: &str, name: &str, value: &str) -> Self {
        let variables = self.overrides.entry(deployment.to_owned()).or_default();
        variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets variables of every process, the cloud's too.
    #[must_use]
    pub fn everywhere(mut self, variables: BTreeMap<String, String>) -> Self {
        self.everywhere.extend(variables);
        self
    }

    /// Runs several pods of a Deployment. Each is called after it and a number,
    /// such as `backend-0`; the Deployment's name is then that of its Service.
    #[must_use]
    pub fn replicas(mut self, deployment: &str, count: usize) -> Self {
        self.replicas.insert(deployment.to_owned(), count);
        self
    }

    /// Starts these Deployments only.
    #[must_use]
    pub fn only(mut self, deployments: &[&str]) -> Self {
        self.only = Some(deployments.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// Lets the kubelet wait this long before it starts a pod again for the second
    /// time, and then ever longer.
    #[must_use]
    pub fn back_off(mut self, first: Duration) -> Self {
        self.back_off = BackOff::new(first, Duration::from_mins(5));
        self
    }

    /// The Deployments that are started, in this order.
    pub(super) fn deployments(&self) -> Vec<&'static str> {
        let is_started = |name: &&str| {
            let only = self.only.as_ref();
            only.is_none_or(|only| only.iter().any(|own| own == name))
        };
        START_ORDER.into_iter().filter(is_started).collect()
    }

    /// The names of a Deployment's pods. One that is alone has its name.
    pub(super) fn pods(&self, deployment: &str) -> Vec<String> {
        match self.replicas.get(deployment) {
            None | Some(1) => vec![deployment.to_owned()],
            Some(count) => (0..*count).map(|n| format!("{deployment}-{n}")).collect(),
        }
    }
}
