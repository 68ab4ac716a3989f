//! The table of expected access agrees with the access model, read through a
//! table of roles of the harness' own: not the one that the local cloud uses, so
//! that one misreading cannot hide behind the other.

use std::collections::BTreeMap;

use e2e::expected::{self, Cell, EXPECTED_ACCESS};
use serde_json::Value;

/// What a role lets its holder do, in the words of the matrix, to a resource of
/// its kind.
fn allows(role: &str, action: &str) -> bool {
    let actions: &[&str] = match role {
        "Key Vault Secrets User" => &["get"],
        "Cosmos DB Built-in Data Reader" => &["read", "query"],
        "Cosmos DB Built-in Data Contributor" => &["read", "query", "write", "delete"],
        "Storage Blob Data Contributor" => &["list", "read", "write", "delete", "list-containers"],
        "Azure Service Bus Data Sender" => &["send"],
        "Azure Service Bus Data Receiver" => &["receive"],
        other => panic!(
            "the harness has no row for the role `{other}`: add one, from Azure's documentation"
        ),
    };
    actions.contains(&action)
}

/// The scope in the access model of a resource in the matrix.
fn scope_of(resource: &str) -> String {
    match resource.split_once('/') {
        Some(("cosmos", container)) => format!("cosmos/databases/todolist/containers/{container}"),
        Some(("storage", container)) => format!("storage/containers/{container}"),
        Some(("bus", queue)) => format!("bus/queues/{queue}"),
        _ => resource.to_owned(),
    }
}

/// How a service words its refusal, to a caller who holds these roles there.
fn refusal(resource: &str, action: &str, roles_there: usize) -> String {
    let service = resource.split('/').next().unwrap_or_default();
    match (service, action, roles_there) {
        ("vault", ..) => "403 ForbiddenByRbac",
        ("cosmos", _, 0) => "403/5301",
        ("cosmos", ..) => "403/5302",
        ("storage", ..) => "403 AuthorizationPermissionMismatch",
        ("bus", "send", _) => "amqp:unauthorized-access Send",
        ("bus", ..) => "amqp:unauthorized-access Listen",
        other => panic!("the harness knows no service for {other:?}"),
    }
    .to_owned()
}

fn follows_from(model: &Value, cell: &Cell) -> String {
    let (resource, action) = cell
        .action
        .rsplit_once(' ')
        .expect("a resource and an action");
    let scope = scope_of(resource);
    let grants = model["grants"].as_array().expect("grants");
    let covering: Vec<&str> = grants
        .iter()
        .filter(|grant| grant["identity"] == cell.identity.as_str())
        .filter(|grant| {
            let at = grant["scope"].as_str().expect("a scope");
            scope == at || scope.starts_with(&format!("{at}/"))
        })
        .map(|grant| grant["role"].as_str().expect("a role"))
        .collect();
    if covering.iter().any(|role| allows(role, action)) {
        return "allowed".to_owned();
    }
    refusal(resource, action, covering.len())
}

#[test]
fn the_table_of_expected_access_follows_from_the_access_model() {
    let text = std::fs::read_to_string(e2e::default_model()).expect("infra/access.json");
    let model: Value = serde_json::from_str(&text).expect("JSON");

    let differences: BTreeMap<String, (String, String)> = expected::parse(EXPECTED_ACCESS)
        .expect("a table")
        .into_iter()
        .map(|cell| (cell.clone(), follows_from(&model, &cell)))
        .filter(|(cell, follows)| cell.outcome != *follows)
        .map(|(cell, follows)| {
            (
                format!("{}: {}", cell.identity, cell.action),
                (cell.outcome, follows),
            )
        })
        .collect();

    assert!(
        differences.is_empty(),
        "(in the table, from the model): {differences:#?}"
    );
}

#[test]
fn a_grant_more_or_less_is_seen() {
    let text = std::fs::read_to_string(e2e::default_model()).expect("infra/access.json");
    let mut model: Value = serde_json::from_str(&text).expect("JSON");
    let grants = model["grants"].as_array_mut().expect("grants");
    grants.remove(0);
    grants.push(serde_json::json!({ "identity": "worker", "role": "Key Vault Secrets User", "scope": "vault" }));

    let cells = expected::parse(EXPECTED_ACCESS).expect("a table");
    let differing: Vec<String> = cells
        .into_iter()
        .filter(|cell| cell.outcome != follows_from(&model, cell))
        .map(|cell| format!("{}: {}", cell.identity, cell.action))
        .collect();

    assert_eq!(
        differing,
        [
            "frontend: vault/secrets/session-key get",
            "worker: vault/secrets/session-key get",
            "worker: vault/secrets/share-link-key get",
        ]
    );
}
