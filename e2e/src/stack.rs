//! The whole workload on a local cloud: each part a process or a container, started
//! as the manifests say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use local_cloud::Endpoints;
use platform::access::AccessReport;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::control::Control;
use crate::kubelet::{self, Happening};
use crate::lifecycle::Lifecycle;
use crate::manifests::Manifests;
use crate::pod::Surroundings;
use crate::process::Process;
use crate::running_pod::RunningPod;
use crate::runtime::{CloudToRun, PodToRun, Runtime};
use crate::service::{Endpoint, Service};

mod options;

pub use options::{Options, PODS};

/// The order in which pods are asked to end: those first that others wait for
/// last, so that what is in hand can be finished.
const STOP_ORDER: [&str; 3] = ["worker", "backend", "frontend"];

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
