//! The label and the annotations of pods and service accounts that the webhook
//! reads.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The label, on the pod, that makes the API server call the webhook.
pub(super) const USE: &str = "azure.workload.identity/use";
pub(super) const CLIENT_ID: &str = "azure.workload.identity/client-id";
pub(super) const TENANT_ID: &str = "azure.workload.identity/tenant-id";
pub(super) const EXPIRATION: &str = "azure.workload.identity/service-account-token-expiration";
pub(super) const SKIP_CONTAINERS: &str = "azure.workload.identity/skip-containers";
pub(super) const INJECT_PROXY: &str = "azure.workload.identity/inject-proxy-sidecar";
pub(super) const PROXY_PORT: &str = "azure.workload.identity/proxy-sidecar-port";

const DEFAULT_LIFETIME: i64 = 3600;
const DEFAULT_PROXY_PORT: i32 = 8000;

/// An annotation's value.
pub(super) fn get<'m>(metadata: &'m ObjectMeta, name: &str) -> Option<&'m str> {
    metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

/// The annotation of an identity binding (preview): `use-` and a suffix that the
/// webhook is started with.
pub(super) fn identity_binding(pod: &ObjectMeta) -> Option<&str> {
    let names = pod.annotations.iter().flatten().map(|(name, _)| name);
    names
        .map(String::as_str)
        .find(|name| name.starts_with("azure.workload.identity/use-"))
}

/// The pod's annotation beats the service account's; an empty one is none.
pub(super) fn token_lifetime(pod: &ObjectMeta, account: &ObjectMeta) -> Result<i64, String> {
    let said = |metadata| get(metadata, EXPIRATION).filter(|text| !text.is_empty());
    let seconds = match said(pod).or_else(|| said(account)) {
        Some(text) => parse_int(text, i64::MIN, i64::MAX)?,
        None => DEFAULT_LIFETIME,
    };
    if (3600..=86400).contains(&seconds) {
        return Ok(seconds);
    }
    Err(format!(
        "token expiration {seconds} not valid. Expected value to be between 3600 and 86400"
    ))
}

/// The names in `skip-containers`, with blanks around them taken off.
pub(super) fn skipped_containers(pod: &ObjectMeta) -> Vec<String> {
    let text = get(pod, SKIP_CONTAINERS).unwrap_or_default();
    text.split(';').map(|name| name.trim().to_owned()).collect()
}

/// Where the proxy listens.
pub(super) fn proxy_port(pod: &ObjectMeta) -> Result<i32, String> {
    let Some(text) = get(pod, PROXY_PORT) else {
        return Ok(DEFAULT_PROXY_PORT);
    };
    let port = parse_int(text, i32::MIN.into(), i32::MAX.into())
        .and_then(|port| i32::try_from(port).map_err(|error| error.to_string()));
    port.map_err(|why| format!("failed to parse proxy sidecar port: {why}"))
}

/// A whole number, or the words of Go's `strconv.ParseInt`, which the webhook
/// passes on.
fn parse_int(text: &str, least: i64, most: i64) -> Result<i64, String> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    let problem = |what: &str| format!("strconv.ParseInt: parsing {text:?}: {what}");
    match text.parse::<i64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Err(error) if !matches!(error.kind(), PosOverflow | NegOverflow) => {
            Err(problem("invalid syntax"))
        }
        _ => Err(problem("value out of range")),
    }
}
