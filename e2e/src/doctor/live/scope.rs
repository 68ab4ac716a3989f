//! A logical scope as Azure's resource id.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

/// A scope of Azure.
pub(super) struct Scope {
    id: String,
    /// The Cosmos DB account, whose role assignments are its own.
    pub(super) cosmos_account: Option<String>,
}

/// The scope that a logical one stands for, in a resource group.
pub(super) fn azure(
    logical: &str,
    types: &BTreeMap<String, String>,
    names: &BTreeMap<String, String>,
    group: &str,
) -> Result<Scope> {
    let mut parts = logical.split('/');
    let resource = parts.next().unwrap_or_default();
    let path: Vec<&str> = parts.collect();
    let name = names.get(resource).with_context(|| {
        format!("the environment's file does not name the resource `{resource}`")
    })?;
    let kind = types.get(resource).map(String::as_str).unwrap_or_default();
    let (provider, below) = match (kind, &path[..]) {
        ("keyVault" | "storage" | "serviceBus" | "cosmos", []) => (provider(kind), String::new()),
        ("keyVault", ["secrets", secret]) => (provider(kind), format!("/secrets/{secret}")),
        ("storage", ["containers", container]) => (
            provider(kind),
            format!("/blobServices/default/containers/{container}"),
        ),
        ("serviceBus", ["queues", queue]) => (provider(kind), format!("/queues/{queue}")),
        ("cosmos", ["databases", database]) => (provider(kind), format!("/dbs/{database}")),
        ("cosmos", ["databases", database, "containers", container]) => {
            (provider(kind), format!("/dbs/{database}/colls/{container}"))
        }
        _ => bail!("`{logical}` is no scope that the doctor knows on Azure"),
    };
    Ok(Scope {
        id: format!("{group}/providers/{provider}/{name}{below}"),
        cosmos_account: (kind == "cosmos").then(|| name.clone()),
    })
}

fn provider(kind: &str) -> &'static str {
    match kind {
        "keyVault" => "Microsoft.KeyVault/vaults",
        "storage" => "Microsoft.Storage/storageAccounts",
        "serviceBus" => "Microsoft.ServiceBus/namespaces",
        _ => "Microsoft.DocumentDB/databaseAccounts",
    }
}

impl Scope {
    /// Whether this is the scope of an assignment, or lies below it. Resource ids
    /// are compared without regard to case.
    pub(super) fn is_within(&self, assigned: &str) -> bool {
        let (own, assigned) = (self.id.to_ascii_lowercase(), assigned.to_ascii_lowercase());
        let below = own.strip_prefix(assigned.trim_end_matches('/'));
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }

    /// Whether this is the scope of an assignment, and not one above it.
    pub(super) fn is(&self, assigned: &str) -> bool {
        self.id.eq_ignore_ascii_case(assigned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(logical: &str) -> Result<Scope> {
        let map = |pairs: [(&str, &str); 2]| {
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            BTreeMap::from(pairs)
        };
        let types = map([("vault", "keyVault"), ("cosmos", "cosmos")]);
        azure(
            logical,
            &types,
            &map([("vault", "kv"), ("cosmos", "db")]),
            "/subscriptions/s/resourceGroups/g",
        )
    }

    #[test]
    fn an_assignment_holds_at_its_scope_and_below_whatever_the_case() {
        let secret = scope("vault/secrets/a").expect("a scope");
        let vault = "/subscriptions/s/resourcegroups/G/providers/Microsoft.KeyVault/vaults/kv";
        for (assigned, expected) in [
            (format!("{vault}/secrets/a"), true),
            (vault.to_owned(), true),
            ("/subscriptions/s".to_owned(), true),
            ("/".to_owned(), true),
            (format!("{vault}/secrets/ab"), false),
            (format!("{vault}/secrets"), true),
            (format!("{vault}2"), false),
            (vault.trim_end_matches('v').to_owned(), false),
        ] {
            assert_eq!(secret.is_within(&assigned), expected, "{assigned}");
        }
    }

    #[test]
    fn a_container_of_cosmos_db_is_a_place_in_the_account() {
        let scope = scope("cosmos/databases/d/containers/c").expect("a scope");
        assert_eq!(scope.cosmos_account.as_deref(), Some("db"));
        assert!(
            scope
                .id
                .ends_with("/Microsoft.DocumentDB/databaseAccounts/db/dbs/d/colls/c")
        );
    }

    #[test]
    fn what_is_no_scope_is_an_error() {
        assert!(scope("bus/queues/q").is_err());
        assert!(scope("vault/keys/k").is_err());
    }
}
