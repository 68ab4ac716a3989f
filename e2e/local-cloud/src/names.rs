//! The names of the local cloud: stable ids and host names, made from the
//! logical names of the access model so that every run and every machine agree.

use std::sync::LazyLock;

use uuid::Uuid;

/// The host that plays Entra ID's token endpoint.
pub const LOGIN_HOST: &str = "login.microsoftonline.com";

/// The host that plays Microsoft Graph.
pub const GRAPH_HOST: &str = "graph.microsoft.com";

/// The host that plays the cluster's token issuer, shaped like AKS' own but
/// under a name that cannot be mistaken for it.
pub const ISSUER_HOST: &str = "eastus.oic.local-cloud.test";

/// The region that the local cloud says it is in.
pub const REGION: &str = "eastus";

/// The subscription and resource group that resource ids are made of.
pub const RESOURCE_GROUP: &str = "rg-local-cloud";

static NAMESPACE: LazyLock<Uuid> =
    LazyLock::new(|| Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"local-cloud.test"));

static TENANT: LazyLock<Uuid> = LazyLock::new(|| id("tenant"));

fn id(name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The tenant's id.
pub fn tenant_id() -> Uuid {
    *TENANT
}

/// The subscription's id.
pub fn subscription_id() -> Uuid {
    id("subscription")
}

/// The client id of an identity: what a pod puts into `AZURE_CLIENT_ID`.
pub fn client_id(identity: &str) -> Uuid {
    id(&format!("client/{identity}"))
}

/// The object (principal) id of an identity: what role assignments name.
pub fn object_id(identity: &str) -> Uuid {
    id(&format!("object/{identity}"))
}

/// An id for any other object of the cluster, such as a node or an account.
pub fn object_uid(kind: &str, name: &str) -> Uuid {
    id(&format!("{kind}/{name}"))
}

/// The cluster's issuer; its trailing slash is part of it.
pub fn cluster_issuer() -> String {
    format!("https://{ISSUER_HOST}/{}/{}/", tenant_id(), id("cluster"))
}

/// The resource id of a user-assigned identity.
pub(crate) fn user_assigned_resource_id(identity: &str) -> String {
    resource_id(&format!(
        "Microsoft.ManagedIdentity/userAssignedIdentities/{identity}"
    ))
}

/// The resource id of what is `<provider>/<type>/<name>` in the resource group.
pub(crate) fn resource_id(resource: &str) -> String {
    format!(
        "/subscriptions/{}/resourcegroups/{RESOURCE_GROUP}/providers/{resource}",
        subscription_id()
    )
}

/// The issuer in the access tokens that Azure's resources take (v1).
pub fn token_issuer(tenant: Uuid) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

/// The physical name of a resource: `local` and its logical name.
pub fn physical(resource: &str) -> String {
    format!("local{resource}")
}

/// The audience of the tokens that a service takes.
pub fn audience_of(service: &str) -> &'static str {
    match service {
        "key vault" => "https://vault.azure.net",
        "cosmos" => "https://cosmos.azure.com",
        "service bus" => "https://servicebus.azure.net",
        _ => "https://storage.azure.com",
    }
}
