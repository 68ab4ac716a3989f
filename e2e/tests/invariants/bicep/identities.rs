//! What the templates decide of `docs/identities.md`: whom they make, and what each
//! may do. Made from the templates and the access model, between two marks; and of
//! the table of AKS' own identities which are there, by what the cluster comes to.

use std::fmt::Write as _;
use std::fs;

use platform::settings::Vars;
use serde_json::Value as Json;

use super::deployment::Deployment;
use super::grants::{Assignment, Role, assignments};
use super::model::OPTIONS;
use super::outcome::main_parameters;
use super::template::{Kind, Template, Value};
use super::{Files, holds, of_templates};

const DOCUMENT: &str = "docs/identities.md";
const START: &str = "<!-- made by the templates: UPDATE_DOCS=1 cargo test -p e2e --test invariants bicep::identities -->\n";
const END: &str = "<!-- end -->";

const PARAMETERS: &str = "infra/main.parameters.json";

/// A place in the cluster's body, and what stands there where an identity is in use.
type Use = (&'static str, &'static str, fn(&Json) -> bool);

/// The rows of the table of AKS' own identities: by which members of the cluster each
/// is in use, with a word where there are several. Without any it is never.
const OF_AKS: [(&str, &[Use]); 14] = [
    (
        "control plane",
        &[
            (", user-assigned", "/identity/type", |own| {
                own == "UserAssigned"
            }),
            (", system-assigned", "/identity/type", |own| {
                own == "SystemAssigned"
            }),
        ],
    ),
    (
        "kubelet",
        &[
            (
                ", made by AKS",
                "/properties/identityProfile",
                Json::is_null,
            ),
            (
                ", pre-created",
                "/properties/identityProfile",
                Json::is_object,
            ),
        ],
    ),
    (
        "Azure network policy manager (NPM)",
        &[("", "/properties/networkProfile/networkPolicy", |own| {
            own == "azure"
        })],
    ),
    ("Azure CNI network monitoring", &[]),
    (
        "Azure Policy",
        &[("", "/properties/addonProfiles/azurepolicy/enabled", yes)],
    ),
    (
        "Calico",
        &[("", "/properties/networkProfile/networkPolicy", |own| {
            own == "calico"
        })],
    ),
    (
        "application routing",
        &[("", "/properties/ingressProfile/webAppRouting/enabled", yes)],
    ),
    (
        "ingress with Application Gateway",
        &[(
            "",
            "/properties/addonProfiles/ingressApplicationGateway/enabled",
            yes,
        )],
    ),
    (
        "Container Insights (OMS agent)",
        &[("", "/properties/addonProfiles/omsagent/enabled", yes)],
    ),
    (
        "virtual node (ACI connector)",
        &[(
            "",
            "/properties/addonProfiles/aciConnectorLinux/enabled",
            yes,
        )],
    ),
    (
        "cost analysis",
        &[("", "/properties/metricsProfile/costAnalysis/enabled", yes)],
    ),
    (
        "workload identity",
        &[(
            "",
            "/properties/securityProfile/workloadIdentity/enabled",
            yes,
        )],
    ),
    (
        "KEDA",
        &[(
            "",
            "/properties/workloadAutoScalerProfile/keda/enabled",
            yes,
        )],
    ),
    (
        "managed Prometheus",
        &[("", "/properties/azureMonitorProfile/metrics/enabled", yes)],
    ),
];

fn yes(value: &Json) -> bool {
    value == true
}

/// The cluster that `main.bicep` comes to with a parameter beside the defaults.
fn cluster(
    files: &Files,
    templates: &[Template],
    choice: Option<(&str, Json)>,
) -> Result<Json, String> {
    let parameters: Vec<_> = main_parameters().into_iter().chain(choice).collect();
    let made = Deployment::new(files, templates, "main.bicep", &parameters).resources()?;
    let mut clusters = made
        .into_iter()
        .filter(|one| one.of == "Microsoft.ContainerService/managedClusters");
    clusters
        .next()
        .map(|one| one.body)
        .ok_or_else(|| "there is no cluster".to_owned())
}

/// Each other value that a parameter may have, as azd is told it, with the cluster.
fn choices(files: &Files, templates: &[Template]) -> Result<Vec<(String, Json)>, String> {
    let main = templates
        .iter()
        .find(|one| one.file == "main.bicep")
        .expect("main.bicep");
    let handed = files.json(PARAMETERS);
    let mut choices = Vec::new();
    for parameter in main.of_kind(Kind::Parameter) {
        let name = parameter.name.as_str();
        let variable = handed["parameters"][name]["value"]
            .as_str()
            .unwrap_or_default();
        let variable = variable.trim_start_matches("${").split(['=', '}']).next();
        let allowed = parameter.decorators.iter().find_map(|own| {
            let list = own.strip_prefix("allowed([")?;
            list.strip_suffix("])")
        });
        let others: Vec<Json> = match &parameter.value {
            Value::Bool(default) => vec![Json::Bool(!default)],
            Value::Text(default) => allowed
                .into_iter()
                .flat_map(|list| list.split(','))
                .map(|word| word.trim().trim_matches('\''))
                .filter(|word| word != default)
                .map(Json::from)
                .collect(),
            _ => Vec::new(),
        };
        for other in others {
            let said = other
                .as_str()
                .map_or_else(|| other.to_string(), str::to_owned);
            let said = format!("`{}={said}`", variable.unwrap_or_default());
            choices.push((said, cluster(files, templates, Some((name, other)))?));
        }
    }
    Ok(choices)
}

/// What the column says of each row.
fn here(files: &Files, templates: &[Template]) -> Result<Vec<(&'static str, String)>, String> {
    let default = cluster(files, templates, None)?;
    let choices = choices(files, templates)?;
    let mut cells = Vec::new();
    for (row, uses) in OF_AKS {
        let mut said = Vec::new();
        for (word, place, in_use) in uses {
            let is = |cluster: &Json| in_use(cluster.pointer(place).unwrap_or(&Json::Null));
            let other = choices.iter().filter(|(_, own)| is(own) != is(&default));
            let other: Vec<_> = other.map(|(said, _)| said.as_str()).collect();
            let other = other.join(", ");
            match (is(&default), other.is_empty()) {
                (true, false) if uses.len() == 1 => said.push(format!("deployed; off: {other}")),
                (true, _) => said.push(format!("deployed{word}")),
                (false, false) => said.push(format!("option{word}: {other}")),
                (false, true) => {}
            }
        }
        let said = match said.join("; ") {
            none if none.is_empty() => "described".to_owned(),
            said => said,
        };
        cells.push((row, said));
    }
    Ok(cells)
}

/// The document with the column as it has to be, and rows that are missing or more.
fn with_column(text: &str, cells: &[(&str, String)]) -> (String, Vec<String>) {
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    let mut left: Vec<&str> = cells.iter().map(|(row, _)| *row).collect();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with('#') || line.starts_with("<!--") {
            inside = line == "## Identities that AKS has";
        }
        let row = line.trim_start_matches("| ").split(" |").next();
        let row = row.unwrap_or_default();
        let is_row = inside && line.starts_with("| ") && row != "identity";
        let cell = cells.iter().find(|(own, _)| *own == row);
        match cell {
            Some((_, cell)) if is_row => {
                let mut parts: Vec<String> = line.split('|').map(str::to_owned).collect();
                parts[4] = format!(" {cell} ");
                left.retain(|own| *own != row);
                if parts[6].trim().is_empty() {
                    wrong.push(format!("{DOCUMENT}: where is `{row}` tested?"));
                }
                lines.push(parts.join("|"));
            }
            None if is_row => {
                wrong.push(format!("{DOCUMENT}: nothing says whether `{row}` is there"));
                lines.push(line.to_owned());
            }
            _ => lines.push(line.to_owned()),
        }
    }
    wrong.extend(
        left.iter()
            .map(|row| format!("{DOCUMENT} has no row `{row}`")),
    );
    (lines.join("\n") + "\n", wrong)
}

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
    let cells = here(files, templates)?;
    let text = files.text(DOCUMENT);
    let (before, rest) = text.split_once(START).expect("the first mark");
    let (_, after) = rest.split_once(END).expect("the second mark");
    let text = format!("{before}{START}{}{END}{after}", made(files, templates));
    Ok(with_column(&text, &cells))
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
