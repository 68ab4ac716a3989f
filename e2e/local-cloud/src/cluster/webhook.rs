//! The workload-identity webhook: what it changes about a pod when the pod is
//! created. After Azure/azure-workload-identity v1.6.0, `pkg/webhook`.

use k8s_openapi::api::core::v1::{
    Container, Pod, ProjectedVolumeSource, ServiceAccount, ServiceAccountTokenProjection, Volume,
    VolumeMount, VolumeProjection,
};

use crate::entra::EXCHANGE_AUDIENCE;
use crate::names;

/// The label, on the pod, that makes the API server call the webhook.
const USE_LABEL: &str = "azure.workload.identity/use";
const CLIENT_ID: &str = "azure.workload.identity/client-id";
const TENANT_ID: &str = "azure.workload.identity/tenant-id";
/// What the webhook knows on a pod beside the expiration: refused by name, as
/// long as it is not played, rather than passed over.
const NOT_PLAYED: [&str; 3] = [
    "azure.workload.identity/skip-containers",
    "azure.workload.identity/inject-proxy-sidecar",
    "azure.workload.identity/proxy-sidecar-port",
];
const EXPIRATION: &str = "azure.workload.identity/service-account-token-expiration";

/// Where the token is mounted, and its path in the volume. Version 1.6.0 changed
/// both; programs read `AZURE_FEDERATED_TOKEN_FILE`.
const MOUNT: &str = "/var/run/secrets/azure/wi";
const TOKEN_PATH: &str = "token/azure-identity-token";

/// Changes the pod as the webhook would, or says why it is not admitted. A pod
/// without the label is left as it is.
pub(crate) fn mutate(pod: &mut Pod, account: &ServiceAccount) -> Result<(), String> {
    let labels = pod.metadata.labels.as_ref();
    if labels
        .and_then(|labels| labels.get(USE_LABEL))
        .map(String::as_str)
        != Some("true")
    {
        return Ok(());
    }
    if let Some(name) = NOT_PLAYED
        .into_iter()
        .find(|name| annotation(&pod.metadata, name).is_some())
    {
        return Err(format!(
            "the local cloud does not implement the annotation {name}"
        ));
    }
    let lifetime = token_lifetime(pod, account)?;
    let name = volume_name(pod);
    let environment = environment(account);
    let Some(spec) = pod.spec.as_mut() else {
        return Err("the pod has no spec".to_owned());
    };
    let containers = spec
        .init_containers
        .iter_mut()
        .flatten()
        .chain(&mut spec.containers);
    for container in containers {
        inject(container, &environment, &name);
    }
    let volumes = spec.volumes.get_or_insert_default();
    volumes.retain(|volume| volume.name != name);
    volumes.push(token_volume(name, lifetime));
    Ok(())
}

fn annotation<'a>(
    metadata: &'a k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    name: &str,
) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

/// The pod's annotation beats the service account's; 3600 seconds otherwise.
fn token_lifetime(pod: &Pod, account: &ServiceAccount) -> Result<i64, String> {
    let own = annotation(&pod.metadata, EXPIRATION);
    let Some(text) = own.or_else(|| annotation(&account.metadata, EXPIRATION)) else {
        return Ok(3600);
    };
    let refusal = || {
        format!("token expiration {text} not valid. Expected value to be between 3600 and 86400")
    };
    let seconds: i64 = text.parse().map_err(|_| refusal())?;
    if (3600..=86400).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(refusal())
    }
}

fn volume_name(pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
    let mut first = [0; 16];
    first.copy_from_slice(&digest.as_ref()[..16]);
    let hex = format!("{:032x}", u128::from_be_bytes(first));
    format!("azure-workload-identity-reserved-{}", &hex[..30])
}

fn environment(account: &ServiceAccount) -> Vec<(String, String)> {
    let client = annotation(&account.metadata, CLIENT_ID)
        .unwrap_or_default()
        .to_owned();
    let tenant = annotation(&account.metadata, TENANT_ID).map(str::to_owned);
    let variables = [
        ("AZURE_CLIENT_ID", client),
        (
            "AZURE_TENANT_ID",
            tenant.unwrap_or_else(|| names::tenant_id().to_string()),
        ),
        (
            "AZURE_FEDERATED_TOKEN_FILE",
            format!("{MOUNT}/{TOKEN_PATH}"),
        ),
        (
            "AZURE_AUTHORITY_HOST",
            format!("https://{}/", names::LOGIN_HOST),
        ),
    ];
    variables
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
}

fn inject(container: &mut Container, environment: &[(String, String)], volume: &str) {
    super::add_missing(container, environment);
    let mounts = container.volume_mounts.get_or_insert_default();
    mounts.retain(|mount| mount.name != volume);
    mounts.push(VolumeMount {
        name: volume.to_owned(),
        mount_path: MOUNT.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    });
}

fn token_volume(name: String, lifetime: i64) -> Volume {
    let token = ServiceAccountTokenProjection {
        audience: Some(EXCHANGE_AUDIENCE.to_owned()),
        expiration_seconds: Some(lifetime),
        path: TOKEN_PATH.to_owned(),
    };
    Volume {
        name,
        projected: Some(ProjectedVolumeSource {
            sources: Some(vec![VolumeProjection {
                service_account_token: Some(token),
                ..VolumeProjection::default()
            }]),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(label: &str, annotations: &Value, env: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": "p", "labels": { USE_LABEL: label }, "annotations": annotations },
            "spec": { "containers": [{ "name": "c", "env": env }] },
        }))
        .expect("a pod")
    }

    fn account(annotations: &Value) -> ServiceAccount {
        serde_json::from_value(json!({ "metadata": { "name": "a", "annotations": annotations } }))
            .expect("an account")
    }

    fn env(pod: &Pod, name: &str) -> Option<String> {
        let container = &pod.spec.as_ref().expect("a spec").containers[0];
        let found = container
            .env
            .iter()
            .flatten()
            .find(|variable| variable.name == name)?;
        found.value.clone()
    }

    #[test]
    fn a_labelled_pod_gets_four_variables_and_the_token_volume() {
        let mut pod = pod("true", &json!({}), &json!([]));

        mutate(&mut pod, &account(&json!({ CLIENT_ID: "the-client" }))).expect("admitted");

        assert_eq!(env(&pod, "AZURE_CLIENT_ID").as_deref(), Some("the-client"));
        assert_eq!(
            env(&pod, "AZURE_TENANT_ID"),
            Some(names::tenant_id().to_string())
        );
        assert_eq!(
            env(&pod, "AZURE_FEDERATED_TOKEN_FILE").as_deref(),
            Some("/var/run/secrets/azure/wi/token/azure-identity-token")
        );
        assert_eq!(
            env(&pod, "AZURE_AUTHORITY_HOST").as_deref(),
            Some("https://login.microsoftonline.com/")
        );
        let volume = &pod.spec.expect("a spec").volumes.expect("volumes")[0];
        assert_eq!(
            volume.name,
            "azure-workload-identity-reserved-148de9c5a7a44d19e56cd9ae1a554b"
        );
    }

    #[test]
    fn a_pod_without_the_exact_label_is_left_alone() {
        for label in ["True", "false", "1"] {
            let mut pod = pod(label, &json!({}), &json!([]));
            let before = pod.clone();
            mutate(&mut pod, &account(&json!({ CLIENT_ID: "the-client" }))).expect("admitted");
            assert_eq!(pod, before, "{label}");
        }
    }

    #[test]
    fn a_variable_that_is_set_is_never_overridden() {
        let mut pod = pod(
            "true",
            &json!({}),
            &json!([{ "name": "AZURE_CLIENT_ID", "value": "mine" }]),
        );

        mutate(&mut pod, &account(&json!({ CLIENT_ID: "the-client" }))).expect("admitted");

        assert_eq!(env(&pod, "AZURE_CLIENT_ID").as_deref(), Some("mine"));
    }

    #[test]
    fn without_the_client_id_annotation_the_variable_is_absent() {
        let mut pod = pod("true", &json!({}), &json!([]));

        mutate(&mut pod, &account(&json!({}))).expect("admitted");

        assert_eq!(env(&pod, "AZURE_CLIENT_ID"), None);
    }

    #[test]
    fn an_annotation_that_is_not_played_is_refused_by_name() {
        for name in NOT_PLAYED {
            let mut pod = pod("true", &json!({ name: "x" }), &json!([]));
            let refusal = mutate(&mut pod, &account(&json!({}))).expect_err(name);
            assert_eq!(
                refusal,
                format!("the local cloud does not implement the annotation {name}")
            );
        }
    }

    #[test]
    fn a_token_lifetime_out_of_bounds_is_not_admitted() {
        for text in ["3599", "86401", "an hour"] {
            let mut pod = pod("true", &json!({ EXPIRATION: text }), &json!([]));
            let refusal = mutate(&mut pod, &account(&json!({}))).expect_err(text);
            assert_eq!(
                refusal,
                format!(
                    "token expiration {text} not valid. Expected value to be between 3600 and 86400"
                )
            );
        }
    }
}
