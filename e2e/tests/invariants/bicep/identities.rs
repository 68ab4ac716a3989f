//! What the templates decide of `docs/identities.md`: whom they make, and what each
//! may do. Made from the templates and the access model, between two marks; and of
//! the table of AKS' own identities which are there, by what the cluster comes to.

mod aks;

use std::fmt::Write as _;
use std::fs;

use platform::settings::Vars;
use serde_json::Value as Json;

use super::grants::{Assignment, Role, assignments};
use super::model::OPTIONS;
use super::template::{Kind, Template, Value};
use super::{Files, holds, of_templates};

const DOCUMENT: &str = "docs/identities.md";
const START: &str = "<!-- made by the templates: UPDATE_DOCS=1 cargo test -p e2e --test invariants bicep::identities -->\n";
const END: &str = "<!-- end -->";

fn made(files: &Files, templates: &[Template]) -> String {
    let main = templates
        .iter()
        .find(|one| one.file == "main.bicep")
        .expect("main.bicep");
    let mut text = "\n### Made by the templates\n\n| identity | trusts | made | by default |\n|---|---|---|---|\n".to_owned();
    // Those of the access model come from a loop, with names that are put together.
    let own = main.of_kind(Kind::Module).filter(|one| {
        one.of.ends_with("/managed-identity.bicep")
            && matches!(one.value.get("name"), Some(Value::Text(_)))
    });
    for module in own {
        let condition = module.condition.as_deref().unwrap_or("true");
        let (said, holds) = told(main, condition);
        let name = module
            .value
            .get("name")
            .and_then(Value::text)
            .unwrap_or_default();
        let name = name.trim_start_matches("identity-").replace('-', " ");
        let default = if holds { "yes" } else { "no" };
        put(
            &mut text,
            &format!(
                "| {name} | nobody: Azure gives it to the cluster | if `{said}` | {default} |"
            ),
        );
    }
    for (model, option) in models(files) {
        for (name, identity) in model["identities"].as_object().expect("identities") {
            let accounts = identity["serviceAccounts"]
                .as_array()
                .expect("accounts")
                .iter();
            let accounts =
                accounts.map(|one| format!("`{}/{}`", word(&one["namespace"]), word(&one["name"])));
            let accounts: Vec<_> = accounts.collect();
            let (when, default) = when(main, option);
            put(
                &mut text,
                &format!(
                    "| `{name}` | {} | {when} | {default} |",
                    accounts.join(", ")
                ),
            );
        }
    }
    text.push_str("\n### Roles of the access model\n\n| identity | role | at | made | by default |\n|---|---|---|---|---|\n");
    for (model, option) in models(files) {
        for grant in model["grants"].as_array().expect("grants") {
            let (when, default) = when(main, option);
            let (identity, role, scope) = (
                word(&grant["identity"]),
                word(&grant["role"]),
                word(&grant["scope"]),
            );
            put(
                &mut text,
                &format!("| `{identity}` | {role} | `{scope}` | {when} | {default} |"),
            );
        }
    }
    text.push_str("\n### Roles of the cluster's own identities\n\n| who, and what for | role | at | if | in |\n|---|---|---|---|---|\n");
    for Assignment {
        place,
        resource,
        role,
        at,
    } in assignments(templates)
    {
        let Role::Named(_, role) = role else { continue };
        let what = resource
            .value
            .at("properties.description")
            .and_then(Value::text)
            .unwrap_or_default();
        let at = at.unwrap_or_default();
        let condition = resource
            .condition
            .as_deref()
            .map(|own| format!("`{}`", bare(own)));
        let condition = condition.unwrap_or_default();
        let file = place.split(':').next().unwrap_or_default();
        put(
            &mut text,
            &format!("| {what} | {role} | `{at}` | {condition} | `infra/{file}` |"),
        );
    }
    text.push('\n');
    text
}

/// The access model, and each option with its name.
fn models(files: &Files) -> Vec<(Json, Option<&'static str>)> {
    let mut models = vec![(files.json("infra/access.json"), None)];
    models.extend(OPTIONS.map(|option| {
        (
            files.json(&format!("infra/options/{option}.json")),
            Some(option),
        )
    }));
    models
}

fn when(main: &Template, option: Option<&str>) -> (String, &'static str) {
    let Some(option) = option else {
        return ("always".to_owned(), "yes");
    };
    let (said, holds) = told(main, option);
    (format!("if `{said}`"), if holds { "yes" } else { "no" })
}

/// A condition in terms of parameters, and whether it holds with their defaults.
fn told(main: &Template, condition: &str) -> (String, bool) {
    let condition = bare(condition);
    if let Some(variable) = main.find(Kind::Variable, condition) {
        return told(main, variable.value.text().unwrap_or_default());
    }
    let default = |name: &str| {
        main.find(Kind::Parameter, name)
            .map(|one| one.value.clone())
    };
    for (operator, equal) in [(" == ", true), (" != ", false)] {
        if let Some((name, word)) = condition.split_once(operator) {
            let Some(Value::Text(text)) = default(name) else {
                break;
            };
            return (
                condition.to_owned(),
                (text == word.trim_matches('\'')) == equal,
            );
        }
    }
    match default(condition) {
        Some(Value::Bool(value)) => (condition.to_owned(), value),
        _ => panic!("`{condition}` is no parameter and no comparison of one"),
    }
}

fn bare(condition: &str) -> &str {
    let inner = condition
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    inner.unwrap_or(condition)
}

fn word(value: &Json) -> &str {
    value.as_str().expect("text")
}

fn put(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes text");
}

/// The document as it has to be, and what is wrong with it besides.
fn current(files: &Files, templates: &[Template]) -> Result<(String, Vec<String>), String> {
    let cells = aks::here(files, templates)?;
    let text = files.text(DOCUMENT);
    let (before, rest) = text.split_once(START).expect("the first mark");
    let (_, after) = rest.split_once(END).expect("the second mark");
    let text = format!("{before}{START}{}{END}{after}", made(files, templates));
    Ok(aks::with_column(&text, &cells))
}

fn stale(files: &Files, templates: &[Template]) -> Vec<String> {
    let (current, mut wrong) = match current(files, templates) {
        Ok(current) => current,
        Err(error) => return vec![error],
    };
    let differ = files
        .text(DOCUMENT)
        .lines()
        .zip(current.lines())
        .find(|(own, made)| own != made);
    if files.text(DOCUMENT) != current {
        let (is, ought) = differ.unwrap_or(("the end", "more"));
        wrong.push(format!(
            "{DOCUMENT} is not what the templates say: `{is}`, and it ought to be `{ought}`; UPDATE_DOCS=1 makes it anew"
        ));
    }
    wrong
}

#[test]
fn the_document_says_what_the_templates_make() {
    if Vars::from_process().get("UPDATE_DOCS").is_some() {
        let files = Files::read();
        let templates = files.templates().expect("Bicep");
        let path = e2e::repository().join(DOCUMENT);
        let (text, _) = current(&files, &templates).expect("it comes to something");
        fs::write(path, text).expect("it is written");
    }
    holds(
        of_templates(stale),
        &[
            (
                "infra/main.bicep",
                "param keda bool = false",
                "param keda bool = true",
                "is not what the templates say",
            ),
            (
                "infra/main.bicep",
                "param clusterIdentities string = 'userAssigned'",
                "param clusterIdentities string = 'systemAssigned'",
                "is not what",
            ),
            (
                "infra/main.bicep",
                "param prometheus bool = true",
                "param prometheus bool = false",
                "managed Prometheus | metrics of the pods | none to assign: the rule names the account | option: `PROMETHEUS=true` |",
            ),
            (
                "infra/main.bicep",
                "param containerInsights bool = false",
                "param containerInsights bool = true",
                "deployed; off: `CONTAINER_INSIGHTS=false`",
            ),
            (
                "infra/main.bicep",
                "azurePolicy: production",
                "azurePolicy: true",
                "Azure Policy | | none | deployed |",
            ),
            (
                "infra/modules/cluster.bicep",
                "networkPolicy: 'cilium'",
                "networkPolicy: 'calico'",
                "Calico | | none | deployed |",
            ),
            (
                DOCUMENT,
                "| cost analysis |",
                "| cost |",
                "nothing says whether `cost` is there",
            ),
            (
                DOCUMENT,
                "| wants the Standard tier | Azure |",
                "| wants the Standard tier | |",
                "where is `cost analysis` tested?",
            ),
            (
                "infra/access.json",
                "\"worker\", \"role\": \"Azure Service Bus Data Receiver\", \"scope\": \"bus/queues/todo-events\"",
                "\"worker\", \"role\": \"Azure Service Bus Data Owner\", \"scope\": \"bus/queues/todo-events\"",
                "is not what",
            ),
            (
                "infra/modules/cluster-prerequisites.bicep",
                "nodes and load balancers in the subnet",
                "nodes",
                "is not what",
            ),
        ],
    );
}
