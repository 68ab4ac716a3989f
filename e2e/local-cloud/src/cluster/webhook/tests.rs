//! What the webhook does to a pod, and what it refuses.

use k8s_openapi::api::core::v1::{Container, EnvVar};
use serde_json::{Value, json};

use super::*;

const V1_5: WebhookVersion = WebhookVersion::V1_5;
const V1_6: WebhookVersion = WebhookVersion::V1_6;

fn pod(annotations: &Value, spec: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": "p", "labels": { annotations::USE: "true" }, "annotations": annotations,
        },
        "spec": spec,
    }))
    .expect("a pod")
}

fn with_env(env: &Value) -> Pod {
    pod(
        &json!({}),
        &json!({ "containers": [{ "name": "c", "env": env }] }),
    )
}

fn annotated(annotations: &Value) -> Pod {
    pod(annotations, &json!({ "containers": [{ "name": "c" }] }))
}

fn account(annotations: &Value) -> ServiceAccount {
    serde_json::from_value(json!({ "metadata": { "name": "a", "annotations": annotations } }))
        .expect("an account")
}

fn mutated(mut pod: Pod, annotations: &Value, version: WebhookVersion) -> Pod {
    mutate(&mut pod, &account(annotations), version).expect("admitted");
    pod
}

/// The webhook's own words.
fn refused(mut pod: Pod, annotations: &Value) -> String {
    let denial = mutate(&mut pod, &account(annotations), V1_6).expect_err("refused");
    assert_eq!(denial.code, 400);
    let start = "admission webhook \"mutation.azure-workload-identity.io\" denied the request: ";
    let why = denial.message.strip_prefix(start);
    why.unwrap_or_else(|| panic!("{denial}")).to_owned()
}

fn container(pod: &Pod) -> &Container {
    &pod.spec.as_ref().expect("a spec").containers[0]
}

fn variable<'p>(pod: &'p Pod, name: &str) -> Option<&'p EnvVar> {
    let mut env = container(pod).env.iter().flatten();
    env.find(|variable| variable.name == name)
}

fn env<'p>(pod: &'p Pod, name: &str) -> Option<&'p str> {
    variable(pod, name)?.value.as_deref()
}

/// Each volume's name, and the path and lifetime of the token in it.
fn tokens(pod: &Pod) -> Vec<(&str, &str, i64)> {
    let volumes = pod.spec.as_ref().expect("a spec").volumes.iter().flatten();
    volumes
        .map(|volume| {
            let projected = volume.projected.as_ref().expect("projected");
            let source = &projected.sources.as_ref().expect("sources")[0];
            let token = source.service_account_token.as_ref().expect("a token");
            let seconds = token.expiration_seconds.expect("a lifetime");
            (&*volume.name, &*token.path, seconds)
        })
        .collect()
}

fn mounts(container: &Container) -> Vec<(&str, &str)> {
    let mounts = container.volume_mounts.iter().flatten();
    mounts
        .map(|mount| (&*mount.name, &*mount.mount_path))
        .collect()
}

#[test]
fn a_labelled_pod_gets_four_variables_and_the_token_volume() {
    let pod = mutated(
        with_env(&json!([])),
        &json!({ annotations::CLIENT_ID: "the-client" }),
        V1_6,
    );

    assert_eq!(env(&pod, "AZURE_CLIENT_ID"), Some("the-client"));
    let tenant = names::tenant_id().to_string();
    assert_eq!(env(&pod, "AZURE_TENANT_ID"), Some(&*tenant));
    assert_eq!(
        env(&pod, "AZURE_FEDERATED_TOKEN_FILE"),
        Some("/var/run/secrets/azure/wi/token/azure-identity-token")
    );
    assert_eq!(
        env(&pod, "AZURE_AUTHORITY_HOST"),
        Some("https://login.microsoftonline.com/")
    );
    let volume = "azure-workload-identity-reserved-148de9c5a7a44d19e56cd9ae1a554b";
    assert_eq!(tokens(&pod), [(volume, "token/azure-identity-token", 3600)]);
    assert_eq!(
        mounts(container(&pod)),
        [(volume, "/var/run/secrets/azure/wi")]
    );
}

#[test]
fn before_v1_6_the_token_was_elsewhere() {
    let pod = mutated(with_env(&json!([])), &json!({}), V1_5);

    assert_eq!(
        env(&pod, "AZURE_FEDERATED_TOKEN_FILE"),
        Some("/var/run/secrets/azure/tokens/azure-identity-token")
    );
    assert_eq!(
        tokens(&pod),
        [("azure-identity-token", "azure-identity-token", 3600)]
    );
    assert_eq!(
        mounts(container(&pod)),
        [("azure-identity-token", "/var/run/secrets/azure/tokens")]
    );
}

#[test]
fn a_pod_without_the_exact_label_is_left_alone() {
    for label in ["True", "false", "1", "true ", ""] {
        let mut pod = with_env(&json!([]));
        let labels = pod.metadata.labels.get_or_insert_default();
        labels.insert(annotations::USE.to_owned(), label.to_owned());
        let before = pod.clone();
        let pod = mutated(pod, &json!({ annotations::CLIENT_ID: "the-client" }), V1_6);
        assert_eq!(pod, before, "{label:?}");
    }
}

#[test]
fn a_label_of_the_service_account_counts_for_nothing() {
    let mut pod = with_env(&json!([]));
    pod.metadata.labels = None;
    let before = pod.clone();
    let mut account = account(&json!({ annotations::CLIENT_ID: "the-client" }));
    let labels = account.metadata.labels.get_or_insert_default();
    labels.insert(annotations::USE.to_owned(), "true".to_owned());

    mutate(&mut pod, &account, V1_6).expect("admitted");

    assert_eq!(pod, before);
}

#[test]
fn a_variable_that_is_set_is_never_overridden() {
    let from = json!({ "configMapKeyRef": { "name": "m", "key": "k" } });
    let pod = mutated(
        with_env(&json!([
            { "name": "AZURE_CLIENT_ID", "value": "mine" },
            { "name": "AZURE_TENANT_ID", "valueFrom": from },
            { "name": "AZURE_AUTHORITY_HOST" },
        ])),
        &json!({ annotations::CLIENT_ID: "the-client" }),
        V1_6,
    );

    assert_eq!(env(&pod, "AZURE_CLIENT_ID"), Some("mine"));
    let tenant = variable(&pod, "AZURE_TENANT_ID").expect("set");
    assert!(tenant.value.is_none() && tenant.value_from.is_some());
    assert_eq!(env(&pod, "AZURE_AUTHORITY_HOST"), None, "set to nothing");
    assert_eq!(container(&pod).env.iter().flatten().count(), 4);
}

#[test]
fn without_the_client_id_annotation_the_variable_is_absent() {
    for annotations in [json!({}), json!({ annotations::CLIENT_ID: "" })] {
        let pod = mutated(with_env(&json!([])), &annotations, V1_6);
        assert_eq!(variable(&pod, "AZURE_CLIENT_ID"), None);
        assert!(variable(&pod, "AZURE_FEDERATED_TOKEN_FILE").is_some());
    }
}

#[test]
fn the_accounts_tenant_beats_the_webhooks_and_an_empty_one_is_not_set() {
    let tenant = |text: &str| json!({ annotations::TENANT_ID: text });
    let pod = mutated(with_env(&json!([])), &tenant("theirs"), V1_6);
    assert_eq!(env(&pod, "AZURE_TENANT_ID"), Some("theirs"));
    let pod = mutated(with_env(&json!([])), &tenant(""), V1_6);
    assert_eq!(variable(&pod, "AZURE_TENANT_ID"), None);
}

#[test]
fn the_pods_expiration_beats_the_accounts() {
    let seconds = |text: &str| json!({ annotations::EXPIRATION: text });
    for (pod, account, expected) in [
        (json!({}), seconds("86400"), 86400),
        (seconds("7200"), seconds("86400"), 7200),
        (seconds(""), seconds("4000"), 4000),
        (seconds("3600"), seconds("no number"), 3600),
    ] {
        let pod = mutated(annotated(&pod), &account, V1_6);
        assert_eq!(tokens(&pod)[0].2, expected);
    }
}

#[test]
fn an_expiration_out_of_bounds_is_not_admitted() {
    for text in ["3599", "86401", "-3600", "0"] {
        let refusal = refused(
            annotated(&json!({ annotations::EXPIRATION: text })),
            &json!({}),
        );
        assert_eq!(
            refusal,
            format!(
                "token expiration {text} not valid. Expected value to be between 3600 and 86400"
            )
        );
    }
}

#[test]
fn an_expiration_that_is_no_whole_number_is_not_admitted() {
    for (text, what) in [
        ("an hour", "invalid syntax"),
        ("3600.0", "invalid syntax"),
        (" 3600", "invalid syntax"),
        ("99999999999999999999", "value out of range"),
    ] {
        let annotation = json!({ annotations::EXPIRATION: text });
        let expected = format!("strconv.ParseInt: parsing {text:?}: {what}");
        assert_eq!(refused(annotated(&annotation), &json!({})), expected);
        assert_eq!(refused(annotated(&json!({})), &annotation), expected);
    }
}

#[test]
fn a_container_that_is_skipped_gets_nothing() {
    let containers = json!([{ "name": "a" }, { "name": "b" }, { "name": "c" }]);
    let spec =
        json!({ "containers": containers, "initContainers": [{ "name": "i" }, { "name": "j" }] });
    let skip = json!({ annotations::SKIP_CONTAINERS: "a; c ;i" });

    let pod = mutated(pod(&skip, &spec), &json!({}), V1_6);

    let mut spec = pod.spec.expect("a spec");
    let (skipped, mutated): (Vec<_>, Vec<_>) =
        containers_of(&mut spec).partition(|container| container.env.is_none());
    let names = |containers: Vec<Container>| {
        let names = containers.into_iter().map(|container| container.name);
        names.collect::<Vec<_>>()
    };
    assert!(skipped.iter().all(|own| own.volume_mounts.is_none()));
    assert_eq!(names(skipped), ["i", "a", "c"]);
    assert_eq!(names(mutated), ["j", "b"]);
    assert_eq!(spec.volumes.expect("the volume is there").len(), 1);
}

fn containers_of(
    spec: &mut k8s_openapi::api::core::v1::PodSpec,
) -> impl Iterator<Item = Container> {
    containers(spec).map(|container| container.clone())
}

#[test]
fn ephemeral_containers_are_left_alone() {
    let ephemeral = json!([{ "name": "e" }]);
    let spec = json!({ "containers": [{ "name": "c" }], "ephemeralContainers": ephemeral });

    let pod = mutated(pod(&json!({}), &spec), &json!({}), V1_6);

    let after = pod.spec.expect("a spec").ephemeral_containers;
    assert_eq!(serde_json::to_value(after).expect("JSON"), ephemeral);
}

#[test]
fn before_v1_6_a_pod_that_projects_the_token_itself_keeps_its_volume() {
    let own =
        json!({ "audience": "mine", "path": "azure-identity-token", "expirationSeconds": 7200 });
    let spec = json!({
        "containers": [{ "name": "c" }],
        "volumes": [{ "name": "mine", "projected": { "sources": [{ "serviceAccountToken": own }] } }],
    });

    let old = mutated(pod(&json!({}), &spec), &json!({}), V1_5);
    assert_eq!(tokens(&old), [("mine", "azure-identity-token", 7200)]);
    // The API server then refuses the pod: there is no volume of this name.
    assert_eq!(mounts(container(&old))[0].0, "azure-identity-token");

    let new = mutated(pod(&json!({}), &spec), &json!({}), V1_6);
    assert_eq!(tokens(&new).len(), 2);
}

#[test]
fn what_has_the_webhooks_name_is_kept_before_v1_6_and_replaced_from_then_on() {
    for (version, name) in [
        (V1_5, "azure-identity-token"),
        (
            V1_6,
            "azure-workload-identity-reserved-148de9c5a7a44d19e56cd9ae1a554b",
        ),
    ] {
        let own = json!({ "path": "azure-identity-token", "expirationSeconds": 600 });
        let spec = json!({
            "containers": [{ "name": "c", "volumeMounts": [{ "name": name, "mountPath": "/mine" }] }],
            "volumes": [{ "name": name, "projected": { "sources": [{ "serviceAccountToken": own }] } }],
        });
        let pod = mutated(pod(&json!({}), &spec), &json!({}), version);
        let (mounts, tokens) = (mounts(container(&pod)), tokens(&pod));
        if version == V1_5 {
            assert_eq!(mounts, [(name, "/mine")]);
            assert_eq!(tokens, [(name, "azure-identity-token", 600)]);
        } else {
            assert_eq!(mounts, [(name, "/var/run/secrets/azure/wi")]);
            assert_eq!(tokens, [(name, "token/azure-identity-token", 3600)]);
        }
    }
}

#[test]
fn a_pod_that_has_only_a_prefix_has_the_volume_of_the_prefix() {
    let mut pod = with_env(&json!([]));
    pod.metadata.name = None;
    pod.metadata.generate_name = Some("backend-".to_owned());

    let pod = mutated(pod, &json!({}), V1_6);

    // The first 30 hex digits of SHA-256 over `backend- (prefix)`.
    let volume = "azure-workload-identity-reserved-dbcc37c075b42ed441ba9e4381278e";
    assert_eq!(tokens(&pod)[0].0, volume);
}

#[test]
fn the_proxy_is_added_where_its_annotation_is_there_whatever_it_says() {
    for value in ["true", "false"] {
        let asked = json!({ annotations::INJECT_PROXY: value, annotations::PROXY_PORT: "9999" });

        let pod = mutated(
            annotated(&asked),
            &json!({ annotations::CLIENT_ID: "c" }),
            V1_6,
        );

        let spec = pod.spec.expect("a spec");
        let first = spec.init_containers.expect("init containers");
        let names: Vec<_> = first.iter().map(|own| own.name.as_str()).collect();
        assert_eq!(names, ["azwi-proxy", "azwi-proxy-init"]);
        assert_eq!(first[0].restart_policy.as_deref(), Some("Always"));
        assert_eq!(
            first[0].args.as_ref().expect("args")[0],
            "--proxy-port=9999"
        );
        let has_client = |own: &Container| {
            let mut env = own.env.iter().flatten();
            env.any(|variable| variable.name == "AZURE_CLIENT_ID")
        };
        assert!(first.iter().all(has_client), "they are mutated too");
    }
    let port_alone = annotated(&json!({ annotations::PROXY_PORT: "no port" }));
    let pod = mutated(port_alone, &json!({}), V1_6);
    assert_eq!(pod.spec.expect("a spec").init_containers, None);
}

#[test]
fn a_proxy_on_the_nodes_network_or_at_no_port_is_not_admitted() {
    let asked = json!({ annotations::INJECT_PROXY: "" });
    let on_host = pod(&asked, &json!({ "containers": [], "hostNetwork": true }));
    assert_eq!(
        refused(on_host, &json!({})),
        "hostNetwork is set to true, cannot inject proxy sidecar"
    );
    for (port, what) in [
        ("eight", "invalid syntax"),
        ("2147483648", "value out of range"),
    ] {
        let asked = json!({ annotations::INJECT_PROXY: "", annotations::PROXY_PORT: port });
        assert_eq!(
            refused(annotated(&asked), &json!({})),
            format!(
                "failed to parse proxy sidecar port: strconv.ParseInt: parsing {port:?}: {what}"
            )
        );
    }
}

#[test]
fn an_identity_binding_is_refused_by_name() {
    let name = "azure.workload.identity/use-identity-binding";
    let mut pod = annotated(&json!({ name: "true" }));

    let denial = mutate(&mut pod, &account(&json!({})), V1_6).expect_err("not played");

    assert_eq!(denial.code, 501);
    assert_eq!(
        denial.message,
        format!("the local cloud does not implement the annotation {name}")
    );
}
