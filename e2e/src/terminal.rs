//! How the commands that check something tell it, and read what they are given.

use std::io::Read as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Result};
use serde::Serialize;

pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const FAINT: Style = Style::new().dimmed();

/// How a report is told.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Format {
    /// Tells a report, as text by `print`.
    pub(crate) fn tell<R: Serialize>(self, report: &R, print: impl FnOnce(&R)) -> Result<()> {
        match self {
            Self::Text => print(report),
            Self::Json => anstream::println!("{}", serde_json::to_string_pretty(report)?),
        }
        Ok(())
    }
}

/// The text of a file; `-` is standard input.
pub(crate) fn read(file: &Path) -> Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input is not text")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}
