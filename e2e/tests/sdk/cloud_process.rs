//! A local cloud as a process of its own, as any client meets it: reached only
//! through what it leaves in its state directory.
//!
//! It ends when this process does, because its standard input closes then, and
//! takes its state directory with it. Nothing here needs a runtime, so that
//! tests with a runtime each can share one cloud.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use local_cloud::Endpoints;

/// A running cloud; dropping it ends it.
pub(crate) struct CloudProcess {
    child: Child,
    // Kept open: what the cloud would say later must not break it.
    _output: BufReader<ChildStdout>,
    /// Its state directory.
    pub(crate) state: PathBuf,
}

impl CloudProcess {
    /// Starts a cloud on an access model and waits until it serves.
    pub(crate) fn start(model: &Path) -> Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_e2e"))
            .args(["cloud", "--until-stdin-closes", "--log=error", "--model"])
            .arg(model)
            .env_clear()
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the local cloud does not start")?;
        let output = child.stdout.take().context("its output is piped")?;
        let mut output = BufReader::new(output);
        Ok(Self {
            state: state_directory(&mut output)?,
            _output: output,
            child,
        })
    }
}

/// Where everything is, by what the cloud left in its state directory.
pub(crate) fn endpoints(state: &Path) -> Result<Endpoints> {
    let file = state.join("endpoints.json");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(serde_json::from_str(&text)?)
}

impl Drop for CloudProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            eprintln!("the local cloud's end was not seen: {error}");
        }
    }
}

/// The cloud says where its state is, as people read it, once it is there.
fn state_directory(output: &mut BufReader<ChildStdout>) -> Result<PathBuf> {
    let mut said = String::new();
    while output.read_line(&mut said)? > 0 {
        let line = said.lines().last().unwrap_or_default().trim();
        if let Some(("state", rest)) = line.split_once(' ') {
            let (directory, _files) = rest.rsplit_once(" (").unwrap_or((rest, ""));
            return Ok(PathBuf::from(directory.trim()));
        }
    }
    bail!("the local cloud ended before it served; it said: {said:?}")
}
