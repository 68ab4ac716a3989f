//! Processes on this machine: each re-executes the harness, or a separately built
//! program, in a process group of its own, and ends when its standard input closes.

use std::process::{ExitStatus, Stdio};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{ChildStdin, Command};

use super::{Child, CloudToRun, Launched, Output, PodToRun, Runtime};
use crate::pod;
use crate::process::Program;

/// Runs everything as processes on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Processes;

#[async_trait]
impl Runtime for Processes {
    async fn cloud(&self, cloud: CloudToRun<'_>) -> Result<Program> {
        Ok(Program {
            executable: crate::executable()?.display().to_string(),
            arguments: [
                "cloud".to_owned(),
                "--until-stdin-closes".to_owned(),
                "--log=info".to_owned(),
                format!("--model={}", cloud.model.display()),
                format!("--state={}", cloud.state.display()),
                format!("--webhook={}", cloud.webhook),
            ]
            .into_iter()
            .chain(cloud.behind_arguments())
            .collect(),
            ..Program::named("cloud")
        })
    }

    async fn pod(&self, pod: PodToRun<'_>) -> Result<Program> {
        pod::program(pod.name, pod.admitted, pod.manifests, pod.surroundings)
    }

    async fn launch(&self, program: &Program) -> Result<Launched> {
        let mut child = Command::new(&program.executable)
            .args(&program.arguments)
            .env_clear()
            .envs(&program.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start: {}", program.name, program.executable))?;
        let stdout: Option<Output> = child.stdout.take().map(|pipe| Box::new(pipe) as Output);
        let stderr: Option<Output> = child.stderr.take().map(|pipe| Box::new(pipe) as Output);
        let pipes = stdout.zip(stderr).context("both were made pipes")?;
        Ok(Launched {
            child: Box::new(Process {
                stdin: child.stdin.take(),
                child,
            }),
            output: pipes.into(),
        })
    }
}

struct Process {
    child: tokio::process::Child,
    stdin: Option<ChildStdin>,
}

impl Process {
    fn signal(&self, signal: Signal) {
        let id = self.pid().and_then(|id| i32::try_from(id).ok());
        // No id: it has ended and was waited for, so the number may be another's.
        if let Some(group) = id.and_then(Pid::from_raw)
            && let Err(error) = kill_process_group(group, signal)
        {
            tracing::debug!(%error, "a process could not be signalled");
        }
    }
}

#[async_trait]
impl Child for Process {
    fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    async fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    async fn ask_to_end(&mut self) {
        self.signal(Signal::TERM);
        drop(self.stdin.take());
    }

    async fn kill(&mut self) {
        self.signal(Signal::KILL);
    }
}
