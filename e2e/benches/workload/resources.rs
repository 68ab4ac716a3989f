//! What a process uses, by what Linux says of it in `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A process of the workload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pid(u32);

impl Pid {
    /// The process that does a pod's work: a separately built program runs as the
    /// child of its guard.
    pub(crate) fn of_pod(started: u32) -> Result<Self> {
        let children = fs::read_to_string(format!("/proc/{started}/task/{started}/children"))?;
        let guarded = children.split_whitespace().next();
        Ok(Self(match guarded {
            Some(child) => child.parse()?,
            None => started,
        }))
    }

    /// The processor time that it has used. Linux counts it in hundredths of a
    /// second: measure many requests.
    pub(crate) fn cpu(self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The name of the program, in parentheses, may hold spaces.
        let (_, fields) = stat.rsplit_once(')').context("a name in parentheses")?;
        let ticks = |field: usize| -> Result<u64> {
            let text = fields.split_whitespace().nth(field);
            Ok(text.context("utime and stime")?.parse()?)
        };
        Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
    }

    /// The memory that it holds, in bytes.
    pub(crate) fn resident(self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most memory that it has held since [`forget_peak`](Self::forget_peak),
    /// in bytes.
    pub(crate) fn peak(self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Starts the measurement of the peak anew.
    pub(crate) fn forget_peak(self) -> Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.0), "5")?;
        Ok(())
    }

    fn status(self, field: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kilobytes = line.with_context(|| format!("{field} in /proc"))?;
        let kilobytes: u64 = kilobytes.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024)
    }
}

/// Bytes as people read them.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "far below 2^52, and shown with one digit"
    )]
    let bytes = bytes as f64;
    bytes / 1_048_576.0
}
