//! Which of AKS' own identities are there: what the cluster comes to with each
//! parameter, as a column of the document's table.

use serde_json::Value as Json;

use super::super::Files;
use super::super::deployment::Deployment;
use super::super::outcome::main_parameters;
use super::super::template::{Kind, Template, Value};
use super::DOCUMENT;

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
pub(super) fn here(
    files: &Files,
    templates: &[Template],
) -> Result<Vec<(&'static str, String)>, String> {
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
pub(super) fn with_column(text: &str, cells: &[(&str, String)]) -> (String, Vec<String>) {
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
