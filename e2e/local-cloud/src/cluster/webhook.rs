//! The workload-identity webhook: what it changes about a pod when the pod is
//! created. After Azure/azure-workload-identity, `pkg/webhook/webhook.go`, of
//! v1.6.0 and of v1.5.1, which differ in where the token is.

use k8s_openapi::api::core::v1::{Container, Pod, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::admission::Denial;
use crate::names;

mod annotations;
mod layout;
mod proxy;

pub use layout::WebhookVersion;

use layout::Layout;

/// Changes the pod as the webhook would, or says why it is not admitted. A pod
/// without the label is left as it is: the API server does not call the webhook.
pub(crate) fn mutate(
    pod: &mut Pod,
    account: &ServiceAccount,
    version: WebhookVersion,
) -> Result<(), Denial> {
    if !is_selected(&pod.metadata) {
        return Ok(());
    }
    if let Some(name) = annotations::identity_binding(&pod.metadata) {
        return Err(Denial::not_played(&format!("the annotation {name}")));
    }
    proxy::inject(pod, version)?;
    let lifetime = annotations::token_lifetime(&pod.metadata, &account.metadata)
        .map_err(|why| Denial::by_webhook(&why))?;
    let layout = Layout::of(version, &pod.metadata);
    let environment = environment(account, &layout);
    let skipped = annotations::skipped_containers(&pod.metadata);
    let Some(spec) = pod.spec.as_mut() else {
        return Ok(());
    };
    let containers = containers(spec).filter(|container| !skipped.contains(&container.name));
    for container in containers {
        super::add_missing(container, &environment);
        layout.mount(container.volume_mounts.get_or_insert_default());
    }
    layout.add_volume(spec.volumes.get_or_insert_default(), lifetime);
    Ok(())
}

/// The selector of the webhook's configuration: this label of the pod, exactly.
fn is_selected(pod: &ObjectMeta) -> bool {
    let label = pod
        .labels
        .as_ref()
        .and_then(|labels| labels.get(annotations::USE));
    label.map(String::as_str) == Some("true")
}

/// Every container but the ephemeral ones: these join a pod that is there, and
/// the webhook is called for new pods only.
fn containers(
    spec: &mut k8s_openapi::api::core::v1::PodSpec,
) -> impl Iterator<Item = &mut Container> {
    spec.init_containers
        .iter_mut()
        .flatten()
        .chain(&mut spec.containers)
}

fn environment(account: &ServiceAccount, layout: &Layout) -> Vec<(String, String)> {
    let annotation = |name| annotations::get(&account.metadata, name).map(str::to_owned);
    let client = annotation(annotations::CLIENT_ID).unwrap_or_default();
    // The tenant of the webhook's own settings, unless the account names one.
    let tenant =
        annotation(annotations::TENANT_ID).unwrap_or_else(|| names::tenant_id().to_string());
    let variables = [
        ("AZURE_CLIENT_ID", client),
        ("AZURE_TENANT_ID", tenant),
        ("AZURE_FEDERATED_TOKEN_FILE", layout.token_file()),
        (
            "AZURE_AUTHORITY_HOST",
            format!("https://{}/", names::LOGIN_HOST),
        ),
    ];
    variables
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
}

#[cfg(test)]
mod tests;
