//! A child process of the harness: started with exactly the environment that it
//! is given, in a process group of its own, ending when its standard input
//! closes. Its output goes to a log file; what it says as JSON can be waited for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How many lines of a log are shown when its process fails.
const SHOWN_LINES: usize = 20;

/// What to start.
#[derive(Clone, Debug)]
pub struct Program {
    /// What the process is called, here and in its log's name.
    pub name: String,
    /// The executable.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
}

/// A running child.
pub struct Process {
    program: Program,
    child: Child,
    stdin: Option<ChildStdin>,
    log: PathBuf,
    lines: watch::Receiver<Vec<Value>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a program; its log is a file in `logs`, continued if it is there.
    pub async fn start(program: Program, logs: &Path) -> Result<Self> {
        tokio::fs::create_dir_all(logs).await?;
        let log = logs.join(format!("{}.log", program.name));
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
            .with_context(|| {
                format!(
                    "{} does not start: {}",
                    program.name,
                    program.executable.display()
                )
            })?;
        let file = tokio::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .await?;
        let file = Arc::new(tokio::sync::Mutex::new(file));
        let (said, lines) = watch::channel(Vec::new());
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(tokio::spawn(copy(stdout, Arc::clone(&file), Some(said))));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(tokio::spawn(copy(stderr, file, None)));
        }
        Ok(Self {
            stdin: child.stdin.take(),
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
        self.child.id()
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

    /// Asks the process to end (SIGTERM, and its standard input closes), waits,
    /// and kills it if it takes longer than `grace`.
    pub async fn stop(&mut self, grace: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        drop(self.stdin.take());
        if let Ok(ended) = tokio::time::timeout(grace, self.ended()).await {
            return ended;
        }
        tracing::warn!(
            name = self.program.name,
            "did not end in time and is killed"
        );
        self.kill().await
    }

    /// Kills the process group at once, as `kill -9` does.
    pub async fn kill(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::KILL);
        Ok(self.child.wait().await?)
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

    fn signal(&self, signal: Signal) {
        let pid = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        // No id: it has ended and was waited for, so the number may be another's.
        if let Some(group) = pid
            && let Err(error) = kill_process_group(group, signal)
        {
            tracing::debug!(%error, name = self.program.name, "could not be signalled");
        }
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

    #[tokio::test]
    async fn a_child_has_the_environment_that_it_is_given_and_nothing_of_ours() {
        // Cargo gives every test variables, so there is something to leak.
        assert!(std::env::vars_os().count() > 1);
        let logs = tempfile::tempdir().expect("a directory");
        let program = Program {
            name: "env".to_owned(),
            executable: PathBuf::from("/usr/bin/env"),
            arguments: Vec::new(),
            environment: BTreeMap::from([("GIVEN".to_owned(), "1".to_owned())]),
        };

        let mut process = Process::start(program, logs.path()).await.expect("started");
        let status = process.ended().await.expect("ended");

        assert!(status.success(), "{status}");
        let log = std::fs::read_to_string(logs.path().join("env.log")).expect("a log");
        assert_eq!(log, "GIVEN=1\n");
    }
}
