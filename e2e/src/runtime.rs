//! What runs the parts of a stack: by default, processes on this machine. The
//! crate `containers` has another, for a Docker daemon.

use std::fmt::Debug;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use async_trait::async_trait;
use local_cloud::{Behind, RunningPod, WebhookVersion};
use tokio::io::AsyncRead;

use crate::manifests::Manifests;
use crate::pod::Surroundings;
use crate::process::Program;

mod processes;

pub use processes::Processes;

static RUNTIME: OnceLock<Arc<dyn Runtime>> = OnceLock::new();

/// Says what runs every stack of this process, once, before the first.
pub fn use_runtime(runtime: Arc<dyn Runtime>) {
    RUNTIME.get_or_init(|| runtime);
}

static EMULATORS: OnceLock<Vec<Behind>> = OnceLock::new();

/// Says which resources of every stack of this process third-party emulators hold,
/// once, before the first.
pub fn use_emulators(behind: Vec<Behind>) {
    EMULATORS.get_or_init(|| behind);
}

/// The emulators of a stack unless its options say otherwise.
pub(crate) fn default_emulators() -> Vec<Behind> {
    EMULATORS.get().cloned().unwrap_or_default()
}

/// What runs a stack unless its options say otherwise.
pub(crate) fn default_runtime() -> Arc<dyn Runtime> {
    let default = || Arc::new(Processes) as Arc<dyn Runtime>;
    Arc::clone(RUNTIME.get_or_init(default))
}

/// The local cloud of a stack, before it runs.
#[derive(Debug)]
pub struct CloudToRun<'a> {
    /// The stack, by a name that no other has.
    pub stack: &'a str,
    /// The file of the access model.
    pub model: &'a Path,
    /// Where it leaves what clients need.
    pub state: &'a Path,
    /// Whose layout the workload-identity webhook has.
    pub webhook: WebhookVersion,
    /// The resources that third-party emulators hold.
    pub behind: &'a [Behind],
}

impl CloudToRun<'_> {
    /// What tells the local cloud of the emulators.
    pub fn behind_arguments(&self) -> Vec<String> {
        let behind = self.behind.iter();
        behind.map(|behind| format!("--behind={behind}")).collect()
    }
}

/// A pod of a stack, before it runs.
#[derive(Debug)]
pub struct PodToRun<'a> {
    /// The stack, by a name that no other has.
    pub stack: &'a str,
    /// What it is called in this stack.
    pub name: &'a str,
    /// Its Deployment, which is also what its Service is called.
    pub deployment: &'a str,
    /// The pod as it was admitted, and where its token volumes are.
    pub admitted: &'a RunningPod,
    /// The manifests that it is from.
    pub manifests: &'a Manifests,
    /// What its environment is made with, beside its manifest.
    pub surroundings: &'a Surroundings,
}

/// Runs the parts of stacks.
#[async_trait]
pub trait Runtime: Debug + Send + Sync {
    /// What runs as the local cloud.
    async fn cloud(&self, cloud: CloudToRun<'_>) -> Result<Program>;

    /// What runs as a pod.
    async fn pod(&self, pod: PodToRun<'_>) -> Result<Program>;

    /// Starts a program; it ends when what is returned is dropped.
    async fn launch(&self, program: &Program) -> Result<Launched>;
}

/// A program that was started.
pub struct Launched {
    /// How it ends.
    pub child: Box<dyn Child>,
    /// What it prints, on standard output and on standard error.
    pub output: [Output; 2],
}

/// What a program prints.
pub type Output = Box<dyn AsyncRead + Send + Unpin>;

/// How a started program ends.
#[async_trait]
pub trait Child: Send + Sync {
    /// The number of its process on this machine, while it runs.
    fn pid(&self) -> Option<u32>;

    /// How it ended; `None` while it runs.
    fn try_wait(&mut self) -> Result<Option<ExitStatus>>;

    /// Waits for its end.
    async fn wait(&mut self) -> Result<ExitStatus>;

    /// Asks it to end, with SIGTERM.
    async fn ask_to_end(&mut self);

    /// Ends it at once, as `kill -9` does.
    async fn kill(&mut self);
}
