//! From a deployment to the overlay: the outputs of `main.bicep`, what the hook
//! writes of them, and the parameters that azd hands in.

use std::collections::BTreeSet;

use super::model::OPTIONS;
use super::template::{Kind, Template};
use super::{Files, holds, of_templates};

/// What azd itself looks for.
const OF_AZD: [&str; 2] = [
    "AZURE_AKS_CLUSTER_NAME",
    "AZURE_CONTAINER_REGISTRY_ENDPOINT",
];

/// What azd knows without being told.
const FILLED_BY_AZD: [&str; 3] = ["AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_PRINCIPAL_ID"];

const HOOK: &str = "infra/hooks/deploy.sh";
const PARAMETERS: &str = "infra/main.parameters.json";

/// The words of a list in the hook: `NAME='A B C'`.
fn list<'a>(hook: &'a str, name: &str) -> BTreeSet<&'a str> {
    let start = format!("\n{name}='");
    let list = hook
        .split_once(&start)
        .and_then(|(_, rest)| rest.split_once('\''));
    let (list, _) = list.unwrap_or_else(|| panic!("{HOOK} has no {name}"));
    list.split_whitespace().collect()
}

fn mistakes(files: &Files, templates: &[Template]) -> Vec<String> {
    let mut wrong = Vec::new();
    let main = templates
        .iter()
        .find(|one| one.file == "main.bicep")
        .expect("main.bicep");
    let outputs: BTreeSet<&str> = main
        .of_kind(Kind::Output)
        .map(|one| one.name.as_str())
        .collect();
    let hook = files.text(HOOK);
    let needed = list(hook, "ALWAYS");
    let optional = list(hook, "WITH_OPTIONS");

    for key in needed.union(&optional).chain(&OF_AZD) {
        if !outputs.contains(key) {
            wrong.push(format!("main.bicep does not put out {key}"));
        }
    }
    // The identities of the model, and the addresses that the base has of the local cloud.
    let access = files.json("infra/access.json");
    let mut wanted: BTreeSet<String> = access["identities"]
        .as_object()
        .expect("identities")
        .keys()
        .map(|name| client_id(name))
        .collect();
    let estate = files
        .text("k8s/base/estate.yaml")
        .lines()
        .filter_map(|line| line.trim().split_once(": "));
    let of_the_place =
        |value: &str| value.contains("local") || value.contains(".test/") || value == "East US";
    wanted.extend(
        estate
            .filter(|(_, value)| of_the_place(value))
            .map(|(name, _)| name.to_owned()),
    );
    for key in &wanted {
        if !needed.contains(key.as_str()) {
            wrong.push(format!("{HOOK} does not write {key}"));
        }
    }
    for option in OPTIONS {
        let model = files.json(&format!("infra/options/{option}.json"));
        for name in model["identities"].as_object().expect("identities").keys() {
            if !optional.contains(client_id(name).as_str()) {
                wrong.push(format!("{HOOK} does not write {}", client_id(name)));
            }
        }
    }
    wrong
}

fn client_id(identity: &str) -> String {
    format!("{}_CLIENT_ID", identity.to_uppercase())
}

/// Parameters, the variables that azd fills them with, and what is told of them.
fn parameters(files: &Files, templates: &[Template]) -> Vec<String> {
    let mut wrong = Vec::new();
    let main = templates
        .iter()
        .find(|one| one.file == "main.bicep")
        .expect("main.bicep");
    let handed = files.json(PARAMETERS);
    let handed = handed["parameters"].as_object().expect("parameters");
    let document = files.text("docs/azure.md");
    for parameter in main.of_kind(Kind::Parameter) {
        if !handed.contains_key(&parameter.name) {
            wrong.push(format!("{PARAMETERS} does not set `{}`", parameter.name));
        }
    }
    for (name, value) in handed {
        let Some(parameter) = main.find(Kind::Parameter, name) else {
            wrong.push(format!("main.bicep has no parameter `{name}`"));
            continue;
        };
        let value = value["value"].as_str().expect("a variable");
        let inner = value
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'));
        let Some(inner) = inner else {
            wrong.push(format!("{PARAMETERS}: `{name}` is no variable"));
            continue;
        };
        let (variable, default) = inner
            .split_once('=')
            .map_or((inner, None), |(own, default)| (own, Some(default)));
        if !FILLED_BY_AZD.contains(&variable) && !document.contains(&format!("`{variable}`")) {
            wrong.push(format!("docs/azure.md does not tell of `{variable}`"));
        }
        let own = match &parameter.value {
            super::template::Value::Text(text) => text.clone(),
            super::template::Value::Bool(value) => value.to_string(),
            _ => continue,
        };
        if default.is_some_and(|default| default != own) {
            wrong.push(format!(
                "{PARAMETERS}: the default of `{name}` is not that of main.bicep, `{own}`"
            ));
        }
    }
    wrong
}

/// What the hook before takes for unchangeable is put out, with the same default.
fn unchangeable(files: &Files, templates: &[Template]) -> Vec<String> {
    let mut wrong = Vec::new();
    let main = templates
        .iter()
        .find(|one| one.file == "main.bicep")
        .expect("main.bicep");
    let handed = files.json(PARAMETERS);
    let hook = files.text("infra/hooks/preflight.sh");
    let lines = hook
        .lines()
        .filter_map(|line| line.strip_prefix("unchanged "));
    for line in lines {
        let variable = line.split(' ').next().unwrap_or_default();
        let handed = handed["parameters"].as_object().expect("parameters");
        let mut handed = handed
            .iter()
            .map(|(name, value)| (name, value["value"].as_str().expect("a variable")));
        let own = handed.find(|(_, value)| value.starts_with(&format!("${{{variable}=")));
        let Some((parameter, value)) = own else {
            wrong.push(format!("{PARAMETERS} knows no {variable}"));
            continue;
        };
        let output = main.find(Kind::Output, &format!("DEPLOYED_{variable}"));
        if output.and_then(|one| one.value.text()) != Some(parameter) {
            wrong.push(format!("main.bicep does not put out DEPLOYED_{variable}"));
        }
        let asked = value.replacen('=', ":-", 1);
        if line != format!("{variable} \"{asked}\" \"${{DEPLOYED_{variable}:-}}\"") {
            wrong.push(format!("preflight.sh: {variable} has another default"));
        }
    }
    wrong
}

#[test]
fn what_cannot_be_changed_is_put_out() {
    holds(
        of_templates(unchangeable),
        &[
            (
                "infra/main.bicep",
                "output DEPLOYED_PROFILE string = profile",
                "output DEPLOYED_PROFILE string = environmentName",
                "does not put out DEPLOYED_PROFILE",
            ),
            (
                "infra/main.bicep",
                "output DEPLOYED_NODE_SIZE",
                "output NODES",
                "does not put out DEPLOYED_NODE_SIZE",
            ),
            (
                PARAMETERS,
                "${NODE_SIZE=Standard_D2ds_v5}",
                "${NODE_SIZE=Standard_D4ds_v5}",
                "NODE_SIZE has another default",
            ),
            (
                PARAMETERS,
                "${PRIVATE_ENDPOINTS=false}",
                "${PRIVATE=false}",
                "knows no PRIVATE_ENDPOINTS",
            ),
        ],
    );
}

/// The hooks that azure.yaml names are there, and what they say stays on the screen.
fn hooks(files: &Files) -> Vec<String> {
    let named = files
        .text("azure.yaml")
        .lines()
        .filter_map(|line| line.trim().strip_prefix("run: "));
    let named: Vec<_> = named.map(|path| path.trim_start_matches("./")).collect();
    let missing = named.iter().filter(|path| !files.0.contains_key(**path));
    let mut wrong: Vec<_> = missing
        .map(|path| format!("azure.yaml runs {path}, which is not there"))
        .collect();
    let blocks = files.text("azure.yaml").split("    run: ").skip(1);
    for block in blocks {
        let mut lines = block.lines();
        let path = lines.next().unwrap_or_default();
        let own = lines.take_while(|line| line.starts_with("    "));
        if !own.into_iter().any(|line| line == "    interactive: true") {
            wrong.push(format!(
                "azure.yaml: azd clears what {path} says: interactive"
            ));
        }
    }
    for (file, _) in files.below("infra/hooks/", ".sh") {
        if !named.contains(&file) {
            wrong.push(format!("nothing runs {file}"));
        }
    }
    wrong
}

#[test]
fn whatever_the_overlay_needs_comes_out_of_the_deployment() {
    holds(
        of_templates(mistakes),
        &[
            (
                "infra/main.bicep",
                "output WORKER_CLIENT_ID",
                "output WORKERS_CLIENT_ID",
                "does not put out WORKER_CLIENT_ID",
            ),
            (
                "infra/main.bicep",
                "output AZURE_AKS_CLUSTER_NAME",
                "output CLUSTER_NAME",
                "does not put out AZURE_AKS_CLUSTER_NAME",
            ),
            (HOOK, " COSMOS_REGION ", " ", "does not write COSMOS_REGION"),
            (
                HOOK,
                "SCALER_CLIENT_ID ",
                "",
                "does not write SCALER_CLIENT_ID",
            ),
            (
                "infra/access.json",
                "\"worker\": {",
                "\"auditor\": { \"serviceAccounts\": [] },\n    \"worker\": {",
                "does not write AUDITOR_CLIENT_ID",
            ),
        ],
    );
}

#[test]
fn every_parameter_is_handed_in_and_told_of() {
    holds(
        of_templates(parameters),
        &[
            (
                "infra/main.bicep",
                "param keda bool",
                "param scaling bool",
                "has no parameter `keda`",
            ),
            (
                PARAMETERS,
                "    \"gateway\": { \"value\": \"${GATEWAY=false}\" },\n",
                "",
                "does not set `gateway`",
            ),
            (
                PARAMETERS,
                "${KEDA=false}",
                "${KEDA=true}",
                "is not that of main.bicep",
            ),
            (
                PARAMETERS,
                "${PROFILE=workshop}",
                "${SIZE=workshop}",
                "does not tell of `SIZE`",
            ),
            (
                "docs/azure.md",
                "| `AZURE_PRINCIPAL_TYPE` |",
                "| |",
                "does not tell of `AZURE_PRINCIPAL_TYPE`",
            ),
        ],
    );
}

/// By what the devcontainer gets each tool that the hook before wants.
const IN_THE_DEVCONTAINER: [(&str, &str); 5] = [
    ("az", "/devcontainers/features/azure-cli:"),
    ("azd", "/azure-dev/azd:"),
    ("kubectl", "sudo az aks install-cli"),
    ("kubelogin", "sudo az aks install-cli"),
    ("docker", "/devcontainers/features/docker-in-docker:"),
];

fn devcontainer(files: &Files) -> Vec<String> {
    let hook = files.text("infra/hooks/preflight.sh");
    let tools = hook
        .lines()
        .find_map(|line| line.strip_prefix("for tool in ")?.strip_suffix("; do"));
    let tools = tools.unwrap_or_default().split(' ').chain(["docker"]);
    let container = files.text(".devcontainer/devcontainer.json");
    let missing = tools.filter(|tool| {
        let mut known = IN_THE_DEVCONTAINER.iter().filter(|(own, _)| own == tool);
        !known.any(|(_, by)| container.contains(by))
    });
    missing
        .map(|tool| format!("the devcontainer has no `{tool}`"))
        .collect()
}

#[test]
fn the_devcontainer_has_what_the_hooks_want() {
    holds(
        devcontainer,
        &[
            (
                ".devcontainer/devcontainer.json",
                " && sudo az aks install-cli",
                "",
                "has no `kubelogin`",
            ),
            (
                "infra/hooks/preflight.sh",
                "for tool in az azd",
                "for tool in helm az azd",
                "has no `helm`",
            ),
        ],
    );
}

#[test]
fn every_hook_is_there_and_is_run() {
    holds(
        hooks,
        &[
            (
                "azure.yaml",
                "hooks/preflight.sh",
                "hooks/before.sh",
                "which is not there",
            ),
            (
                "azure.yaml",
                "deploy.sh\n    interactive: true\n",
                "deploy.sh\n",
                "clears what ./infra/hooks/deploy.sh says",
            ),
            (
                "azure.yaml",
                "preflight.sh\n    interactive: true\n",
                "preflight.sh\n    interactive: false\n",
                "clears what ./infra/hooks/preflight.sh says",
            ),
        ],
    );
    let files = Files::read();
    let unnamed = hooks(&files.with("azure.yaml", "hooks/preflight.sh", "hooks/deploy.sh"));
    assert!(
        unnamed.contains(&"nothing runs infra/hooks/preflight.sh".to_owned()),
        "{unnamed:?}"
    );
}
