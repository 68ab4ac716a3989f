//! What looks like a secret and is none, each with its reason, in one reviewed file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::Finding;
use super::rules::RULES;

/// A finding that is accepted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exception {
    /// The rule that finds it.
    rule: String,
    /// The part of the scan.
    pub(super) part: String,
    /// The file that it is accepted in, or a directory, with `/` at its end.
    within: String,
    /// What is accepted: this value, and no other.
    digest: String,
    /// Why that is all right.
    pub(super) because: String,
}

/// What is accepted.
#[derive(Debug, Default)]
pub struct Exceptions {
    file: String,
    all: Vec<Exception>,
}

/// What this repository accepts.
pub fn default_exceptions() -> PathBuf {
    crate::repository().join("e2e/secret-exceptions.json")
}

impl Exceptions {
    /// Reads a file: a JSON list. A rule that there is not, an incomplete digest and
    /// a missing reason are errors.
    pub fn read(path: &Path) -> Result<Self> {
        let file = path.display().to_string();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{file} cannot be read"))?;
        let all: Vec<Exception> = serde_json::from_str(&text)
            .with_context(|| format!("{file} is no list of exceptions"))?;
        for exception in &all {
            let Exception { rule, digest, .. } = exception;
            let is_rule = RULES.iter().any(|known| known.name == rule);
            ensure!(is_rule, "{file}: there is no rule `{rule}`");
            ensure!(
                digest.len() == 12 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{file}: `{digest}` is no digest; `cargo secrets` shows it"
            );
            let has_reason = !exception.because.trim().is_empty();
            ensure!(
                has_reason,
                "{file}: the exception to `{rule}` needs a reason"
            );
        }
        Ok(Self { file, all })
    }

    pub(super) fn all(&self) -> &[Exception] {
        &self.all
    }

    /// The exception that accepts a finding.
    pub(super) fn position(&self, finding: &Finding) -> Option<usize> {
        self.all.iter().position(|exception| {
            let within = &exception.within;
            let is_here = if within.ends_with('/') {
                finding.file.starts_with(within)
            } else {
                finding.file == *within
            };
            is_here
                && exception.rule == finding.rule
                && exception.part == finding.part
                && exception.digest == finding.digest
        })
    }

    pub(super) fn stale(&self, exception: &Exception) -> Finding {
        let Exception {
            rule,
            part,
            within,
            digest,
            ..
        } = exception;
        Finding {
            rule: "stale-exception".to_owned(),
            part: part.clone(),
            file: self.file.clone(),
            line: 1,
            what: format!("`{rule}` is not found in {within} any more: take the exception out"),
            digest: digest.clone(),
        }
    }
}
