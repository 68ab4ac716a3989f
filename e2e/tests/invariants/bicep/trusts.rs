//! Whom the templates let each identity trust.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::model::whole;
use super::template::{Kind, Template, children};
use super::{Files, holds, of_templates};

/// Whom identities trust: one subject each, exactly, one credential after another.
fn trust(files: &Files, templates: &[Template]) -> Vec<String> {
    let mut wrong = Vec::new();
    let subject = "'system:serviceaccount:${account.namespace}:${account.name}'";
    let credentials: BTreeMap<_, _> = templates
        .iter()
        .flat_map(|template| {
            template
                .of_kind(Kind::Resource)
                .map(move |one| (template.file.as_str(), one))
        })
        .filter(|(_, one)| one.of.contains("federatedIdentityCredentials@"))
        .collect();
    for file in [
        "modules/federated-credentials.bicep",
        "registered-application/main.bicep",
    ] {
        let Some(credential) = credentials.get(file) else {
            wrong.push(format!("{file} trusts nobody"));
            continue;
        };
        if !credential
            .decorators
            .iter()
            .any(|own| own == "batchSize(1)")
        {
            wrong.push(format!(
                "{file}: Entra ID takes one change of an identity at a time: @batchSize(1)"
            ));
        }
        let text = files
            .text(&format!("infra/{file}"))
            .replace("trust.account.", "account.");
        for needed in [subject, "'api://AzureADTokenExchange'"] {
            if text.matches(needed).count() != 1 {
                wrong.push(format!("{file}: {needed} has to be there once"));
            }
        }
    }
    let main = files.text("infra/main.bicep");
    if !main.contains("issuer: cluster.outputs.issuer\n") {
        wrong.push("main.bicep: the trusted issuer is not the cluster's".to_owned());
    }
    for (name, identity) in whole(files)["identities"].as_object().expect("identities") {
        if identity
            .get("type")
            .is_some_and(|kind| kind != "userAssigned")
            || identity.get("serviceAccounts").is_none()
        {
            wrong.push(format!("main.bicep makes no identity such as `{name}`"));
        }
    }
    wrong
}

#[test]
fn each_identity_trusts_exactly_whom_the_model_names() {
    holds(
        of_templates(trust),
        &[
            (
                "infra/modules/federated-credentials.bicep",
                "system:serviceaccount:${account.namespace}:${account.name}",
                "system:serviceaccount:todolist:${account.name}",
                "has to be there once",
            ),
            (
                "infra/modules/federated-credentials.bicep",
                "api://AzureADTokenExchange",
                "api://AzureADTokenExchnge",
                "has to be there once",
            ),
            (
                "infra/modules/federated-credentials.bicep",
                "@batchSize(1)\n",
                "",
                "one change of an identity at a time",
            ),
            (
                "infra/main.bicep",
                "issuer: cluster.outputs.issuer\n",
                "issuer: issuer\n",
                "is not the cluster's",
            ),
            (
                "infra/access.json",
                "\"worker\": { \"serviceAccounts\"",
                "\"worker\": { \"type\": \"application\", \"serviceAccounts\"",
                "no identity such as `worker`",
            ),
        ],
    );
}

/// The names that a statement is made of, and theirs in turn.
fn needs<'a>(template: &'a Template, name: &str, found: &mut BTreeSet<&'a str>) {
    let mut statements = template.statements();
    let own = |node: &Node<'_>| children(*node).next().map(|one| template.said(one));
    let Some(statement) = statements.find(|node| own(node) == Some(name)) else {
        return;
    };
    let mut left: Vec<_> = children(statement).skip(1).collect();
    while let Some(node) = left.pop() {
        let inner = children(node);
        // A member's own name is none of the template's.
        left.extend(inner.skip(usize::from(node.kind() == "object_property")));
        let said = template.said(node);
        if node.kind() == "identifier" && found.insert(said) {
            needs(template, said, found);
        }
    }
}

/// What has to be there before roles are given: identities, so that all of Azure has
/// heard of them by then, and not the cluster, which takes longest.
fn order(templates: &[Template]) -> Vec<String> {
    let main = templates
        .iter()
        .find(|one| one.file == "main.bicep")
        .expect("main.bicep");
    let mut wrong = Vec::new();
    for (name, waits, for_nothing) in [
        (
            "roles",
            &[
                "workloads",
                "vault",
                "cosmos",
                "databases",
                "storage",
                "bus",
            ][..],
            &["cluster", "trusts"][..],
        ),
        (
            "workloads",
            &[],
            &["cluster", "cosmos", "vault", "bus", "storage"],
        ),
        ("trusts", &["workloads", "cluster"], &["roles"]),
    ] {
        let mut found = BTreeSet::new();
        needs(main, name, &mut found);
        let missing = waits.iter().filter(|one| !found.contains(**one));
        wrong.extend(missing.map(|one| format!("`{name}` does not wait for `{one}`")));
        let needless = for_nothing.iter().filter(|one| found.contains(**one));
        wrong.extend(needless.map(|one| format!("`{name}` waits for `{one}`")));
    }
    wrong
}

#[test]
fn roles_are_given_before_the_cluster_is_there() {
    holds(
        of_templates(|_, templates| order(templates)),
        &[
            (
                "infra/main.bicep",
                "    principals: [for (name, i) in identityNames: {\n",
                "    issuer: cluster.outputs.issuer\n    principals: [for (name, i) in identityNames: {\n",
                "`roles` waits for `cluster`",
            ),
            (
                "infra/main.bicep",
                "    name: 'id-${identity.key}-${token}'\n    location: location\n    tags: tags\n",
                "    name: 'id-${identity.key}-${token}'\n    location: location\n    tags: { issuer: cluster.outputs.issuer }\n",
                "`workloads` waits for `cluster`",
            ),
            (
                "infra/main.bicep",
                "  dependsOn: [databases]\n",
                "",
                "`roles` does not wait for `databases`",
            ),
            (
                "infra/main.bicep",
                "identityName: workloads[i].outputs.name",
                "identityName: 'id-${identity.key}-${token}'",
                "`trusts` does not wait for `workloads`",
            ),
        ],
    );
}
