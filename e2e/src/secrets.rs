//! The zero-secret proof: looks for secrets wherever this workload could have left
//! one, and says how much it looked at. `docs/zero-secret.md` tells what it finds,
//! where, and what it cannot find.
//!
//! It shows where a secret stands and what kind it is, never the secret.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use anyhow::{Result, bail};
use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

pub mod canary;
pub mod examples;
mod exceptions;
pub mod images;
pub mod rules;
pub mod sources;
#[cfg(test)]
mod tests;

pub use canary::Canary;
pub use exceptions::{Exceptions, default_exceptions};

/// Something to look at.
#[derive(Debug)]
pub struct Content {
    /// What it is called: a file, a process, a file in an image's layer.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Content {
    /// A content.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

/// How much of a part was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Looked {
    /// So much of it.
    At {
        /// How many files, processes and so on.
        contents: usize,
        /// How large all of them are together.
        bytes: usize,
    },
    /// Nothing, and why.
    Not {
        /// What is missing.
        not_looked_at: String,
    },
}

/// A secret where none should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule that found it, `vault-value`, or `stale-exception`.
    pub rule: String,
    /// The part of the scan.
    pub part: String,
    /// The file, the process, the file in an image's layer.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What it is.
    pub what: String,
    /// The beginning of its SHA-256 in hexadecimal digits, as an exception names it.
    pub digest: String,
}

/// A finding that somebody accepted, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Accepted {
    /// What was found.
    pub finding: Finding,
    /// Why that is all right.
    pub because: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Each part, with how much of it.
    pub looked_at: BTreeMap<String, Looked>,
    /// What should not be there.
    pub findings: Vec<Finding>,
    /// What should not, but for a reason.
    pub accepted: Vec<Accepted>,
}

/// A scan under way.
#[derive(Debug, Default)]
pub struct Scan {
    canaries: Vec<Canary>,
    report: Report,
}

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Everything,
    /// What has the form of a secret.
    Forms,
    /// The values that are known.
    Values,
}

impl Scan {
    /// A scan that looks for these values too, wherever it looks.
    pub fn with(canaries: Vec<Canary>) -> Self {
        Self {
            canaries,
            report: Report::default(),
        }
    }

    /// Looks for everything. To look at nothing is an error: it proves nothing.
    pub fn look_at(
        &mut self,
        part: &str,
        contents: impl IntoIterator<Item = Result<Content>>,
    ) -> Result<()> {
        self.look(part, contents, For::Everything)
    }

    /// Looks for what has the form of a secret, and not for the given values: in the
    /// vault, where these are, and which could keep a key to something else.
    pub fn look_for_forms_in(
        &mut self,
        part: &str,
        contents: impl IntoIterator<Item = Result<Content>>,
    ) -> Result<()> {
        self.look(part, contents, For::Forms)
    }

    /// Looks for the given values only, where something else is meant to be: a page
    /// has the token of its session.
    pub fn look_for_values_in(
        &mut self,
        part: &str,
        contents: impl IntoIterator<Item = Result<Content>>,
    ) -> Result<()> {
        if self.canaries.is_empty() {
            bail!("{part}: there is no value to look for");
        }
        self.look(part, contents, For::Values)
    }

    /// Notes that nothing of a part was looked at, and why.
    pub fn did_not_look_at(&mut self, part: &str, why: String) {
        let not = Looked::Not { not_looked_at: why };
        self.report.looked_at.insert(part.to_owned(), not);
    }

    fn look(
        &mut self,
        part: &str,
        contents: impl IntoIterator<Item = Result<Content>>,
        what: For,
    ) -> Result<()> {
        let (mut count, mut size) = (0, 0);
        for content in contents {
            let content = content?;
            count += 1;
            size += content.bytes.len();
            self.look_into(part, &content, what);
        }
        if size == 0 {
            bail!("{part}: there was nothing to look at");
        }
        let looked = Looked::At {
            contents: count,
            bytes: size,
        };
        self.report.looked_at.insert(part.to_owned(), looked);
        Ok(())
    }

    fn look_into(&mut self, part: &str, content: &Content, what: For) {
        let bytes = &content.bytes[..];
        let mut found = Vec::new();
        if what != For::Forms {
            for canary in &self.canaries {
                for place in canary.places(bytes) {
                    found.push(("vault-value", canary.what(), place));
                }
            }
        }
        if what != For::Values {
            for own in rules::matches(bytes) {
                let shown = match own.label.as_str() {
                    "" => "[redacted]".to_owned(),
                    label => format!("{label} [redacted]"),
                };
                let what = format!(
                    "{}, {} characters: {shown}",
                    own.rule.what,
                    own.secret.len()
                );
                found.push((own.rule.name, what, own.secret));
            }
        }
        found.sort_by_key(|(_, _, place)| place.start);
        for (rule, what, place) in found {
            self.report.findings.push(Finding {
                rule: rule.to_owned(),
                part: part.to_owned(),
                file: content.name.clone(),
                line: bytes[..place.start].split(|byte| *byte == b'\n').count(),
                what,
                digest: digest_of(&bytes[place]),
            });
        }
    }

    /// What was found, apart from what is accepted. An exception to nothing is a
    /// finding itself, if its part was looked at.
    pub fn judged_by(mut self, exceptions: &Exceptions) -> Report {
        let found = std::mem::take(&mut self.report.findings);
        let mut used = vec![false; exceptions.all().len()];
        for finding in found {
            match exceptions.position(&finding) {
                Some(at) => {
                    used[at] = true;
                    let because = exceptions.all()[at].because.clone();
                    self.report.accepted.push(Accepted { finding, because });
                }
                None => self.report.findings.push(finding),
            }
        }
        for (exception, used) in exceptions.all().iter().zip(used) {
            let looked = self.report.looked_at.get(&exception.part);
            if !used && matches!(looked, Some(Looked::At { .. })) {
                self.report.findings.push(exceptions.stale(exception));
            }
        }
        self.report
    }
}

/// How a secret is told from another without being shown: 12 of 64 digits.
fn digest_of(secret: &[u8]) -> String {
    hexadecimal(&digest(&SHA256, secret).as_ref()[..6])
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut digits = String::new();
    for byte in bytes {
        let _infallible = write!(digits, "{byte:02x}");
    }
    digits
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rule,
            part,
            file,
            line,
            what,
            digest,
        } = self;
        write!(f, "{rule} {file}:{line}\n  {part}: {what}")?;
        match digest.as_str() {
            "" => Ok(()),
            digest => write!(f, " (sha256 {digest})"),
        }
    }
}

impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { contents, bytes } => {
                write!(f, "{contents} looked at, {} kB", bytes.div_ceil(1000))
            }
            Self::Not { not_looked_at } => write!(f, "not looked at: {not_looked_at}"),
        }
    }
}
