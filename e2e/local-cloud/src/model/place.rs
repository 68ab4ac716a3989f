//! Where in a JSON text a value stands, and where in its file each part of an
//! access model does.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Grant, ModelError, ServiceAccount};

/// A line and column, both from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    /// Where `raw`, which was borrowed from `text`, begins.
    pub(super) fn of(text: &str, raw: &RawValue) -> Self {
        let offset = raw.get().as_ptr() as usize - text.as_ptr() as usize;
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: offset - line_start + 1,
        }
    }

    /// Parses the value that stands here; errors name their place in the file.
    pub(super) fn parse<'a, T: Deserialize<'a>>(self, raw: &'a RawValue) -> Result<T, ModelError> {
        serde_json::from_str(raw.get()).map_err(|error| {
            let mut inner = ModelError::from(error);
            if inner.line == 1 {
                inner.column += self.column - 1;
            }
            inner.line += self.line - 1;
            inner
        })
    }
}

/// Where the parts of an access model stand: its file, and lines from 1.
#[derive(Clone, Debug)]
pub struct Places {
    /// The file, as it is shown.
    pub file: String,
    pub(super) identities: BTreeMap<String, usize>,
    pub(super) accounts: BTreeMap<ServiceAccount, usize>,
    pub(super) grants: Vec<(Grant, usize)>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            file: "access.json".to_owned(),
            identities: BTreeMap::new(),
            accounts: BTreeMap::new(),
            grants: Vec::new(),
        }
    }
}

impl Places {
    /// The line on which an identity is declared.
    pub fn identity(&self, name: &str) -> Option<usize> {
        self.identities.get(name).copied()
    }

    /// The line on which a service account is trusted.
    pub fn account(&self, account: &ServiceAccount) -> Option<usize> {
        self.accounts.get(account).copied()
    }

    /// The line on which the file grants this.
    pub fn grant(&self, grant: &Grant) -> Option<usize> {
        let found = self.grants.iter().find(|(written, _)| written == grant);
        found.map(|(_, line)| *line)
    }

    /// The line after which a grant for an identity belongs: its last one, or
    /// else the last of all.
    pub fn last_grant_of(&self, identity: &str) -> Option<usize> {
        let own = |(grant, _): &&(Grant, usize)| grant.identity == identity;
        let last = self.grants.iter().rfind(own);
        last.or_else(|| self.grants.last()).map(|(_, line)| *line)
    }
}
