//! Whom the templates let each identity trust.

use std::collections::BTreeMap;

use super::model::whole;
use super::template::{Kind, Template};
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
        "modules/workload-identity.bicep",
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
                "infra/modules/workload-identity.bicep",
                "system:serviceaccount:${account.namespace}:${account.name}",
                "system:serviceaccount:todolist:${account.name}",
                "has to be there once",
            ),
            (
                "infra/modules/workload-identity.bicep",
                "api://AzureADTokenExchange",
                "api://AzureADTokenExchnge",
                "has to be there once",
            ),
            (
                "infra/modules/workload-identity.bicep",
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
