//! The table of what was measured, and its place in `docs/benchmarks.md`.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

/// One thing that was measured.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) wanted: &'static str,
    pub(crate) met: bool,
}

/// The lines of the document that a table stands between.
pub(crate) type Place = (&'static str, &'static str);

pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut table = "| What | Measured | Wanted | |\n|---|---|---|---|\n".to_owned();
    for Row {
        what,
        measured,
        wanted,
        met,
    } in rows
    {
        let verdict = if *met { "met" } else { "missed" };
        let written = writeln!(table, "| {what} | {measured} | {wanted} | {verdict} |");
        debug_assert!(written.is_ok(), "a String takes what it is given");
    }
    table
}

/// Replaces the table at this place of the document.
pub(crate) fn write((begin, end): Place, table: &str) -> Result<()> {
    let file = e2e::repository().join("docs/benchmarks.md");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let (before, rest) = text
        .split_once(begin)
        .with_context(|| format!("{} has no line {begin}", file.display()))?;
    let (_, after) = rest
        .split_once(end)
        .with_context(|| format!("{} has no line {end}", file.display()))?;
    std::fs::write(&file, format!("{before}{begin}\n{table}\n{end}{after}"))?;
    Ok(())
}
