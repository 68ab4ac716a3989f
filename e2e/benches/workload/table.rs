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

const BEGIN: &str = "<!-- measured -->\n";
const END: &str = "<!-- end of what was measured -->\n";

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

/// Replaces the table in the document.
pub(crate) fn write(table: &str) -> Result<()> {
    let file = e2e::repository().join("docs/benchmarks.md");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let (before, rest) = text
        .split_once(BEGIN)
        .with_context(|| format!("{} has no line {BEGIN}", file.display()))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("{} has no line {END}", file.display()))?;
    std::fs::write(&file, format!("{before}{BEGIN}\n{table}\n{END}{after}"))?;
    Ok(())
}
