//! The projected tokens of all pods, as they lie in their files: how often kubelet
//! has rotated each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use platform::identity::TokenView;

/// The tokens by file.
#[derive(Default)]
pub(crate) struct Tokens(BTreeMap<PathBuf, Projected>);

struct Projected {
    issued: i64,
    lifetime: i64,
    rotations: u64,
}

impl Tokens {
    /// Looks at every token again; how many have changed.
    pub(crate) fn look(&mut self, pods: &Path) -> Result<u64> {
        let mut changed = 0;
        for file in files(pods)? {
            let text = std::fs::read_to_string(&file)?;
            let view = TokenView::decode(text.trim()).context("a projected token")?;
            let seconds = |claim: &str| view.claims[claim].as_i64().context("a time");
            let (issued, expires) = (seconds("iat")?, seconds("exp")?);
            let lifetime = expires - issued;
            let known = self.0.entry(file).or_insert(Projected {
                issued,
                lifetime,
                rotations: 0,
            });
            if known.issued != issued {
                (known.issued, known.rotations) = (issued, known.rotations + 1);
                changed += 1;
            }
        }
        Ok(changed)
    }

    /// The tokens that were not rotated as often as they had to be in this time.
    pub(crate) fn neglected(&self, ran: Duration, step: Duration) -> Vec<String> {
        let least = |token: &Projected| {
            let between = token.lifetime.unsigned_abs() * 4 / 5 + step.as_secs();
            ran.as_secs() / between
        };
        let neglected = self
            .0
            .iter()
            .filter(|(_, token)| token.rotations < least(token));
        neglected
            .map(|(file, token)| {
                format!(
                    "{} was rotated {} times, and not {}",
                    file.display(),
                    token.rotations,
                    least(token)
                )
            })
            .collect()
    }
}

/// What is behind the visible links of every volume.
fn files(pods: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut directories = vec![pods.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("..") {
                continue;
            }
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push(path);
            }
        }
    }
    Ok(files)
}
