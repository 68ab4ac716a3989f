//! What happened, as a table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::plan::Rollover;

/// An access token of a managed identity is good for a day. It is replaced five
/// minutes earlier at the first use, which comes within the hour.
const TOKEN_LIFE: Duration = Duration::from_hours(24);
const USED_WITHIN: Duration = Duration::from_hours(1);

/// All of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    /// By identity and resource.
    pub(crate) exchanges: BTreeMap<String, u64>,
    /// Tokens that kubelet did not rotate as often as it has to.
    pub(crate) neglected: Vec<String>,
    pub(crate) failures: Vec<String>,
    pub(crate) took: Duration,
    /// The last warnings of each process, where something went wrong.
    pub(crate) logs: BTreeMap<String, Vec<String>>,
}

/// Some hours of it.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) until: Duration,
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) reconnects: u64,
    pub(crate) exchanges: u64,
    pub(crate) rotations: u64,
    pub(crate) rollovers: Vec<Rollover>,
}

impl Report {
    /// What must not have happened, or must have and did not.
    pub(crate) fn problems(&self) -> Vec<String> {
        let ran = self.rows.last().map(|row| row.until).unwrap_or_default();
        let least = 1 + ran.saturating_sub(USED_WITHIN).as_secs() / TOKEN_LIFE.as_secs();
        let stale = self
            .exchanges
            .iter()
            .filter(|(_, count)| **count < least)
            .map(|(what, count)| format!("{what}: {count} exchanges, and not {least}"));
        let warnings = self.logs.iter().flat_map(|(log, lines)| {
            let lines = lines.iter();
            lines.map(move |line| format!("  {log}: {line}"))
        });
        let mut problems: Vec<_> = stale
            .chain(self.neglected.iter().cloned())
            .chain(self.failures.iter().cloned())
            .collect();
        if self.exchanges.is_empty() || self.rows.is_empty() {
            problems.push("nothing happened".to_owned());
        }
        if !problems.is_empty() {
            problems.extend(warnings);
        }
        problems
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>6} {:>9} {:>9} {:>9} {:>10} {:>9}  rollovers",
            "hour", "requests", "failures", "streams", "exchanges", "rotations"
        )?;
        for row in &self.rows {
            let minutes = row.until.as_secs() / 60;
            let until = format!("{}:{:02}", minutes / 60, minutes % 60);
            writeln!(
                f,
                "{until:>6} {:>9} {:>9} {:>9} {:>10} {:>9}  {:?}",
                row.requests,
                row.failures,
                row.reconnects,
                row.exchanges,
                row.rotations,
                row.rollovers
            )?;
        }
        for (what, count) in &self.exchanges {
            writeln!(f, "  exchanged {count} times: {what}")?;
        }
        write!(f, "took {:.0} s of real time", self.took.as_secs_f64())
    }
}
