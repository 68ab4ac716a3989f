//! A running program of the harness, whatever runs it (`runtime.rs`): its output
//! goes to a log file, what it says as JSON can be waited for, and it is ended in
//! time.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::runtime::{Child, Launched, Runtime};

/// How many lines of a log are shown when its process fails.
const SHOWN_LINES: usize = 20;

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// What it is called, here and in its log's name.
    pub name: String,
    /// An executable of this machine, or an image.
    pub executable: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// What only a container needs.
    pub container: Container,
}

/// What only a container needs.
#[derive(Clone, Debug, Default)]
pub struct Container {
    /// The network that it is in.
    pub network: String,
    /// The name under which others find it there; several containers may have one.
    pub hostname: Option<String>,
    /// Further names, of which it is the only one.
    pub aliases: Vec<String>,
    /// `user:group`, as numbers.
    pub user: String,
    /// Whether it can write to its root.
    pub read_only: bool,
    /// Whether a program in it may have more rights than its parent.
    pub may_escalate: bool,
    /// The capabilities that it does not have.
    pub dropped_capabilities: Vec<String>,
    /// What it sees of this machine.
    pub mounts: Vec<Mount>,
    /// The port of loopback at which each of its ports is published.
    pub ports: BTreeMap<u16, u16>,
}

/// A file or directory of this machine in a container.
#[derive(Clone, Debug)]
pub struct Mount {
    /// On this machine.
    pub from: PathBuf,
    /// In the container.
    pub at: String,
    /// Whether the container may write.
    pub writable: bool,
}

impl Program {
    /// A program of which nothing is known but how it is called.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Where something is reached that the program says it listens at.
    pub(crate) fn reached_at(&self, listens: SocketAddr) -> SocketAddr {
        let published = self.container.ports.get(&listens.port());
        published.map_or(listens, |&port| {
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        })
    }
}

/// A running program.
pub struct Process {
    program: Program,
    child: Box<dyn Child>,
    log: PathBuf,
    lines: watch::Receiver<Vec<Value>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a program; its log is a file in `logs`, continued if it is there.
    pub async fn start(runtime: &dyn Runtime, program: Program, logs: &Path) -> Result<Self> {
        tokio::fs::create_dir_all(logs).await?;
        let log = logs.join(format!("{}.log", program.name));
        let file = tokio::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .await?;
        let file = Arc::new(tokio::sync::Mutex::new(file));
        let Launched {
            child,
            output: [stdout, stderr],
        } = runtime.launch(&program).await?;
        let (said, lines) = watch::channel(Vec::new());
        let readers = vec![
            tokio::spawn(copy(stdout, Arc::clone(&file), Some(said))),
            tokio::spawn(copy(stderr, file, None)),
        ];
        Ok(Self {
            program,
            child,
            log,
            lines,
            readers,
        })
    }

    /// What the process is called.
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// Its number, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.pid()
    }

    /// Waits for a JSON line of its output that `wanted` takes something from.
    pub async fn wait_for_line<T>(
        &mut self,
        what: &str,
        wanted: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        let mut lines = self.lines.clone();
        let found = async {
            loop {
                let found = lines.borrow_and_update().iter().find_map(&wanted);
                if found.is_some() {
                    return found;
                }
                if lines.changed().await.is_err() {
                    return None;
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), found).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => {
                // What it said last may still be on its way into the log.
                let grace = Duration::from_secs(5);
                let _ended_or_not = tokio::time::timeout(grace, self.ended()).await;
                bail!(
                    "{} ended before {what}{}",
                    self.program.name,
                    self.last_lines()
                )
            }
            Err(_) => bail!(
                "{} did not get to {what} within 30 s{}",
                self.program.name,
                self.last_lines()
            ),
        }
    }

    /// An error if the process has ended.
    pub fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(
                "{} ended ({status}){}",
                self.program.name,
                self.last_lines()
            ),
        }
    }

    /// Waits for the end of the process, and until its log is complete.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait().await?;
        for reader in std::mem::take(&mut self.readers) {
            reader.await?;
        }
        Ok(status)
    }

    /// Asks the process to end, waits, and kills it if it takes longer than `grace`.
    pub async fn stop(&mut self, grace: Duration) -> Result<ExitStatus> {
        self.child.ask_to_end().await;
        if let Ok(ended) = tokio::time::timeout(grace, self.ended()).await {
            return ended;
        }
        tracing::warn!(
            name = self.program.name,
            "did not end in time and is killed"
        );
        self.kill().await
    }

    /// Kills it at once, as `kill -9` does.
    pub async fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill().await;
        self.child.wait().await
    }

    /// The end of the log, for a failure's story.
    pub fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        format!(
            "\n--- the end of {} ---\n{}",
            self.log.display(),
            shown.join("\n")
        )
    }
}

type Said = watch::Sender<Vec<Value>>;

async fn copy(
    output: impl AsyncRead + Unpin,
    file: Arc<tokio::sync::Mutex<File>>,
    said: Option<Said>,
) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut file = file.lock().await;
        let written = file.write_all(format!("{line}\n").as_bytes()).await;
        let flushed = file.flush().await;
        drop(file);
        if let Err(error) = written.and(flushed) {
            tracing::warn!(%error, "a log cannot be written");
        }
        if let (Some(said), Ok(value)) = (&said, serde_json::from_str::<Value>(&line)) {
            said.send_modify(|lines| lines.push(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Processes;

    #[tokio::test]
    async fn a_child_has_the_environment_that_it_is_given_and_nothing_of_ours() {
        // Cargo gives every test variables, so there is something to leak.
        assert!(std::env::vars_os().count() > 1);
        let logs = tempfile::tempdir().expect("a directory");
        let program = Program {
            executable: "/usr/bin/env".to_owned(),
            environment: BTreeMap::from([("GIVEN".to_owned(), "1".to_owned())]),
            ..Program::named("env")
        };

        let started = Process::start(&Processes, program, logs.path()).await;
        let mut process = started.expect("started");
        let status = process.ended().await.expect("ended");

        assert!(status.success(), "{status}");
        let log = std::fs::read_to_string(logs.path().join("env.log")).expect("a log");
        assert_eq!(log, "GIVEN=1\n");
    }
}
