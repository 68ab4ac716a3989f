//! Blob Storage: 401 with a challenge and, in the body, the detail.

use local_cloud::names;

use crate::cloud::{Answer, Cloud, KEY_VAULT, STORAGE};
use crate::forge;

const URL: &str = "https://localstorage.blob.core.windows.net/attachments/none";
const VERSION: &str = "2026-04-06";

pub(crate) const BAD_SIGNATURE: &str =
    "Signature validation failed. Signature verification failed.";

pub(crate) async fn ask(cloud: &Cloud, token: Option<&str>) -> Answer {
    let request = cloud.http.get(URL).header("x-ms-version", VERSION);
    Answer::to(match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
    .await
}

/// A refusal in XML with this code, in the header and in the body.
fn assert_refusal(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("x-ms-error-code"), code, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/xml");
    assert!(
        answer.body.contains(&format!("<Code>{code}</Code>")),
        "{}",
        answer.body
    );
}

fn assert_challenge(answer: &Answer) {
    let authority = format!("https://login.microsoftonline.com/{}", names::tenant_id());
    assert_eq!(
        answer.header("www-authenticate"),
        format!(
            "Bearer authorization_uri={authority}/oauth2/authorize resource_id=https://storage.azure.com"
        )
    );
}

pub(crate) fn assert_unauthorized(answer: &Answer, detail: &str) {
    assert_refusal(answer, 401, "InvalidAuthenticationInfo");
    assert_challenge(answer);
    let message = "<Message>Server failed to authenticate the request. Please refer to the information in \
                   the www-authenticate header.\nRequestId:";
    assert!(answer.body.contains(message), "{}", answer.body);
    let detail = format!("<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail>");
    assert!(answer.body.contains(&detail), "{}", answer.body);
}

async fn refused(cloud: &Cloud, token: &str, detail: &str, code: &str) {
    let before = cloud.audited().await;

    let answer = ask(cloud, Some(token)).await;

    assert_unauthorized(&answer, detail);
    cloud
        .one_denial_since(before, "blob", code, Some(token))
        .await;
}

async fn good(cloud: &Cloud) -> String {
    cloud.access_token("frontend", STORAGE).await
}

#[tokio::test]
async fn a_good_token_is_taken() {
    let cloud = Cloud::shared().await;

    let answer = ask(&cloud, Some(&good(&cloud).await)).await;

    assert_refusal(&answer, 404, "BlobNotFound");
}

#[tokio::test]
async fn no_token_is_refused() {
    let cloud = Cloud::shared().await;
    let before = cloud.audited().await;

    let answer = ask(&cloud, None).await;

    assert_refusal(&answer, 401, "NoAuthenticationInformation");
    assert_challenge(&answer);
    cloud
        .one_denial_since(before, "blob", "TokenMissing", None)
        .await;
}

#[tokio::test]
async fn the_accounts_key_is_refused() {
    let cloud = Cloud::shared().await;
    for scheme in ["SharedKey", "SharedKeyLite"] {
        let before = cloud.audited().await;
        let request = cloud.http.get(URL).header("x-ms-version", VERSION);
        let value = format!("{scheme} localstorage:c2ln");
        let answer = Answer::to(request.header("authorization", value)).await;

        assert_refusal(&answer, 403, "KeyBasedAuthenticationNotPermitted");
        cloud
            .one_denial_since(before, "blob", "TokenMissing", None)
            .await;
    }
}

#[tokio::test]
async fn a_signature_made_with_the_accounts_key_is_refused() {
    let cloud = Cloud::shared().await;
    let before = cloud.audited().await;

    let signed = format!("{URL}?sv=2026-04-06&sr=b&sp=r&se=2030-01-01T00:00:00Z&sig=c2ln");
    let answer = Answer::to(cloud.http.get(signed)).await;

    assert_refusal(&answer, 403, "KeyBasedAuthenticationNotPermitted");
    cloud
        .one_denial_since(before, "blob", "TokenMissing", None)
        .await;
}

#[tokio::test]
async fn a_token_under_a_version_that_knows_no_tokens_is_refused() {
    let cloud = Cloud::shared().await;
    let token = good(&cloud).await;

    for version in [None, Some("2016-05-31")] {
        let request = cloud.http.get(URL).bearer_auth(&token);
        let answer = Answer::to(match version {
            Some(version) => request.header("x-ms-version", version),
            None => request,
        })
        .await;
        assert_refusal(&answer, 403, "AuthenticationFailed");
        let detail = "Authentication scheme Bearer is not supported in this version.";
        assert!(answer.body.contains(detail), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_refused_head_has_its_code_in_the_header_alone() {
    let cloud = Cloud::shared().await;

    let request = cloud.http.head(URL).header("x-ms-version", VERSION);
    let answer = Answer::to(request.bearer_auth("nonsense")).await;

    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("x-ms-error-code"),
        "InvalidAuthenticationInfo"
    );
    assert_eq!(answer.body, "");
    assert_challenge(&answer);
}

#[tokio::test]
async fn a_service_account_token_is_refused() {
    let cloud = Cloud::shared().await;
    let token = cloud.assertion("frontend").await;
    refused(&cloud, &token, BAD_SIGNATURE, "TokenUnknownKey").await;
}

#[tokio::test]
async fn a_token_for_another_resource_is_refused() {
    let cloud = Cloud::shared().await;
    let token = cloud.access_token("frontend", KEY_VAULT).await;
    let detail = "Audience validation failed. Audience did not match.";
    refused(&cloud, &token, detail, "TokenAudience").await;
}

#[tokio::test]
async fn a_changed_payload_is_refused() {
    let cloud = Cloud::shared().await;
    let frontend = good(&cloud).await;
    let token = forge::tampered(&frontend, |claims| claims["exp"] = 4_000_000_000_u64.into());
    refused(&cloud, &token, BAD_SIGNATURE, "TokenSignature").await;
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let cloud = Cloud::shared().await;
    let token = forge::unsigned(&good(&cloud).await);
    refused(&cloud, &token, BAD_SIGNATURE, "TokenAlgorithm").await;
}

#[tokio::test]
async fn a_token_signed_with_the_public_key_as_a_secret_is_refused() {
    let cloud = Cloud::shared().await;
    let key = cloud.entra_key().await;
    let token = forge::signed_with_the_public_key(&good(&cloud).await, &key);
    refused(&cloud, &token, BAD_SIGNATURE, "TokenAlgorithm").await;
}

#[tokio::test]
async fn a_key_of_ones_own_under_entras_key_id_is_refused() {
    let cloud = Cloud::shared().await;
    let key = cloud.entra_key().await;
    let token = forge::signed_by_another_key(&good(&cloud).await, Some(&key["kid"]), |_| {});
    refused(&cloud, &token, BAD_SIGNATURE, "TokenSignature").await;
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let cloud = Cloud::shared().await;
    refused(&cloud, "nonsense", BAD_SIGNATURE, "TokenMalformed").await;
}
