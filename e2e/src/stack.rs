//! The whole workload on a local cloud: each part a process, started as the
//! manifests say.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use local_cloud::Endpoints;
use platform::access::AccessReport;
use serde_json::Value;
use tempfile::TempDir;

use crate::control::Control;
use crate::manifests::Manifests;
use crate::pod::{self, Surroundings};
use crate::process::{Process, Program};

/// The order in which pods are asked to end: those first that others wait for
/// last, so that what is in hand can be finished.
const STOP_ORDER: [&str; 3] = ["worker", "backend", "frontend"];

/// How long a pod may take to become ready.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// What a stack is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The access model; the repository's own by default.
    pub model: Option<PathBuf>,
    /// The port of the frontend's pages on loopback; any by default.
    pub port: u16,
    /// Variables that a scenario sets for a pod, on top of its manifest.
    pub overrides: BTreeMap<String, BTreeMap<String, String>>,
}

impl Options {
    /// Sets a variable of one pod.
    #[must_use]
    pub fn with(mut self, pod: &str, name: &str, value: &str) -> Self {
        let variables = self.overrides.entry(pod.to_owned()).or_default();
        variables.insert(name.to_owned(), value.to_owned());
        self
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

/// A running pod.
pub struct RunningPod {
    process: Process,
    program: Program,
    /// Where it serves, if it serves.
    listen: Option<SocketAddr>,
    management: SocketAddr,
    ports: BTreeMap<i32, u16>,
    started: Instant,
    /// How long it took until it had opened its ports.
    listened_after: Duration,
}

/// A running workload; dropping it kills what is left of it.
pub struct Stack {
    pods: BTreeMap<String, RunningPod>,
    cloud: Process,
    control: Control,
    endpoints: Endpoints,
    manifests: Manifests,
    options: Options,
    client: reqwest::Client,
    directory: TempDir,
}

impl Stack {
    /// Starts the cloud and all pods, and waits until every pod is ready.
    pub async fn start(options: Options, tell: impl Fn(Event)) -> Result<Self> {
        let mut stack = Self::start_cloud(options, &tell).await?;
        // The frontend is told the address of the backend's Service.
        for name in ["backend", "worker", "frontend"] {
            stack.start_pod(name, &tell).await?;
        }
        for name in ["backend", "worker", "frontend"] {
            stack.wait_until_ready(name).await?;
            let took = stack.pod(name)?.started.elapsed();
            tell(Event::PodReady {
                pod: name.to_owned(),
                took,
            });
        }
        Ok(stack)
    }

    async fn start_cloud(options: Options, tell: &impl Fn(Event)) -> Result<Self> {
        let began = Instant::now();
        let manifests = Manifests::load(&crate::manifests::default_directory())?;
        let directory = tempfile::Builder::new().prefix("todolist-").tempdir()?;
        let state = directory.path().join("cloud");
        let model = options.model.clone().unwrap_or_else(crate::default_model);
        let program = Program {
            name: "cloud".to_owned(),
            executable: crate::executable()?,
            arguments: vec![
                "cloud".to_owned(),
                "--until-stdin-closes".to_owned(),
                "--log=info".to_owned(),
                format!("--model={}", model.display()),
                format!("--state={}", state.display()),
            ],
            environment: BTreeMap::from([("NO_COLOR".to_owned(), "1".to_owned())]),
        };
        let mut cloud = Process::start(program, &directory.path().join("logs")).await?;
        let endpoints = cloud_endpoints(&mut cloud, &state).await?;
        let control = Control::open(&state, &endpoints)?;
        for account in &manifests.service_accounts {
            control.apply(account).await?;
        }
        tell(Event::CloudReady {
            took: began.elapsed(),
        });
        Ok(Self {
            pods: BTreeMap::new(),
            cloud,
            control,
            endpoints,
            manifests,
            options,
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(30))
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            directory,
        })
    }

    async fn start_pod(&mut self, name: &str, tell: &impl Fn(Event)) -> Result<()> {
        let pod = self.manifests.pod(name, &format!("{name}-0"))?;
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
        let mut ports = BTreeMap::new();
        if name == "frontend" {
            ports.insert(8080, self.options.port);
        }
        let services = self
            .pods
            .iter()
            .filter_map(|(name, pod)| Some((name.clone(), pod.listen?)));
        let surroundings = Surroundings {
            services: services.collect(),
            ports,
            overrides: self
                .options
                .overrides
                .get(name)
                .cloned()
                .unwrap_or_default(),
            volumes: self.directory.path().join("volumes").join(name),
        };
        let program = pod::program(name, &admitted, &self.manifests, &surroundings)?;
        self.launch(name, program).await
    }

    async fn launch(&mut self, name: &str, program: Program) -> Result<()> {
        let started = Instant::now();
        let mut process = Process::start(program.clone(), &self.logs()).await?;
        let inventory = process
            .wait_for_line("its inventory line", inventory)
            .await?;
        let listened_after = started.elapsed();
        let address = |field: &str| {
            inventory[field]
                .as_str()
                .and_then(|text| text.parse::<SocketAddr>().ok())
        };
        let listen = address("listen");
        let management =
            address("management").context("the inventory names the management address")?;
        let bound = [(8080, listen), (9090, Some(management))];
        let ports = bound
            .into_iter()
            .filter_map(|(port, at)| Some((port, at?.port())));
        let pod = RunningPod {
            process,
            program,
            listen,
            management,
            ports: ports.collect(),
            started,
            listened_after,
        };
        self.pods.insert(name.to_owned(), pod);
        Ok(())
    }

    /// Waits until a pod's readiness probe succeeds.
    pub async fn wait_until_ready(&mut self, name: &str) -> Result<()> {
        let client = self.client.clone();
        let pod = self.pod_mut(name)?;
        let url = format!("http://{}/readyz", pod.management);
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            pod.process.check_running()?;
            let answer = client.get(&url).send().await;
            let last = match answer {
                Ok(response) if response.status().is_success() => return Ok(()),
                Ok(response) => response.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            if Instant::now() > deadline {
                bail!(
                    "{name} is not ready after {READY_WITHIN:?}: {last}{}",
                    pod.process.last_lines()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills a pod's process as `kill -9` does.
    pub async fn kill_pod(&mut self, name: &str) -> Result<()> {
        self.pod_mut(name)?.process.kill().await?;
        Ok(())
    }

    /// Starts a killed pod again, on the same ports, and waits until it is ready.
    pub async fn restart_pod(&mut self, name: &str) -> Result<()> {
        let pod = self
            .pods
            .remove(name)
            .with_context(|| format!("there is no pod `{name}`"))?;
        let mut program = pod.program;
        for (variable, port) in [("LISTEN", 8080), ("MANAGEMENT_LISTEN", 9090)] {
            if let (Some(value), Some(port)) =
                (program.environment.get_mut(variable), pod.ports.get(&port))
            {
                *value = SocketAddr::from((Ipv4Addr::LOCALHOST, *port)).to_string();
            }
        }
        drop(pod.process);
        self.launch(name, program).await?;
        self.wait_until_ready(name).await
    }

    /// Runs the access probe in a pod, with the pod's own identity.
    pub async fn probe(&self, name: &str) -> Result<AccessReport> {
        let url = format!("http://{}/access", self.pod(name)?.management);
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
        for name in STOP_ORDER {
            if let Some(mut pod) = self.pods.remove(name) {
                pod.process.stop(Duration::from_secs(30)).await?;
                tell(name);
            }
        }
        self.cloud.stop(Duration::from_secs(5)).await?;
        tell("cloud");
        Ok(())
    }

    /// Waits until one of the processes ends by itself, which none should.
    pub async fn any_ended(&mut self) -> anyhow::Error {
        loop {
            let all = self
                .pods
                .values_mut()
                .map(|pod| &mut pod.process)
                .chain([&mut self.cloud]);
            for process in all {
                if let Err(ended) = process.check_running() {
                    return ended;
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
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

    /// Where the processes' logs are.
    pub fn logs(&self) -> PathBuf {
        self.directory.path().join("logs")
    }

    /// The address of a pod's own port, such as the frontend's pages.
    pub fn address(&self, name: &str) -> Result<SocketAddr> {
        self.pod(name)?
            .listen
            .with_context(|| format!("{name} serves nothing"))
    }

    /// The number of a pod's process.
    pub fn pid(&self, name: &str) -> Result<u32> {
        let pid = self.pod(name)?.process.pid();
        pid.with_context(|| format!("{name} has ended"))
    }

    /// How long it took from a pod's start until it had opened its ports.
    pub fn listened_after(&self, name: &str) -> Result<Duration> {
        Ok(self.pod(name)?.listened_after)
    }

    fn pod(&self, name: &str) -> Result<&RunningPod> {
        self.pods
            .get(name)
            .with_context(|| format!("there is no pod `{name}`"))
    }

    fn pod_mut(&mut self, name: &str) -> Result<&mut RunningPod> {
        self.pods
            .get_mut(name)
            .with_context(|| format!("there is no pod `{name}`"))
    }
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

/// The fields of the line in which a pod says where it listens.
fn inventory(line: &Value) -> Option<Value> {
    let fields = line.get("fields").unwrap_or(line);
    (fields["message"] == "inventory").then(|| fields.clone())
}
