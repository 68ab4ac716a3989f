//! What is told of each HTTP call to Azure: a span for the call, one below it
//! for each time that an access token goes to the resource, and the metrics.

use std::sync::Arc;

use azure_core::http::headers::AUTHORIZATION;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Method, Request, Url};
use tracing::Instrument as _;

use super::failure::Service;
use super::presented::Presented;
use crate::identity::steps::CALLED;
use crate::telemetry::dependency::{self, Outcome};

/// Sees each call once, whatever its retries.
#[derive(Debug)]
pub(super) struct Call(pub(super) Service);

/// Sees each attempt, when its token is in it.
#[derive(Debug)]
pub(super) struct Attempt(pub(super) Presented);

#[expect(elided_lifetimes_in_paths, reason = "the signature of the trait")]
#[async_trait::async_trait]
impl Policy for Call {
    async fn send(
        &self,
        ctx: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let Self(service) = self;
        let operation = operation(*service, request.method(), request.url());
        let sending = next[0].send(ctx, request, &next[1..]);
        dependency::call(service.word(), operation, sending, outcome).await
    }
}

#[expect(elided_lifetimes_in_paths, reason = "the signature of the trait")]
#[async_trait::async_trait]
impl Policy for Attempt {
    async fn send(
        &self,
        ctx: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let with_token = request.headers().get_optional_str(&AUTHORIZATION).is_some();
        let sending = next[0].send(ctx, request, &next[1..]);
        // Key Vault is asked once without a token, to learn which one it wants.
        if !with_token {
            return sending.await;
        }
        let span = step_5(&self.0);
        let result = sending.instrument(span.clone()).await;
        if outcome(&result) != Outcome::Answered {
            span.record("otel.status_code", "ERROR");
        }
        result
    }
}

/// A span for what is done with the token that was presented last.
pub(super) fn step_5(presented: &Presented) -> tracing::Span {
    let claims = presented.claims();
    tracing::info_span!(
        "resource",
        otel.name = CALLED,
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        identity.step = 5,
        identity.issuer = claims.issuer,
        identity.subject = claims.subject,
        identity.audience = claims.audience,
        identity.client_id = claims.client_id,
    )
}

fn outcome(result: &PolicyResult) -> Outcome {
    result.as_ref().map_or(Outcome::Failed, |answer| {
        Outcome::of_status(answer.status().into())
    })
}

/// The operation's name in the service's reference, and one word for whatever is
/// not used here.
fn operation(service: Service, method: Method, url: &Url) -> &'static str {
    match service {
        Service::KeyVault => of_key_vault(method, url),
        Service::BlobStorage => of_blob_storage(method, url),
        _ => "other",
    }
}

fn of_key_vault(method: Method, url: &Url) -> &'static str {
    let segments: Vec<_> = url
        .path_segments()
        .into_iter()
        .flatten()
        .filter(|segment| !segment.is_empty())
        .collect();
    match (method, &segments[..]) {
        (Method::Get, ["secrets"]) => "GetSecrets",
        (Method::Get, ["secrets", _, "versions"]) => "GetSecretVersions",
        (Method::Get, ["secrets", ..]) => "GetSecret",
        (Method::Put, ["secrets", ..]) => "SetSecret",
        (Method::Patch, ["secrets", ..]) => "UpdateSecret",
        _ => "other",
    }
}

fn of_blob_storage(method: Method, url: &Url) -> &'static str {
    let of = |name: &str| url.query_pairs().find(|(key, _)| key == name);
    let comp = of("comp").map(|(_, value)| value);
    let of_container = of("restype").is_some();
    match (method, comp.as_deref(), of_container) {
        (Method::Get, Some("list"), true) => "ListBlobs",
        (Method::Get, Some("list"), false) => "ListContainers",
        (Method::Get, None, true) => "GetContainerProperties",
        (Method::Get, None, false) => "GetBlob",
        (Method::Head, None, false) => "GetBlobProperties",
        (Method::Put, None, false) => "PutBlob",
        (Method::Put, Some("block"), false) => "PutBlock",
        (Method::Put, Some("blocklist"), false) => "PutBlockList",
        (Method::Delete, None, false) => "DeleteBlob",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(service: Service, method: Method, path: &str, expected: &str) {
        let url = Url::parse("https://host.invalid/").expect("a URL");
        let url = url.join(path).expect("a path");
        assert_eq!(operation(service, method, &url), expected, "{path}");
    }

    #[test]
    fn an_operation_of_key_vault_is_known_by_method_and_path() {
        let vault = Service::KeyVault;
        check(vault, Method::Get, "/secrets?api-version=1", "GetSecrets");
        check(vault, Method::Get, "/secrets/session-key/", "GetSecret");
        check(vault, Method::Get, "/secrets/session-key/00", "GetSecret");
        check(
            vault,
            Method::Get,
            "/secrets/a/versions",
            "GetSecretVersions",
        );
        check(vault, Method::Patch, "/secrets/a/00", "UpdateSecret");
        check(vault, Method::Delete, "/secrets/a", "other");
    }

    #[test]
    fn an_operation_of_blob_storage_is_known_by_method_and_parameters() {
        let storage = Service::BlobStorage;
        check(storage, Method::Get, "/?comp=list", "ListContainers");
        let list = "/attachments?restype=container&comp=list";
        check(storage, Method::Get, list, "ListBlobs");
        check(storage, Method::Get, "/attachments/a/b", "GetBlob");
        check(
            storage,
            Method::Head,
            "/attachments/a/b",
            "GetBlobProperties",
        );
        check(storage, Method::Put, "/attachments/a/b", "PutBlob");
        let block = "/attachments/a/b?comp=block&blockid=MQ";
        check(storage, Method::Put, block, "PutBlock");
        let blocks = "/attachments/a/b?comp=blocklist";
        check(storage, Method::Put, blocks, "PutBlockList");
        check(storage, Method::Delete, "/attachments/a/b", "DeleteBlob");
        check(storage, Method::Get, "/a/b?comp=tags", "other");
    }
}
