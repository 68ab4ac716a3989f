//! No resource takes a key, and the cluster is the one that the manifests expect.

use super::template::{Kind, Template, Value};
use super::{holds, of_templates};

/// What has to be written of each resource of a type.
const HARDENED: [(&str, &[(&str, Value)]); 7] = [
    (
        "Microsoft.KeyVault/vaults",
        &[("properties.enableRbacAuthorization", Value::Bool(true))],
    ),
    (
        "Microsoft.DocumentDB/databaseAccounts",
        &[
            ("properties.disableLocalAuth", Value::Bool(true)),
            (
                "properties.disableKeyBasedMetadataWriteAccess",
                Value::Bool(true),
            ),
        ],
    ),
    (
        "Microsoft.Storage/storageAccounts",
        &[
            ("properties.allowSharedKeyAccess", Value::Bool(false)),
            ("properties.allowBlobPublicAccess", Value::Bool(false)),
            ("properties.supportsHttpsTrafficOnly", Value::Bool(true)),
        ],
    ),
    (
        "Microsoft.ServiceBus/namespaces",
        &[("properties.disableLocalAuth", Value::Bool(true))],
    ),
    (
        "Microsoft.ContainerRegistry/registries",
        &[
            ("properties.adminUserEnabled", Value::Bool(false)),
            ("properties.anonymousPullEnabled", Value::Bool(false)),
        ],
    ),
    (
        "Microsoft.OperationalInsights/workspaces",
        &[("properties.features.disableLocalAuth", Value::Bool(true))],
    ),
    (
        "Microsoft.ContainerService/managedClusters",
        &[
            ("properties.disableLocalAccounts", Value::Bool(true)),
            ("properties.aadProfile.managed", Value::Bool(true)),
            ("properties.aadProfile.enableAzureRBAC", Value::Bool(true)),
            ("properties.oidcIssuerProfile.enabled", Value::Bool(true)),
            (
                "properties.securityProfile.workloadIdentity.enabled",
                Value::Bool(true),
            ),
        ],
    ),
];

/// Providers whose resources nobody signs in to. What is in a resource is let in by it.
const WITHOUT_KEYS: [&str; 7] = [
    "Microsoft.Authorization",
    "Microsoft.Graph",
    "Microsoft.Insights",
    "Microsoft.ManagedIdentity",
    "Microsoft.Monitor",
    "Microsoft.Network",
    "Microsoft.Resources",
];

fn mistakes(templates: &[Template]) -> Vec<String> {
    let mut wrong = Vec::new();
    let resources = templates.iter().flat_map(|template| {
        let own = template.of_kind(Kind::Resource);
        own.map(move |resource| (&template.file, resource))
    });
    let mut seen = Vec::new();
    for (file, resource) in resources.filter(|(_, resource)| !resource.existing) {
        let of = resource.resource_type();
        let provider = of.split('/').next().unwrap_or_default();
        let is_inside = of.matches('/').count() > 1;
        let Some((_, needed)) = HARDENED.iter().find(|(own, _)| *own == of) else {
            if !is_inside && !WITHOUT_KEYS.contains(&provider) {
                wrong.push(format!(
                    "{file}:{}: may `{of}` be used with a key?",
                    resource.line
                ));
            }
            continue;
        };
        seen.push(of);
        for (path, expected) in *needed {
            if resource.value.at(path) != Some(expected) {
                wrong.push(format!(
                    "{file}:{}: `{path}` of {of} has to be {expected:?}",
                    resource.line
                ));
            }
        }
    }
    let missing = HARDENED.iter().filter(|(of, _)| !seen.contains(of));
    wrong.extend(missing.map(|(of, _)| format!("there is no {of}")));
    wrong
}

/// A `NetworkPolicy` without an engine is accepted and does nothing.
fn unenforced(templates: &[Template]) -> Vec<String> {
    let clusters = templates
        .iter()
        .flat_map(|template| template.of_kind(Kind::Resource));
    let clusters =
        clusters.filter(|one| one.resource_type() == "Microsoft.ContainerService/managedClusters");
    let mut wrong = Vec::new();
    for cluster in clusters.filter(|one| !one.existing) {
        for path in [
            "properties.networkProfile.networkPolicy",
            "properties.networkProfile.networkDataplane",
        ] {
            if cluster.value.at(path).and_then(Value::text) != Some("cilium") {
                wrong.push(format!("nothing enforces NetworkPolicies: {path}"));
            }
        }
        // The policies let pods ask those of kube-dns, and no cache on the node.
        let pools = cluster.value.at("properties.agentPoolProfiles");
        for pool in pools.into_iter().flat_map(Value::items) {
            if pool.at("localDNSProfile.mode").and_then(Value::text) != Some("Disabled") {
                wrong.push("no NetworkPolicy names the cache of localDNSProfile".to_owned());
            }
        }
    }
    wrong
}

#[test]
fn no_resource_takes_a_key() {
    holds(
        of_templates(|_, templates| mistakes(templates)),
        &[
            (
                "infra/modules/key-vault.bicep",
                "enableRbacAuthorization: true",
                "enableRbacAuthorization: false",
                "enableRbacAuthorization",
            ),
            (
                "infra/modules/cosmos.bicep",
                "    disableLocalAuth: true\n",
                "",
                "disableLocalAuth",
            ),
            (
                "infra/modules/storage.bicep",
                "allowSharedKeyAccess: false",
                "allowSharedKeyAccess: true",
                "allowSharedKeyAccess",
            ),
            (
                "infra/modules/service-bus.bicep",
                "disableLocalAuth: true",
                "disableLocalAuth: sku == 'Premium'",
                "disableLocalAuth",
            ),
            (
                "infra/modules/registry.bicep",
                "adminUserEnabled: false",
                "adminUserEnabled: true",
                "adminUserEnabled",
            ),
            (
                "infra/modules/log-analytics.bicep",
                "      disableLocalAuth: true\n",
                "",
                "disableLocalAuth",
            ),
            (
                "infra/modules/cluster.bicep",
                "disableLocalAccounts: true",
                "disableLocalAccounts: false",
                "disableLocalAccounts",
            ),
            (
                "infra/modules/cluster.bicep",
                "oidcIssuerProfile: {\n      enabled: true",
                "oidcIssuerProfile: {\n      enabled: false",
                "oidcIssuerProfile",
            ),
            (
                "infra/modules/registry.bicep",
                "'Microsoft.ContainerRegistry/registries@2025-04-01'",
                "'Microsoft.Cache/redis@2024-11-01'",
                "may `Microsoft.Cache/redis` be used with a key?",
            ),
        ],
    );
}

#[test]
fn the_cluster_enforces_network_policies() {
    holds(
        of_templates(|_, templates| unenforced(templates)),
        &[
            (
                "infra/modules/cluster.bicep",
                "networkPolicy: 'cilium'",
                "networkPolicy: 'none'",
                "networkPolicy",
            ),
            (
                "infra/modules/cluster.bicep",
                "      networkDataplane: 'cilium'\n",
                "",
                "networkDataplane",
            ),
            (
                "infra/modules/cluster.bicep",
                "mode: 'Disabled'",
                "mode: 'Preferred'",
                "the cache of localDNSProfile",
            ),
            (
                "infra/modules/cluster.bicep",
                "        localDNSProfile: {\n          mode: 'Disabled'\n        }\n",
                "",
                "the cache of localDNSProfile",
            ),
        ],
    );
}
