//! The proxy sidecar: for programs that know the metadata endpoint of a virtual
//! machine only. The webhook adds it where the annotation is there, whatever its
//! value is.

use k8s_openapi::api::core::v1::{Container, Pod};
use serde_json::{Value, json};

use super::{WebhookVersion, annotations};
use crate::cluster::admission::Denial;

const INIT_CONTAINER: &str = "azwi-proxy-init";
const SIDECAR: &str = "azwi-proxy";

/// Adds the containers of the proxy, if the pod asks for them.
pub(super) fn inject(pod: &mut Pod, version: WebhookVersion) -> Result<(), Denial> {
    if annotations::get(&pod.metadata, annotations::INJECT_PROXY).is_none() {
        return Ok(());
    }
    let Some(spec) = pod.spec.as_mut() else {
        return Ok(());
    };
    if spec.host_network == Some(true) {
        let why = "hostNetwork is set to true, cannot inject proxy sidecar";
        return Err(Denial::by_webhook(why));
    }
    let port = annotations::proxy_port(&pod.metadata).map_err(|why| Denial::by_webhook(&why))?;
    let first = spec.init_containers.get_or_insert_default();
    if !first.iter().any(|own| own.name == INIT_CONTAINER) {
        first.push(init_container(port, version));
    }
    // A sidecar of its own kind, from Kubernetes 1.32 on: an init container that
    // goes on.
    if !first.iter().any(|own| own.name == SIDECAR) {
        first.insert(0, sidecar(port, version));
    }
    Ok(())
}

fn init_container(port: i32, version: WebhookVersion) -> Container {
    container(json!({
        "name": INIT_CONTAINER,
        "image": image("proxy-init", version),
        "imagePullPolicy": "IfNotPresent",
        "env": [{ "name": "PROXY_PORT", "value": port.to_string() }],
        "securityContext": {
            "capabilities": { "add": ["NET_ADMIN"], "drop": ["ALL"] },
            "privileged": true, "runAsNonRoot": false, "runAsUser": 0,
        },
    }))
}

fn sidecar(port: i32, version: WebhookVersion) -> Container {
    let listen = format!("--proxy-port={port}");
    let log = "--log-level=info";
    container(json!({
        "name": SIDECAR,
        "image": image("proxy", version),
        "imagePullPolicy": "IfNotPresent",
        "args": [listen, log],
        "ports": [{ "containerPort": port }],
        "lifecycle": { "postStart": { "exec": { "command": ["/proxy", listen, "--probe", log] } } },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "privileged": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
        },
        "restartPolicy": "Always",
    }))
}

// Assumed: registry and tags; a cluster's own may differ, and nothing reads them.
fn image(name: &str, version: WebhookVersion) -> String {
    let tag = match version {
        WebhookVersion::V1_5 => "v1.5.1",
        WebhookVersion::V1_6 => "v1.6.0",
    };
    format!("mcr.microsoft.com/oss/v2/azure/workload-identity/{name}:{tag}")
}

fn container(value: Value) -> Container {
    serde_json::from_value(value).expect("the container is written out above")
}
