//! The role assignments of the templates: each at one thing, with a role of
//! `infra/roles.json`. Those of the workload name no role at all: the access model
//! does. Those of the cluster's own identities are in the file's `infrastructure`.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::template::{Declaration, Kind, Template, Value};
use super::{Files, holds, of_templates};

const AZURE: &str = "Microsoft.Authorization/roleAssignments";
const COSMOS: &str = "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments";

/// The narrowest things that Azure has a scope for.
const NARROWEST: [&str; 3] = [
    "Microsoft.KeyVault/vaults/secrets",
    "Microsoft.ServiceBus/namespaces/queues",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
];

/// A role assignment as it is written.
pub(super) struct Assignment<'a> {
    pub(super) place: String,
    pub(super) resource: &'a Declaration,
    pub(super) role: Role<'a>,
    /// The type of what it is for; `None` where that is not said.
    pub(super) at: Option<&'a str>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Role<'a> {
    /// The one of the grant, in a part of the data file.
    Granted(&'a str),
    /// One that stands there, in a part of the data file.
    Named(&'a str, &'a str),
    Unknown(&'a str),
}

impl<'a> Role<'a> {
    /// From an expression such as `roles.infrastructure['Network Contributor'].id`.
    fn of(text: &'a str) -> Self {
        let parts = text.split("roles.").nth(1).and_then(|rest| {
            let (part, role) = rest.split_at(rest.find(['.', '['])?);
            if let Some(named) = role.strip_prefix("['") {
                return Some(Self::Named(part, named.split('\'').next()?));
            }
            if role.starts_with("[one.role]") {
                return Some(Self::Granted(part));
            }
            Some(Self::Named(part, role[1..].split('.').next()?))
        });
        parts.unwrap_or(Self::Unknown(text))
    }
}

pub(super) fn assignments(templates: &[Template]) -> Vec<Assignment<'_>> {
    let mut found = Vec::new();
    for template in templates {
        let resources = template.of_kind(Kind::Resource).filter(|one| !one.existing);
        for resource in resources {
            let text = |path: &str| resource.value.at(path).and_then(Value::text);
            let at = match resource.resource_type() {
                // A text of Cosmos DB's own, not Bicep's.
                COSMOS => text("properties.scope"),
                AZURE => text("scope").and_then(|symbol| {
                    let name = symbol.split('[').next().unwrap_or_default();
                    template
                        .find(Kind::Resource, name)
                        .map(Declaration::resource_type)
                }),
                _ => continue,
            };
            let role = text("properties.roleDefinitionId").unwrap_or_default();
            // The first of two is the one of the data file, the other a custom role.
            found.push(Assignment {
                place: format!("{}:{}", template.file, resource.line),
                resource,
                role: Role::of(role.split(" ? ").last().unwrap_or_default()),
                at,
            });
        }
    }
    found
}

fn mistakes(files: &Files, templates: &[Template]) -> Vec<String> {
    let roles = files.json("infra/roles.json");
    let mut wrong = Vec::new();
    let mut named = BTreeSet::new();
    for Assignment {
        place,
        resource,
        role,
        at,
    } in assignments(templates)
    {
        let Some(at) = at else {
            wrong.push(format!(
                "{place}: it is for everything in the resource group"
            ));
            continue;
        };
        let of_grant = place.contains("/grant-");
        match role {
            Role::Granted(part) if of_grant => {
                let expected = if resource.resource_type() == COSMOS {
                    "cosmos"
                } else {
                    "azure"
                };
                if part != expected {
                    wrong.push(format!(
                        "{place}: roles are those of `{expected}`, not `{part}`"
                    ));
                }
            }
            Role::Named("infrastructure", name) if !of_grant => {
                named.insert(name);
                if roles["infrastructure"].get(name).is_none() {
                    wrong.push(format!("{place}: `{name}` is no role of infra/roles.json"));
                }
            }
            other => wrong.push(format!(
                "{place}: {other:?} is decided by the access model, or not here"
            )),
        }
        if resource.resource_type() == COSMOS {
            if !(at.contains("/dbs/") && at.contains("/colls/")) {
                wrong.push(format!("{place}: it is for more than one container"));
            }
            if !resource.decorators.iter().any(|own| own == "batchSize(1)") {
                wrong.push(format!(
                    "{place}: the account takes one change at a time: @batchSize(1)"
                ));
            }
        } else {
            if of_grant && !NARROWEST.contains(&at) {
                wrong.push(format!("{place}: it is for all of {at}"));
            }
            if resource.value.at("properties.principalType").is_none() {
                wrong.push(format!(
                    "{place}: without principalType a new identity is not found"
                ));
            }
        }
    }
    let listed = roles["infrastructure"].as_object().expect("roles").keys();
    let unused = listed.filter(|name| !named.contains(name.as_str()));
    wrong.extend(unused.map(|name| format!("infra/roles.json: no template assigns `{name}`")));
    wrong
}

/// Ids of roles, which only the data file has.
fn typed_by_hand(files: &Files) -> Vec<String> {
    let mut wrong = Vec::new();
    for (file, text) in files.below("infra/", ".bicep") {
        for (at, line) in text.lines().enumerate() {
            if line
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                .any(is_guid)
            {
                wrong.push(format!("{file}:{}: an id that is typed by hand", at + 1));
            }
        }
    }
    let roles = files.json("infra/roles.json");
    for part in ["azure", "infrastructure"] {
        for (name, role) in roles[part].as_object().expect("roles") {
            if !role["id"].as_str().is_some_and(is_guid) {
                wrong.push(format!("infra/roles.json: `{name}` has no id"));
            }
        }
    }
    for (name, role) in roles["custom"].as_object().expect("roles") {
        if role["actions"] == Json::Array(Vec::new()) || role.get("id").is_some() {
            wrong.push(format!(
                "infra/roles.json: the template makes `{name}`, of its actions"
            ));
        }
    }
    wrong
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

#[test]
fn every_role_assignment_is_for_one_thing_with_a_known_role() {
    holds(
        of_templates(mistakes),
        &[
            // A scope that is wider, and one that is nothing less than the resource group.
            (
                "infra/modules/grant-key-vault.bicep",
                "scope: secrets[i]",
                "scope: vault",
                "all of Microsoft.KeyVault/vaults",
            ),
            (
                "infra/modules/grant-storage.bicep",
                "scope: containers[i]",
                "scope: account",
                "all of Microsoft.Storage/storageAccounts",
            ),
            (
                "infra/modules/grant-service-bus.bicep",
                "  scope: queues[i]\n",
                "",
                "everything in the resource group",
            ),
            (
                "infra/modules/grant-cosmos.bicep",
                "/colls/${split(one.scope, '/')[4]}",
                "",
                "more than one container",
            ),
            // A role that nobody knows, that belongs to the other system, and that is not for a grant to decide.
            (
                "infra/roles.json",
                "\"Managed Identity Operator\"",
                "\"Managed Identity Contributor\"",
                "`Managed Identity Operator` is no role",
            ),
            (
                "infra/modules/grant-cosmos.bicep",
                "roles.cosmos[one.role]",
                "roles.azure[one.role]",
                "those of `cosmos`",
            ),
            (
                "infra/modules/grant-storage.bicep",
                "Definitions', roles.azure[one.role].id)",
                "Definitions', roles.azure['Storage Blob Data Owner'].id)",
                "decided by the access model",
            ),
            (
                "infra/modules/grant-cosmos.bicep",
                "@batchSize(1)\n",
                "",
                "one change at a time",
            ),
            (
                "infra/modules/grant-key-vault.bicep",
                "    principalType: 'ServicePrincipal'\n",
                "",
                "principalType",
            ),
        ],
    );
}

#[test]
fn no_id_is_typed_by_hand() {
    holds(
        typed_by_hand,
        &[
            (
                "infra/modules/cluster-roles.bicep",
                "name: guid(registry.id, kubeletPrincipalId, roles.infrastructure.AcrPull.id)",
                "name: '7f951dda-4ed3-4680-a7ca-43fe172d538d'",
                "an id that is typed by hand",
            ),
            (
                "infra/roles.json",
                "\"7f951dda-4ed3-4680-a7ca-43fe172d538d\"",
                "\"AcrPull\"",
                "`AcrPull` has no id",
            ),
            (
                "infra/roles.json",
                "[\"Microsoft.ServiceBus/namespaces/queues/read\"]",
                "[]",
                "of its actions",
            ),
        ],
    );
}
