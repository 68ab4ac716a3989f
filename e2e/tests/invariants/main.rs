//! What ARCHITECTURE.md promises about the tree itself: who depends on whom, and
//! that manifests, access model and local cloud speak of the same things.

#![cfg(test)]

mod access_paths;
mod bicep;
mod built_once;
mod doctor;
mod documents;
mod explain_command;
mod metrics_table;
mod partitions;
mod secrets;
mod trust;

use std::collections::{BTreeMap, BTreeSet};

use e2e::manifests::{Manifests, default_directory};
use k8s_openapi::api::core::v1::Container;
use serde_json::Value;

const OURS: [&str; 6] = [
    "backend",
    "e2e",
    "frontend",
    "local-cloud",
    "platform",
    "service-bus",
];

/// Which of our crates a crate names in its manifest, for building or testing.
fn depends_on(directory: &str) -> BTreeSet<&'static str> {
    let file = e2e::repository().join(directory).join("Cargo.toml");
    let text = std::fs::read_to_string(&file).expect("a manifest");
    let names = text
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next());
    let names: BTreeSet<&str> = names.collect();
    let own = directory.rsplit('/').next().unwrap_or(directory);
    OURS.into_iter()
        .filter(|name| *name != own && names.contains(name))
        .collect()
}

fn model() -> Value {
    let text = std::fs::read_to_string(e2e::default_model()).expect("infra/access.json");
    serde_json::from_str(&text).expect("JSON")
}

fn manifests() -> Manifests {
    Manifests::load(&default_directory()).expect("k8s/base is valid")
}

fn container(manifests: &Manifests, name: &str) -> Container {
    let pod = manifests.pod(name, name).expect("a pod");
    pod.spec.expect("a spec").containers.remove(0)
}

fn variable(container: &Container, name: &str) -> String {
    let variables = container.env.iter().flatten();
    let found = variables
        .filter(|variable| variable.name == name)
        .find_map(|variable| variable.value.clone());
    found.unwrap_or_else(|| panic!("{name} is not set in {}", container.name))
}

#[test]
fn dependencies_point_one_way() {
    for (directory, expected) in [
        ("e2e/local-cloud", vec![]),
        ("platform/service-bus", vec![]),
        ("platform", vec!["service-bus"]),
        ("backend", vec!["platform", "service-bus"]),
        ("frontend", vec!["platform", "service-bus"]),
    ] {
        let unexpected: Vec<_> = depends_on(directory)
            .into_iter()
            .filter(|name| !expected.contains(name))
            .collect();
        assert!(
            unexpected.is_empty(),
            "{directory} depends on {unexpected:?}"
        );
    }
    let harness = depends_on("e2e");
    assert!(
        harness.contains("local-cloud"),
        "the test reads manifests rightly: {harness:?}"
    );
}

#[test]
fn every_service_account_is_trusted_by_the_identity_that_its_annotation_names() {
    let trusted: BTreeMap<(String, String), String> = model()["identities"]
        .as_object()
        .expect("identities")
        .iter()
        .flat_map(|(identity, trust)| {
            let accounts = trust["serviceAccounts"]
                .as_array()
                .expect("accounts")
                .clone();
            accounts.into_iter().map(move |account| {
                let part = |name: &str| account[name].as_str().expect("text").to_owned();
                ((part("namespace"), part("name")), identity.clone())
            })
        })
        .collect();

    let applied = manifests().service_accounts;
    assert_eq!(applied.len(), trusted.len());
    for account in applied {
        let part = |part: &Option<String>| part.clone().expect("named");
        let key = (
            part(&account.metadata.namespace),
            part(&account.metadata.name),
        );
        let identity = trusted
            .get(&key)
            .unwrap_or_else(|| panic!("nobody trusts {key:?}"));
        let annotations = account.metadata.annotations.expect("annotations");
        let client_id = local_cloud::names::client_id(identity).to_string();
        assert_eq!(
            annotations["azure.workload.identity/client-id"], client_id,
            "{key:?}"
        );
    }
}

#[test]
fn the_calls_of_the_access_model_are_those_that_the_backend_accepts() {
    let manifests = manifests();
    let model = model();
    let calls = model["calls"].as_array().expect("calls");
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    let backend = container(&manifests, call["to"].as_str().expect("a callee"));
    let caller =
        &model["identities"][call["from"].as_str().expect("a caller")]["serviceAccounts"][0];

    assert_eq!(variable(&backend, "CALLER_AUDIENCE"), call["audience"]);
    let part = |name: &str| caller[name].as_str().expect("text");
    let subject = format!(
        "system:serviceaccount:{}:{}",
        part("namespace"),
        part("name")
    );
    assert_eq!(variable(&backend, "CALLER_SUBJECT"), subject);
    let pod = manifests.pod("frontend", "frontend").expect("a pod");
    let projected = serde_json::to_value(pod.spec.expect("a spec").volumes).expect("JSON");
    let audience = &projected[0]["projected"]["sources"][0]["serviceAccountToken"]["audience"];
    assert_eq!(*audience, call["audience"]);
}

#[test]
fn the_estate_names_what_the_access_model_declares() {
    let manifests = manifests();
    let estate = &manifests.config_maps["estate"];
    let model = model();
    let resources = &model["resources"];
    let declared = |pointer: &str, name: &str| {
        let value = resources
            .pointer(pointer)
            .unwrap_or_else(|| panic!("no {pointer}"));
        match value {
            Value::Array(names) => names.iter().any(|own| own == name),
            other => other.get(name).is_some(),
        }
    };
    for (variable, pointer) in [
        ("SESSION_KEY_SECRET", "/vault/secrets"),
        ("SHARE_LINK_KEY_SECRET", "/vault/secrets"),
        ("COSMOS_DATABASE", "/cosmos/databases"),
        (
            "COSMOS_TODOS_CONTAINER",
            "/cosmos/databases/todolist/containers",
        ),
        (
            "COSMOS_ACTIVITY_CONTAINER",
            "/cosmos/databases/todolist/containers",
        ),
        ("ATTACHMENTS_CONTAINER", "/storage/containers"),
        ("TODO_EVENTS_QUEUE", "/bus/queues"),
        ("ATTACHMENT_JOBS_QUEUE", "/bus/queues"),
    ] {
        assert!(
            declared(pointer, &estate[variable]),
            "{variable} is not declared at {pointer}"
        );
    }
    assert_eq!(
        estate["CLUSTER_ISSUER"],
        local_cloud::names::cluster_issuer()
    );
}
