//! What a deployment comes to, with each choice of options: exactly the roles, the
//! trust and the client ids that the access model says.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::deployment::{Deployment, Made, UNIQUE};
use super::model::{OPTIONS, with_options};
use super::template::Template;
use super::{Files, holds, of_templates};

/// How a role or a trust is told that goes to somebody else.
const NOBODY_ELSE: &str = "the model has it less: ";

const AUDIENCE: &str = "api://AzureADTokenExchange";

/// A deployment of `main.bicep`, and the access model with the options that are on.
struct Case<'a> {
    name: String,
    deployment: Deployment<'a>,
    access: Json,
    /// How the file calls the object ID of an identity.
    principal: fn(&str) -> String,
    issuer: String,
    /// The type of what trusts an account.
    trusting: &'static str,
}

fn cases<'a>(files: &'a Files, templates: &'a [Template]) -> Vec<Case<'a>> {
    let mut cases = Vec::new();
    for on in [&OPTIONS[..0], &OPTIONS[..1], &OPTIONS[1..], &OPTIONS[..]] {
        let mut parameters = main_parameters();
        parameters.extend(on.iter().map(|option| (*option, json!(true))));
        cases.push(Case {
            name: format!("main.bicep with {on:?}"),
            deployment: Deployment::new(files, templates, "main.bicep", &parameters),
            access: with_options(files, on),
            principal: |identity| format!("<{}.properties.principalId>", identity_id(identity)),
            issuer: "</Microsoft.ContainerService/managedClusters/aks-unique.properties.oidcIssuerProfile.issuerURL>"
                .to_owned(),
            trusting: "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
        });
    }
    let named = |name: &'static str, value: &str| (name, json!(value));
    let parameters = [
        named("environmentName", "lab"),
        named("issuer", "https://issuer/"),
        named("vaultName", "kv-unique"),
        named("accountName", "cosmos-unique"),
        named("storageName", "stunique"),
        named("namespaceName", "sb-unique"),
    ];
    let file = "registered-application/main.bicep";
    cases.push(Case {
        name: file.to_owned(),
        deployment: Deployment::new(files, templates, file, &parameters),
        access: with_options(files, &[]),
        principal: |identity| {
            format!(
                "/Microsoft.Graph/servicePrincipals/</Microsoft.Graph/applications/todolist-{identity}-lab.appId>"
            )
        },
        issuer: "https://issuer/".to_owned(),
        trusting: "Microsoft.Graph/applications/federatedIdentityCredentials",
    });
    cases
}

/// What has no default.
pub(super) fn main_parameters() -> Vec<(&'static str, Json)> {
    vec![
        ("environmentName", json!("lab")),
        ("location", json!("swedencentral")),
        ("principalId", json!("me")),
    ]
}

fn identity_id(identity: &str) -> String {
    format!("/Microsoft.ManagedIdentity/userAssignedIdentities/id-{identity}-{UNIQUE}")
}

/// Each assignment of a grant: to whom, with which role, at what.
fn roles(files: &Files, case: &Case<'_>, made: &[Made]) -> Vec<String> {
    let known = files.json("infra/roles.json");
    let custom = |role: &str| {
        let definitions = made
            .iter()
            .filter(|one| one.of.ends_with("/roleDefinitions"));
        let mut own = definitions.filter(|one| {
            let name = one.body["properties"]["roleName"].as_str();
            name.is_some_and(|name| name.starts_with(role))
        });
        own.next().map(|one| word(&one.body["name"]))
    };
    let expected = case.access["grants"].as_array().expect("grants").iter();
    let expected = expected.map(|grant| {
        let (role, scope) = (word(&grant["role"]), word(&grant["scope"]));
        let parts: Vec<&str> = scope.split('/').collect();
        let at = match parts[..] {
            ["vault", "secrets", secret] => {
                format!("/Microsoft.KeyVault/vaults/kv-{UNIQUE}/secrets/{secret}")
            }
            ["cosmos", "databases", database, "containers", container] => format!(
                "/Microsoft.DocumentDB/databaseAccounts/cosmos-{UNIQUE}/dbs/{database}/colls/{container}"
            ),
            ["storage", "containers", container] => format!(
                "/Microsoft.Storage/storageAccounts/st{UNIQUE}/blobServices/default/containers/{container}"
            ),
            ["bus", "queues", queue] => {
                format!("/Microsoft.ServiceBus/namespaces/sb-{UNIQUE}/queues/{queue}")
            }
            _ => scope.clone(),
        };
        let role = if let Some(role) = known["cosmos"].get(&role) {
            let account = at.split("/dbs/").next().unwrap_or_default();
            format!("{account}/sqlRoleDefinitions/{}", word(&role["id"]))
        } else {
            let id = known["azure"].get(&role).map(|role| word(&role["id"]));
            let id = id.or_else(|| custom(&role)).unwrap_or(role);
            format!("/Microsoft.Authorization/roleDefinitions/{id}")
        };
        let who = (case.principal)(&word(&grant["identity"]));
        format!("{who} may {role} at {at}")
    });
    let assigned = made.iter().filter(|one| {
        one.holds && one.file.contains("/grant-") && one.of.ends_with("oleAssignments")
    });
    let assigned = assigned.map(|one| {
        let own = &one.body["properties"];
        let at = one.scope.clone().unwrap_or_else(|| word(&own["scope"]));
        format!(
            "{} may {} at {at}",
            word(&own["principalId"]),
            word(&own["roleDefinitionId"])
        )
    });
    differences(&expected.collect::<Vec<_>>(), &assigned.collect::<Vec<_>>())
}

/// Each federated credential: whose, and whom it trusts.
fn trust(case: &Case<'_>, made: &[Made]) -> Vec<String> {
    let of_graph = case.trusting.contains("Graph");
    let mut expected = Vec::new();
    for (name, identity) in case.access["identities"].as_object().expect("identities") {
        let whose = if of_graph {
            format!("todolist-{name}-lab")
        } else {
            identity_id(name)
        };
        let accounts = identity["serviceAccounts"].as_array().into_iter().flatten();
        expected.extend(accounts.map(|account| {
            let subject = format!(
                "system:serviceaccount:{}:{}",
                word(&account["namespace"]),
                word(&account["name"])
            );
            format!(
                "{whose} trusts {subject} of {} for [{AUDIENCE:?}]",
                case.issuer
            )
        }));
        let others = identity
            .get("federatedCredentials")
            .and_then(Json::as_array);
        expected.extend(others.into_iter().flatten().map(|other| {
            format!(
                "{whose} trusts {} of {} for [{}]",
                word(&other["subject"]),
                word(&other["issuer"]),
                other["audience"]
            )
        }));
    }
    let credentials = made.iter().filter(|one| one.of == case.trusting);
    let trusted = credentials.map(|one| {
        let own = if of_graph {
            &one.body
        } else {
            &one.body["properties"]
        };
        // The identity's own id, or the unique name of the application before the slash.
        let whose = if of_graph {
            let name = word(&one.body["name"]);
            let name = name.trim_start_matches("</Microsoft.Graph/applications/");
            name.split(['.', '/']).next().unwrap_or_default().to_owned()
        } else {
            let inner = one.id.split("/federatedIdentityCredentials/").next();
            inner.unwrap_or_default().to_owned()
        };
        format!(
            "{whose} trusts {} of {} for {}",
            word(&own["subject"]),
            word(&own["issuer"]),
            own["audiences"]
        )
    });
    differences(&expected, &trusted.collect::<Vec<_>>())
}

/// Client ids that the overlay gets, each of the identity that it is named after.
fn client_ids(case: &Case<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    for name in case.access["identities"]
        .as_object()
        .expect("identities")
        .keys()
    {
        let output = format!("{}_CLIENT_ID", name.to_uppercase());
        let expected = format!("<{}.properties.clientId>", identity_id(name));
        match case.deployment.output(&output) {
            Ok(found) if found == json!(expected) => {}
            Ok(found) => wrong.push(format!("{output} is {found}, and not that of `{name}`")),
            Err(error) => wrong.push(error),
        }
    }
    wrong
}

/// Two of them for one thing.
fn names(made: &[Made]) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let mut wrong = Vec::new();
    for one in made {
        let place = format!("{} at {:?}", one.id, one.scope);
        if one.holds && seen.insert(place.clone(), &one.file).is_some() {
            wrong.push(format!("{}: {place} is there twice", one.file));
        }
    }
    wrong
}

fn differences(expected: &[String], found: &[String]) -> Vec<String> {
    let count = |list: &[String]| {
        let mut each = BTreeMap::new();
        for one in list {
            *each.entry(one.clone()).or_insert(0) += 1;
        }
        each
    };
    let (expected, found) = (count(expected), count(found));
    let missing = expected
        .keys()
        .filter(|one| !found.contains_key(*one))
        .map(|one| format!("missing: {one}"));
    let more = found
        .iter()
        .filter(|(one, count)| expected.get(*one) != Some(count))
        .map(|(one, count)| format!("{count} times, and the model has it less: {one}"));
    missing.chain(more).collect()
}

fn word(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn mistakes(files: &Files, templates: &[Template]) -> Vec<String> {
    let mut wrong = Vec::new();
    for case in cases(files, templates) {
        let own = match case.deployment.resources() {
            Ok(made) => {
                let mut own = [
                    roles(files, &case, &made),
                    trust(&case, &made),
                    names(&made),
                ]
                .concat();
                if !case.trusting.contains("Graph") {
                    own.extend(client_ids(&case));
                }
                own
            }
            Err(error) => vec![error],
        };
        wrong.extend(own.into_iter().map(|one| format!("{}: {one}", case.name)));
    }
    wrong
}

#[test]
fn a_deployment_gives_exactly_the_roles_of_the_model() {
    holds(
        of_templates(mistakes),
        &[
            // Roles of one identity for another, in main.bicep and where it is assigned.
            (
                "infra/main.bicep",
                "      principalId: workloads[i].outputs.principalId",
                "      principalId: workloads[0].outputs.principalId",
                NOBODY_ELSE,
            ),
            (
                "infra/modules/grant-key-vault.bicep",
                "    principalId: principalIds[one.identity]",
                "    principalId: principalIds['worker']",
                NOBODY_ELSE,
            ),
            (
                "infra/modules/grant-cosmos.bicep",
                "    principalId: principalIds[one.identity]",
                "    principalId: principals[0].principalId",
                NOBODY_ELSE,
            ),
            (
                "infra/modules/grant-storage.bicep",
                "one => one.identity, one => one.principalId",
                "one => one.identity, one => principals[0].principalId",
                NOBODY_ELSE,
            ),
            (
                "infra/modules/grant-service-bus.bicep",
                "    principalId: principalIds[one.identity]",
                "    principalId: principalIds[grants[0].identity]",
                NOBODY_ELSE,
            ),
            (
                "infra/registered-application/main.bicep",
                "principalId: principals[i].id",
                "principalId: principals[0].id",
                NOBODY_ELSE,
            ),
            // At something else.
            (
                "infra/modules/grant-key-vault.bicep",
                "split(one.scope, '/')[2]",
                "split(one.scope, '/')[1]",
                "missing: ",
            ),
            (
                "infra/modules/grant-storage.bicep",
                "split(one.scope, '/')[2]",
                "split(one.scope, '/')[1]",
                "missing: ",
            ),
            (
                "infra/modules/grant-service-bus.bicep",
                "scope: queues[i]",
                "scope: queues[0]",
                NOBODY_ELSE,
            ),
            (
                "infra/modules/grant-cosmos.bicep",
                "split(one.scope, '/')[2]",
                "split(one.scope, '/')[1]",
                "missing: ",
            ),
            // Another role, and a module that gets none.
            (
                "infra/modules/grant-cosmos.bicep",
                "roles.cosmos[one.role].id",
                "roles.cosmos['Cosmos DB Built-in Data Contributor'].id",
                NOBODY_ELSE,
            ),
            (
                "infra/modules/grants.bicep",
                "filter(grants, one => startsWith(one.scope, 'bus/queues/'))",
                "filter([], one => startsWith(one.scope, 'bus/queues/'))",
                "missing: ",
            ),
            (
                "infra/main.bicep",
                "keda ? kedaOption.grants : []",
                "kedaOption.grants",
                "main.bicep with []: ",
            ),
            // One assignment twice.
            (
                "infra/modules/grant-cosmos.bicep",
                "one.role, one.scope)",
                "one.role)",
                "is there twice",
            ),
        ],
    );
}

#[test]
fn a_deployment_trusts_exactly_whom_the_model_names() {
    holds(
        of_templates(mistakes),
        &[
            // Trust in nobody, in somebody else, and in whom the model does not name.
            (
                "infra/main.bicep",
                "    serviceAccounts: identity.value.serviceAccounts\n",
                "    serviceAccounts: []\n",
                "missing: ",
            ),
            (
                "infra/main.bicep",
                "    serviceAccounts: identity.value.serviceAccounts\n",
                "    serviceAccounts: access.identities.frontend.serviceAccounts\n",
                NOBODY_ELSE,
            ),
            (
                "infra/main.bicep",
                "    issuer: cluster.outputs.issuer\n",
                "    issuer: cluster.outputs.name\n",
                NOBODY_ELSE,
            ),
            (
                "infra/main.bicep",
                "any(identity.value).?federatedCredentials ?? []",
                "[{ issuer: 'https://a', subject: 'b', audience: 'c' }]",
                "trusts b of https://a",
            ),
            (
                "infra/registered-application/main.bicep",
                "applications[indexOf(identityNames, trust.identity)]",
                "applications[0]",
                NOBODY_ELSE,
            ),
            // Another's client id for a service account.
            (
                "infra/main.bicep",
                "workloads[indexOf(identityNames, 'worker')]",
                "workloads[indexOf(identityNames, 'backend')]",
                "not that of `worker`",
            ),
        ],
    );
}

/// Names and scopes that Azure would not take, whether a condition holds or not, and
/// what is asked of a module that is not made.
fn unmade(files: &Files, templates: &[Template]) -> Vec<String> {
    let mut wrong = Vec::new();
    let zone = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/dnsZones/example.com";
    let everything = [
        ("profile", json!("production")),
        ("privateEndpoints", json!(true)),
        ("containerInsights", json!(true)),
        ("fqdnPolicies", json!(true)),
        ("keda", json!(true)),
        ("gateway", json!(true)),
        ("dnsZoneId", json!(zone)),
        ("clusterIdentities", json!("preCreatedKubelet")),
    ];
    for choice in [
        &[][..],
        &[("prometheus", json!(false)), ("principalId", json!(""))],
        &[("clusterIdentities", json!("systemAssigned"))],
        &everything,
    ] {
        let parameters = [main_parameters(), choice.to_vec()].concat();
        let deployment = Deployment::new(files, templates, "main.bicep", &parameters);
        let made = deployment.put_out().and_then(|_| deployment.resources());
        let made = made.unwrap_or_else(|error| {
            wrong.push(format!("{choice:?}: {error}"));
            Vec::new()
        });
        for one in made {
            let names = [Some(&one.id), one.scope.as_ref()];
            let mut names = names.into_iter().flatten();
            if names.any(|name| name.ends_with('/') || name.contains("//")) {
                wrong.push(format!(
                    "{}: with {choice:?} a name is empty: {} at {:?}",
                    one.file, one.id, one.scope
                ));
            }
        }
    }
    wrong
}

#[test]
fn no_name_is_empty_and_nothing_is_asked_of_what_is_not_made() {
    holds(
        of_templates(unmade),
        &[
            (
                "infra/modules/cluster-prerequisites.bicep",
                "empty(kubeletIdentityName) ? 'none' : kubeletIdentityName",
                "kubeletIdentityName",
                "cluster-prerequisites.bicep: with [] a name is empty",
            ),
            (
                "infra/main.bicep",
                "objectId: kubelet!.outputs.principalId\n    } : {}",
                "objectId: kubelet!.outputs.principalId\n    } : { objectId: kubelet!.outputs.principalId }",
                "`kubelet` is not made, and something is asked of it",
            ),
            (
                "infra/main.bicep",
                "prometheus ? metrics!.outputs.queryEndpoint : ''",
                "metrics!.outputs.queryEndpoint",
                "`metrics` is not made, and something is asked of it",
            ),
        ],
    );
}
