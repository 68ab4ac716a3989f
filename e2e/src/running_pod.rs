//! A pod while it runs: its process, where it listens, whether it is ready, and
//! its next process when one was killed. Its addresses stay the same.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::process::{Process, Program};

/// How long a pod may take to become ready.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// How often it is asked.
const BETWEEN_PROBES: Duration = Duration::from_millis(20);

/// A running pod.
pub(crate) struct RunningPod {
    /// What is started, with the ports that it had at first.
    program: Program,
    logs: PathBuf,
    listen: Option<SocketAddr>,
    management: SocketAddr,
    started: Instant,
    restarts: AtomicU32,
    /// Microseconds from its last start until its ports were open.
    listened_after: AtomicU64,
    /// Held while it starts or ends, so that nobody meets half a process.
    process: Mutex<Process>,
}

impl RunningPod {
    /// Starts a pod's program, and waits until it says where it listens.
    pub(crate) async fn launch(mut program: Program, logs: PathBuf) -> Result<Self> {
        let started = Instant::now();
        let mut process = Process::start(program.clone(), &logs).await?;
        let (listen, management) = addresses(&mut process).await?;
        let listened_after = micros(started.elapsed());
        for (variable, bound) in [("LISTEN", listen), ("MANAGEMENT_LISTEN", Some(management))] {
            if let (Some(value), Some(bound)) = (program.environment.get_mut(variable), bound) {
                *value = SocketAddr::from((Ipv4Addr::LOCALHOST, bound.port())).to_string();
            }
        }
        Ok(Self {
            program,
            logs,
            listen,
            management,
            started,
            restarts: AtomicU32::new(0),
            listened_after: AtomicU64::new(listened_after),
            process: Mutex::new(process),
        })
    }

    /// Where it serves, if it serves.
    pub(crate) fn listen(&self) -> Option<SocketAddr> {
        self.listen
    }

    /// A page of its management port.
    pub(crate) fn management_url(&self, page: &str) -> String {
        format!("http://{}/{page}", self.management)
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
        self.process.lock().await.pid()
    }

    /// Waits until its readiness probe succeeds; returns how long that took from
    /// its first start.
    pub(crate) async fn until_ready(&self, client: &reqwest::Client) -> Result<Duration> {
        let url = self.management_url("readyz");
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            self.check_running().await?;
            let last = match client.get(&url).send().await {
                Ok(response) if response.status().is_success() => {
                    return Ok(self.started.elapsed());
                }
                Ok(response) => response.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            if Instant::now() > deadline {
                bail!(
                    "{} is not ready after {READY_WITHIN:?}: {last}{}",
                    self.program.name,
                    self.process.lock().await.last_lines()
                );
            }
            tokio::time::sleep(BETWEEN_PROBES).await;
        }
    }

    /// An error if its process has ended.
    pub(crate) async fn check_running(&self) -> Result<()> {
        self.process.lock().await.check_running()
    }

    /// Kills its process as `kill -9` does.
    pub(crate) async fn kill(&self) -> Result<()> {
        self.process.lock().await.kill().await?;
        Ok(())
    }

    /// Starts a process in place of one that has ended, with these variables on top
    /// of its own.
    pub(crate) async fn restart(&self, with: &[(&str, &str)]) -> Result<()> {
        let mut process = self.process.lock().await;
        if process.check_running().is_ok() {
            bail!("{} has not ended", self.program.name);
        }
        let started = Instant::now();
        let mut program = self.program.clone();
        let with = with
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        program.environment.extend(with);
        *process = Process::start(program, &self.logs).await?;
        self.restarts.fetch_add(1, Ordering::Relaxed);
        addresses(&mut process).await?;
        let listened_after = micros(started.elapsed());
        self.listened_after.store(listened_after, Ordering::Relaxed);
        Ok(())
    }

    /// Starts it again whenever it has ended; never returns.
    pub(crate) async fn supervise(self: Arc<Self>) {
        loop {
            if self.check_running().await.is_err()
                && let Err(error) = self.restart(&[]).await
            {
                tracing::warn!(pod = self.program.name, "does not start again: {error:#}");
            }
            tokio::time::sleep(BETWEEN_PROBES).await;
        }
    }

    /// Asks it to end, and kills it if it takes longer than `grace`.
    pub(crate) async fn stop(&self, grace: Duration) -> Result<ExitStatus> {
        self.process.lock().await.stop(grace).await
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
