//! What a role allows, as far as one role is compared with another. The gate of
//! the local cloud has its own reading of the same data.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    azure: BTreeMap<String, Role>,
    cosmos: BTreeMap<String, Role>,
    /// Roles of Azure's system that the templates define.
    #[serde(default)]
    custom: BTreeMap<String, Role>,
}

/// Actions and data actions together: no action is of both kinds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Role {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    data_actions: Vec<String>,
    #[serde(default)]
    not_actions: Vec<String>,
    #[serde(default)]
    not_data_actions: Vec<String>,
}

pub(crate) struct Roles(File);

impl Roles {
    pub(crate) fn built_in() -> Result<Self> {
        let file = serde_json::from_str(include_str!("../../../infra/roles.json"));
        let mut file: File = file.context("infra/roles.json is not valid")?;
        file.azure.append(&mut file.custom);
        Ok(Self(file))
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Role> {
        self.0.azure.get(name).or_else(|| self.0.cosmos.get(name))
    }

    /// The Cosmos DB role whose definition has this id.
    pub(crate) fn cosmos(&self, id: &str) -> Option<&str> {
        let mut roles = self.0.cosmos.iter();
        roles
            .find(|(_, role)| {
                let own = role.id.as_deref();
                own.is_some_and(|own| own.eq_ignore_ascii_case(id))
            })
            .map(|(name, _)| name.as_str())
    }

    /// The roles of the same system that allow less than `name`, and allow all of
    /// `actions` that `name` allows.
    pub(crate) fn narrower(&self, name: &str, actions: &[&str]) -> Vec<&str> {
        let (system, role) = match (self.0.azure.get(name), self.0.cosmos.get(name)) {
            (Some(role), _) => (&self.0.azure, role),
            (None, Some(role)) => (&self.0.cosmos, role),
            (None, None) => return Vec::new(),
        };
        let narrower = system.iter().filter(|(_, other)| {
            other.is_within(role)
                && !role.is_within(other)
                && actions
                    .iter()
                    .all(|action| !role.allows(action) || other.allows(action))
        });
        narrower.map(|(name, _)| name.as_str()).collect()
    }
}

impl Role {
    pub(crate) fn allows(&self, action: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| covers(pattern, action));
        (any(&self.actions) && !any(&self.not_actions))
            || (any(&self.data_actions) && !any(&self.not_data_actions))
    }

    /// Whether every pattern of this role lies within one of the other's. A role
    /// that excludes something is taken as if it excluded nothing.
    fn is_within(&self, other: &Self) -> bool {
        let within = |own: &[String], others: &[String]| {
            own.iter()
                .all(|pattern| others.iter().any(|other| covers(other, pattern)))
        };
        within(&self.actions, &other.actions) && within(&self.data_actions, &other.data_actions)
    }
}

/// Whether a pattern, in which `*` stands for any run, takes in an action or
/// another pattern. Case does not matter.
fn covers(pattern: &str, text: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let text = text.to_ascii_lowercase();
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut left) = text.strip_prefix(start) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_in_actions_and_narrower_patterns() {
        for (pattern, text, expected) in [
            ("*", "a/b", true),
            ("a/*/c", "A/b/x/c", true),
            ("a/*/c", "a/c", false),
            ("a/*", "a/b/*", true),
            ("a/b/*", "a/*", false),
            ("a/*b*/c", "a/xbx/c", true),
            ("a/b", "a/b/c", false),
        ] {
            assert_eq!(covers(pattern, text), expected, "{pattern} and {text}");
        }
    }

    #[test]
    fn a_narrower_role_allows_less_and_all_that_is_needed() {
        let roles = Roles::built_in().expect("valid");
        let get = "Microsoft.KeyVault/vaults/secrets/getSecret/action";
        let set = "Microsoft.KeyVault/vaults/secrets/setSecret/action";
        let write = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write";

        let officer = "Key Vault Secrets Officer";
        assert_eq!(roles.narrower(officer, &[get]), ["Key Vault Secrets User"]);
        assert!(roles.narrower(officer, &[get, set]).is_empty());
        assert!(roles.narrower("Key Vault Secrets User", &[get]).is_empty());
        assert!(
            roles
                .narrower("Storage Blob Data Contributor", &[write])
                .is_empty()
        );
    }
}
