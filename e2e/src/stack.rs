//! The whole workload on a local cloud: each part a process, started as the
//! manifests say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use local_cloud::{Behind, Endpoints, WebhookVersion};
use platform::access::AccessReport;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::back_off::BackOff;
use crate::control::Control;
use crate::kubelet::{self, Happening};
use crate::lifecycle::Lifecycle;
use crate::manifests::Manifests;
use crate::pod::Surroundings;
use crate::process::Process;
use crate::running_pod::RunningPod;
use crate::runtime::{CloudToRun, PodToRun, Runtime};
use crate::service::{Endpoint, Service};

/// The order in which Deployments start: the frontend is told the address of the
/// backend's Service.
const START_ORDER: [&str; 3] = ["backend", "worker", "frontend"];

/// The order in which pods are asked to end: those first that others wait for
/// last, so that what is in hand can be finished.
const STOP_ORDER: [&str; 3] = ["worker", "backend", "frontend"];

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
    fn deployments(&self) -> Vec<&'static str> {
        let is_started = |name: &&str| {
            let only = self.only.as_ref();
            only.is_none_or(|only| only.iter().any(|own| own == name))
        };
        START_ORDER.into_iter().filter(is_started).collect()
    }

    /// The names of a Deployment's pods. One that is alone has its name.
    fn pods(&self, deployment: &str) -> Vec<String> {
        match self.replicas.get(deployment) {
            None | Some(1) => vec![deployment.to_owned()],
            Some(count) => (0..*count).map(|n| format!("{deployment}-{n}")).collect(),
        }
    }
}

/// Something that happened while a stack started.
#[derive(Clone, Debug)]
pub enum Event {
    /// The local cloud answers.
    CloudReady {
        /// How long that took.
        took: Duration,
    },
    /// Kubelet projected the tokens of a pod.
    TokenProjected {
        /// The pod.
        pod: String,
        /// The subject of its tokens.
        subject: String,
    },
    /// A pod became ready.
    PodReady {
        /// The pod.
        pod: String,
        /// How long that took from its start.
        took: Duration,
    },
}

/// A running workload; dropping it kills what is left of it.
pub struct Stack {
    /// By name.
    pods: BTreeMap<String, Arc<RunningPod>>,
    /// In front of Deployments that have several pods, by name.
    services: BTreeMap<String, Service>,
    /// One task for each pod.
    kubelet: JoinSet<()>,
    told: UnboundedSender<Happening>,
    happenings: UnboundedReceiver<Happening>,
    cloud: Process,
    control: Control,
    endpoints: Endpoints,
    manifests: Manifests,
    options: Options,
    runtime: Arc<dyn Runtime>,
    client: reqwest::Client,
    directory: TempDir,
}

impl Stack {
    /// Starts the cloud and all pods, and waits until every pod is ready.
    pub async fn start(options: Options, tell: impl Fn(Event)) -> Result<Self> {
        let stack = Self::begin(options, &tell).await?;
        for deployment in stack.options.deployments() {
            for pod in stack.options.pods(deployment) {
                let running = stack.pod(&pod)?;
                let took = running.until_ready(&stack.client).await?;
                tell(Event::PodReady { pod, took });
            }
        }
        for service in stack.services.values() {
            service.until_all_ready().await;
        }
        Ok(stack)
    }

    /// Starts the cloud and all pods, and waits until every pod has opened its
    /// ports: for a pod that is not expected to become ready.
    pub async fn begin(options: Options, tell: impl Fn(Event)) -> Result<Self> {
        let mut stack = Self::start_cloud(options, &tell).await?;
        for deployment in stack.options.deployments() {
            stack.start_deployment(deployment, &tell).await?;
        }
        Ok(stack)
    }

    async fn start_cloud(options: Options, tell: &impl Fn(Event)) -> Result<Self> {
        let began = Instant::now();
        let manifests = Manifests::load(&options.manifests)?;
        let directory = tempfile::Builder::new().prefix("todolist-").tempdir()?;
        let state = directory.path().join("cloud");
        let model = options.model.clone().unwrap_or_else(crate::default_model);
        let runtime = options.runtime.clone();
        let runtime = runtime.unwrap_or_else(crate::runtime::default_runtime);
        let cloud = CloudToRun {
            stack: &name_of(&directory),
            model: &model,
            state: &state,
            webhook: options.webhook,
            behind: &options.behind,
        };
        let mut program = runtime.cloud(cloud).await?;
        program.environment.extend(options.everywhere.clone());
        let no_color = ("NO_COLOR".to_owned(), "1".to_owned());
        program.environment.extend([no_color]);
        let mut cloud = Process::start(&*runtime, program, &directory.path().join("logs")).await?;
        let endpoints = cloud_endpoints(&mut cloud, &state).await?;
        let control = Control::open(&state, &endpoints)?;
        for account in &manifests.service_accounts {
            control.apply(account).await?;
        }
        tell(Event::CloudReady {
            took: began.elapsed(),
        });
        let (told, happenings) = unbounded_channel();
        Ok(Self {
            pods: BTreeMap::new(),
            services: BTreeMap::new(),
            kubelet: JoinSet::new(),
            told,
            happenings,
            cloud,
            control,
            endpoints,
            manifests,
            options,
            runtime,
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(30))
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            directory,
        })
    }

    /// Starts the pods of a Deployment and, if they are several, its Service.
    async fn start_deployment(&mut self, name: &str, tell: &impl Fn(Event)) -> Result<()> {
        let pods = self.options.pods(name);
        let port = if name == "frontend" {
            self.options.port
        } else {
            0
        };
        let (own_port, service_port) = if pods.len() == 1 {
            (port, 0)
        } else {
            (0, port)
        };
        for (number, pod) in pods.iter().enumerate() {
            let in_cluster = format!("{name}-{number}");
            self.start_pod(name, pod, &in_cluster, own_port, tell)
                .await?;
        }
        if pods.len() == 1 || !self.manifests.services.contains_key(name) {
            return Ok(());
        }
        let mut endpoints = Vec::new();
        for pod in &pods {
            endpoints.push(Endpoint {
                address: self.address(pod)?,
                condition: self.pod(pod)?.condition(),
            });
        }
        let service = Service::start(service_port, endpoints).await?;
        self.services.insert(name.to_owned(), service);
        Ok(())
    }

    async fn start_pod(
        &mut self,
        deployment: &str,
        name: &str,
        in_cluster: &str,
        port: u16,
        tell: &impl Fn(Event),
    ) -> Result<()> {
        let pod = self.manifests.pod(deployment, in_cluster)?;
        let admitted = self.control.create_pod(&pod).await?;
        let spec = pod.spec.unwrap_or_default();
        let account = spec
            .service_account_name
            .unwrap_or_else(|| "default".to_owned());
        tell(Event::TokenProjected {
            pod: name.to_owned(),
            subject: format!(
                "system:serviceaccount:{}:{account}",
                pod.metadata.namespace.unwrap_or_default()
            ),
        });
        let mut overrides = self.options.everywhere.clone();
        overrides.extend(
            self.options
                .overrides
                .get(deployment)
                .cloned()
                .unwrap_or_default(),
        );
        let surroundings = Surroundings {
            services: self.service_addresses(),
            ports: BTreeMap::from([(8080, port)]),
            overrides,
            volumes: self.directory.path().join("volumes").join(name),
            ca: self.cloud_state().join("ca.pem"),
        };
        let lifecycle = Lifecycle::of(&admitted.pod, self.options.back_off)
            .with_context(|| format!("the pod `{name}` cannot be run"))?;
        let runtime = Arc::clone(&self.runtime);
        let program = runtime
            .pod(PodToRun {
                stack: &self.name(),
                name,
                deployment,
                admitted: &admitted,
                manifests: &self.manifests,
                surroundings: &surroundings,
            })
            .await?;
        let running = RunningPod::launch(runtime, program, lifecycle, self.logs()).await?;
        let running = Arc::new(running);
        self.kubelet.spawn(kubelet::look_after(
            Arc::clone(&running),
            self.client.clone(),
            self.told.clone(),
        ));
        self.pods.insert(name.to_owned(), running);
        Ok(())
    }

    /// Where each Service is: that of a pod that is alone is the pod itself.
    fn service_addresses(&self) -> BTreeMap<String, SocketAddr> {
        let alone = self
            .pods
            .iter()
            .filter_map(|(name, pod)| Some((name.clone(), pod.listen()?)));
        let services = self.services.iter();
        alone
            .chain(services.map(|(name, service)| (name.clone(), service.address())))
            .collect()
    }

    /// What the stack is called; no other has this name.
    pub fn name(&self) -> String {
        name_of(&self.directory)
    }

    /// The names of the pods, in order.
    pub fn pods(&self) -> impl Iterator<Item = &str> {
        self.pods.keys().map(String::as_str)
    }

    /// Waits until a pod's readiness probe succeeds.
    pub async fn wait_until_ready(&self, name: &str) -> Result<()> {
        self.pod(name)?.until_ready(&self.client).await?;
        Ok(())
    }

    /// Kills a pod's process as `kill -9` does.
    pub async fn kill_pod(&self, name: &str) -> Result<()> {
        self.pod(name)?.kill().await
    }

    /// Asks a pod to end, as the kubelet does with SIGTERM, and says how it ended.
    pub async fn end_pod(&self, name: &str) -> Result<ExitStatus> {
        self.pod(name)?.stop().await
    }

    /// Starts a pod that has ended again, on the same ports, and waits until it is ready.
    pub async fn restart_pod(&self, name: &str) -> Result<()> {
        self.start_again(name, &[]).await?;
        self.wait_until_ready(name).await
    }

    /// Starts a pod that has ended again, on the same ports, this once with these
    /// variables on top. Whether it becomes ready is for the caller to see.
    pub async fn start_again(&self, name: &str, with: &[(&str, &str)]) -> Result<()> {
        self.pod(name)?.restart(with).await
    }

    /// From now on a pod that ends by itself is started again, on the same ports:
    /// what the kubelet does under `restartPolicy: Always`.
    pub fn supervise(&self) {
        for pod in self.pods.values() {
            pod.supervise();
        }
    }

    /// Waits for the next thing that the kubelet does; an error when the local
    /// cloud has ended, which it should not.
    pub async fn next_happening(&mut self) -> Result<Happening> {
        loop {
            self.cloud.check_running()?;
            let look = Duration::from_millis(200);
            if let Ok(Some(happening)) = tokio::time::timeout(look, self.happenings.recv()).await {
                return Ok(happening);
            }
        }
    }

    /// How often a pod was started again.
    pub fn restarts(&self, name: &str) -> Result<u32> {
        Ok(self.pod(name)?.restarts())
    }

    /// Runs the access probe in a pod, with the pod's own identity.
    pub async fn probe(&self, name: &str) -> Result<AccessReport> {
        let url = self.pod(name)?.management_url("access");
        let response = self.client.post(url).send().await?;
        let status = response.status();
        let body = response.text().await?;
        if !status.is_success() {
            bail!("the access probe of {name} answered {status}: {body}");
        }
        serde_json::from_str(&body)
            .with_context(|| format!("{name} does not send an access report: {body}"))
    }

    /// Ends everything in order: worker, backend, frontend, cloud.
    pub async fn stop(mut self, tell: impl Fn(&str)) -> Result<()> {
        self.kubelet.shutdown().await;
        for deployment in STOP_ORDER {
            for name in self.options.pods(deployment) {
                if let Some(pod) = self.pods.remove(&name) {
                    let _ended = pod.stop().await?;
                    tell(&name);
                }
            }
        }
        self.cloud.stop(Duration::from_secs(5)).await?;
        tell("cloud");
        Ok(())
    }

    /// The control API of the cloud.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Where the cloud's parts are.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The cloud's state directory.
    pub fn cloud_state(&self) -> PathBuf {
        self.directory.path().join("cloud")
    }

    /// The address of the cloud's lab console, with the key for it.
    pub fn console(&self) -> Result<String> {
        let file = self.cloud_state().join("console");
        std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))
    }

    /// Where the processes' logs are.
    pub fn logs(&self) -> PathBuf {
        self.directory.path().join("logs")
    }

    /// The address of a Service or of a pod's own port, such as the frontend's
    /// pages.
    pub fn address(&self, name: &str) -> Result<SocketAddr> {
        if let Some(service) = self.services.get(name) {
            return Ok(service.address());
        }
        let pod = self.pod(name)?;
        pod.listen()
            .with_context(|| format!("{name} serves nothing"))
    }

    /// The address of something on a pod's management port, such as `readyz`.
    pub fn management_url(&self, name: &str, path: &str) -> Result<String> {
        Ok(self.pod(name)?.management_url(path))
    }

    /// The number of a pod's process.
    pub async fn pid(&self, name: &str) -> Result<u32> {
        let pid = self.pod(name)?.pid().await;
        pid.with_context(|| format!("{name} has ended"))
    }

    /// The number of the cloud's process.
    pub fn cloud_pid(&self) -> Result<u32> {
        self.cloud.pid().context("the local cloud has ended")
    }

    /// How long it took from a pod's last start until it had opened its ports.
    pub fn listened_after(&self, name: &str) -> Result<Duration> {
        Ok(self.pod(name)?.listened_after())
    }

    fn pod(&self, name: &str) -> Result<&RunningPod> {
        let pod = self.pods.get(name);
        pod.map(AsRef::as_ref)
            .with_context(|| format!("there is no pod `{name}`"))
    }
}

/// What a stack is called: as its directory.
fn name_of(directory: &TempDir) -> String {
    let name = directory.path().file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

async fn cloud_endpoints(cloud: &mut Process, state: &std::path::Path) -> Result<Endpoints> {
    let file = state.join("endpoints.json");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Ok(text) = std::fs::read_to_string(&file) {
            return Ok(serde_json::from_str(&text)?);
        }
        cloud.check_running()?;
        if Instant::now() > deadline {
            bail!(
                "the local cloud did not start within 30 s{}",
                cloud.last_lines()
            );
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
