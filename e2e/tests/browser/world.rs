//! What all scenarios share: one workload and one browser, started for the first
//! scenario that runs.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use e2e::stack::{Options, Stack};
use futures::FutureExt as _;
use futures::future::Either;
use tokio::runtime::Runtime;
use tokio::sync::RwLock;
use url::Url;

use crate::chromium::Chromium;
use crate::installed::Installed;
use crate::visit::Visit;

/// The workload and the browser, or how they are started.
pub(crate) struct World {
    chromium: Option<PathBuf>,
    axe: Option<String>,
    port: u16,
    runtime: Runtime,
    running: OnceLock<Running>,
    /// Held by every scenario while it plays: alone, or with others.
    stage: RwLock<()>,
}

/// The workload and the browser.
pub(crate) struct Running {
    pub(crate) stack: Stack,
    pub(crate) chromium: Chromium,
    /// Where the pages are.
    pub(crate) origin: Url,
}

impl World {
    /// A workload whose pages are at this port, or at any if it is 0.
    pub(crate) fn new(installed: &Installed, port: u16) -> Self {
        Self {
            chromium: installed.chromium.clone(),
            axe: installed.axe.clone(),
            port,
            runtime: Runtime::new().expect("a runtime"),
            running: OnceLock::new(),
            stage: RwLock::default(),
        }
    }

    /// axe-core's script.
    pub(crate) fn axe(&self) -> &str {
        self.axe
            .as_deref()
            .expect("a scenario says that it needs it")
    }

    /// Plays a scenario; says what its windows had to complain about.
    pub(crate) fn play(&self, is_alone: bool, scenario: &impl AsyncFn(&Visit<'_>)) -> Vec<String> {
        let running = self.running.get_or_init(|| {
            let started = self.runtime.block_on(self.start());
            started.expect("the workload and the browser start")
        });
        self.runtime.block_on(async {
            let _place = if is_alone {
                Either::Left(self.stage.write().await)
            } else {
                Either::Right(self.stage.read().await)
            };
            let visit = Visit::new(self, running);
            let played = AssertUnwindSafe(scenario(&visit)).catch_unwind().await;
            let complaints = visit.end().await;
            if let Err(panic) = played {
                resume_unwind(panic);
            }
            complaints
        })
    }

    async fn start(&self) -> Result<Running> {
        let executable = self.chromium.as_ref().context("there is no Chromium")?;
        // What the worker did is told by the backend's sweep.
        let mut options = Options::default().with("backend", "RELAY_SWEEP_SECONDS", "1");
        options.port = self.port;
        let stack = Stack::start(options, |_| {}).await?;
        // As `cargo up` does, so that the Access page has something to show.
        for pod in ["frontend", "backend"] {
            stack.probe(pod).await?;
        }
        let chromium = Chromium::start(executable, &stack.logs()).await?;
        let port = stack.address("frontend")?.port();
        Ok(Running {
            stack,
            chromium,
            origin: Url::parse(&format!("http://localhost:{port}/"))?,
        })
    }

    /// Ends what was started.
    pub(crate) fn stop(self) -> Result<()> {
        let Some(running) = self.running.into_inner() else {
            return Ok(());
        };
        self.runtime.block_on(async {
            running.chromium.stop().await?;
            running.stack.stop(|_| {}).await
        })
    }
}
