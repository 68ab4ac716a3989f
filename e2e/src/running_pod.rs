//! A pod while it runs: its process, where it listens, and its next process when
//! one has ended. Its addresses stay the same. What the kubelet does with it is
//! in `kubelet.rs`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::sync::{Mutex, watch};

use crate::lifecycle::Lifecycle;
use crate::process::{Process, Program};
use crate::runtime::Runtime;

/// How long a pod may take to become ready.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// How often a process is looked after: whether it has ended, and, until it is
/// ready, whether it is.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Whether a pod takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Which of its processes this is about: one more each time that one begins
    /// or is ended.
    pub(crate) epoch: u32,
    /// Whether that one is ready.
    pub(crate) ready: bool,
}

impl Condition {
    /// A pod's first process.
    pub(crate) fn ready(ready: bool) -> Self {
        Self { epoch: 0, ready }
    }
}

/// A running pod.
pub(crate) struct RunningPod {
    /// What runs it.
    runtime: Arc<dyn Runtime>,
    /// What is started, with the ports that it had at first.
    program: Program,
    /// What its manifest says about its life.
    pub(crate) lifecycle: Lifecycle,
    logs: PathBuf,
    listen: Option<SocketAddr>,
    management: SocketAddr,
    first_started: Instant,
    condition: watch::Sender<Condition>,
    /// Whether it is started again when it ends by itself.
    supervised: AtomicBool,
    restarts: AtomicU32,
    /// Microseconds from its last start until its ports were open.
    listened_after: AtomicU64,
    /// Microseconds from its first start until it was ready for the first time.
    ready_after: AtomicU64,
    /// Held while it starts or ends, so that nobody meets half a process.
    current: Mutex<Current>,
}

struct Current {
    process: Process,
    started: Instant,
}

impl RunningPod {
    /// Starts a pod's program, and waits until it says where it listens.
    pub(crate) async fn launch(
        runtime: Arc<dyn Runtime>,
        mut program: Program,
        lifecycle: Lifecycle,
        logs: PathBuf,
    ) -> Result<Self> {
        let started = Instant::now();
        let mut process = Process::start(&*runtime, program.clone(), &logs).await?;
        let (listen, management) = addresses(&mut process).await?;
        let listened_after = micros(started.elapsed());
        keep_ports(&mut program, listen, management);
        Ok(Self {
            listen: listen.map(|address| program.reached_at(address)),
            management: program.reached_at(management),
            runtime,
            program,
            lifecycle,
            logs,
            first_started: started,
            condition: watch::Sender::new(Condition::ready(false)),
            supervised: AtomicBool::new(false),
            restarts: AtomicU32::new(0),
            listened_after: AtomicU64::new(listened_after),
            ready_after: AtomicU64::new(u64::MAX),
            current: Mutex::new(Current { process, started }),
        })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.program.name
    }

    /// Where it serves, if it serves.
    pub(crate) fn listen(&self) -> Option<SocketAddr> {
        self.listen
    }

    /// A page of its management port.
    pub(crate) fn management_url(&self, page: &str) -> String {
        format!("http://{}/{page}", self.management)
    }

    /// Where a port of its container is on this machine.
    pub(crate) fn address_of(&self, port: i32) -> Option<SocketAddr> {
        match self.lifecycle.listener(port)? {
            "LISTEN" => self.listen,
            "MANAGEMENT_LISTEN" => Some(self.management),
            _ => None,
        }
    }

    /// How often it was started again.
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// How long it took from its last start until its ports were open.
    pub(crate) fn listened_after(&self) -> Duration {
        Duration::from_micros(self.listened_after.load(Ordering::Relaxed))
    }

    /// The number of its process, while there is one.
    pub(crate) async fn pid(&self) -> Option<u32> {
        self.current.lock().await.process.pid()
    }

    /// How long its process runs.
    pub(crate) async fn age(&self) -> Duration {
        self.current.lock().await.started.elapsed()
    }

    /// What the kubelet says about it.
    pub(crate) fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    /// The kubelet says whether a process is ready; nothing, if another runs by
    /// now.
    pub(crate) fn set_ready(&self, epoch: u32, ready: bool) {
        self.condition.send_if_modified(|condition| {
            let changes = condition.epoch == epoch && condition.ready != ready;
            if changes {
                condition.ready = ready;
                let took = micros(self.first_started.elapsed());
                self.ready_after.fetch_min(took, Ordering::Relaxed);
            }
            changes
        });
    }

    fn next_epoch(&self) {
        self.condition.send_modify(|condition| {
            condition.epoch += 1;
            condition.ready = false;
        });
    }

    /// Whether the kubelet starts it again when it ends by itself.
    pub(crate) fn is_supervised(&self) -> bool {
        self.supervised.load(Ordering::Relaxed)
    }

    /// From now on the kubelet starts it again when it ends by itself.
    pub(crate) fn supervise(&self) {
        self.supervised.store(true, Ordering::Relaxed);
    }

    /// Waits until it is ready; returns how long that took from its first start.
    pub(crate) async fn until_ready(&self, client: &reqwest::Client) -> Result<Duration> {
        let deadline = Instant::now() + READY_WITHIN;
        let mut condition = self.condition();
        loop {
            let ready = condition.wait_for(|condition| condition.ready);
            if tokio::time::timeout(BETWEEN_LOOKS, ready).await.is_ok() {
                let took = self.ready_after.load(Ordering::Relaxed);
                return Ok(Duration::from_micros(took));
            }
            if !self.is_supervised() {
                self.check_running().await?;
            }
            if Instant::now() > deadline {
                let url = self.management_url("readyz");
                let says = match client.get(&url).send().await {
                    Ok(response) => response.text().await.unwrap_or_default(),
                    Err(error) => error.to_string(),
                };
                bail!(
                    "{} is not ready after {READY_WITHIN:?}: {says}{}",
                    self.name(),
                    self.current.lock().await.process.last_lines()
                );
            }
        }
    }

    /// An error if its process has ended.
    pub(crate) async fn check_running(&self) -> Result<()> {
        self.current.lock().await.process.check_running()
    }

    /// Kills its process as `kill -9` does.
    pub(crate) async fn kill(&self) -> Result<()> {
        let mut current = self.current.lock().await;
        self.next_epoch();
        current.process.kill().await?;
        Ok(())
    }

    /// Starts a process in place of one that has ended, with these variables on top
    /// of its own.
    pub(crate) async fn restart(&self, with: &[(&str, &str)]) -> Result<()> {
        let mut current = self.current.lock().await;
        if current.process.check_running().is_ok() {
            bail!("{} has not ended", self.name());
        }
        let started = Instant::now();
        let mut program = self.program.clone();
        let with = with
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        program.environment.extend(with);
        *current = Current {
            process: Process::start(&*self.runtime, program, &self.logs).await?,
            started,
        };
        self.next_epoch();
        self.restarts.fetch_add(1, Ordering::Relaxed);
        addresses(&mut current.process).await?;
        let listened_after = micros(started.elapsed());
        self.listened_after.store(listened_after, Ordering::Relaxed);
        Ok(())
    }

    /// Asks it to end, and kills it if it takes longer than its manifest allows.
    pub(crate) async fn stop(&self) -> Result<ExitStatus> {
        self.stop_within(self.lifecycle.grace).await
    }

    /// The same, with another time.
    pub(crate) async fn stop_within(&self, grace: Duration) -> Result<ExitStatus> {
        let mut current = self.current.lock().await;
        self.next_epoch();
        current.process.stop(grace).await
    }
}

/// A process that listened at any port of loopback does so at the same ports again.
fn keep_ports(program: &mut Program, listen: Option<SocketAddr>, management: SocketAddr) {
    for (variable, bound) in [("LISTEN", listen), ("MANAGEMENT_LISTEN", Some(management))] {
        if let (Some(value), Some(bound)) = (program.environment.get_mut(variable), bound)
            && bound.ip().is_loopback()
        {
            *value = SocketAddr::from((Ipv4Addr::LOCALHOST, bound.port())).to_string();
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Where a process serves, if it serves, and its management port: as it says in
/// its inventory line.
async fn addresses(process: &mut Process) -> Result<(Option<SocketAddr>, SocketAddr)> {
    let inventory = process
        .wait_for_line("its inventory line", inventory)
        .await?;
    let address = |field: &str| {
        let text = inventory[field].as_str();
        text.and_then(|text| text.parse::<SocketAddr>().ok())
    };
    let management = address("management").context("the inventory names the management address")?;
    Ok((address("listen"), management))
}

/// The fields of the line in which a pod says where it listens.
fn inventory(line: &Value) -> Option<Value> {
    let fields = line.get("fields").unwrap_or(line);
    (fields["message"] == "inventory").then(|| fields.clone())
}
