//! Key Vault: whatever is no good token is 401 with the challenge.

use local_cloud::names;
use serde_json::json;

use crate::cloud::{Answer, Cloud, KEY_VAULT, STORAGE};
use crate::forge;

/// What stands for every token that cannot be validated.
const NOT_VALIDATED: &str = "[AggregatedAuthenticationFailure] Error validating token: 'S2S17001'.";

pub(crate) async fn ask(cloud: &Cloud, token: Option<&str>) -> Answer {
    let url = "https://localvault.vault.azure.net/secrets/session-key?api-version=2025-07-01";
    let request = cloud.http.get(url);
    Answer::to(match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
    .await
}

pub(crate) fn assert_unauthorized(answer: &Answer, message: &str) {
    assert_eq!(answer.status, 401, "{}", answer.body);
    let error = json!({ "error": { "code": "Unauthorized", "message": message } });
    assert_eq!(answer.json(), error);
    assert_eq!(
        answer.header("www-authenticate"),
        format!(
            r#"Bearer authorization="https://login.microsoftonline.com/{}", resource="https://vault.azure.net""#,
            names::tenant_id()
        )
    );
}

async fn refused(cloud: &Cloud, token: Option<&str>, message: &str, code: &str) {
    let before = cloud.audited().await;

    let answer = ask(cloud, token).await;

    assert_unauthorized(&answer, message);
    cloud
        .one_denial_since(before, "key vault", code, token)
        .await;
}

async fn good(cloud: &Cloud) -> String {
    cloud.access_token("frontend", KEY_VAULT).await
}

#[tokio::test]
async fn a_good_token_is_taken() {
    let cloud = Cloud::shared().await;

    let answer = ask(&cloud, Some(&good(&cloud).await)).await;

    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn no_token_is_refused() {
    let cloud = Cloud::shared().await;
    let before = cloud.audited().await;

    let answer = ask(&cloud, None).await;

    assert_unauthorized(
        &answer,
        "AKV10000: Request is missing a Bearer or PoP token.",
    );
    // Every client of Key Vault begins with this: the audit takes no note of it.
    assert_eq!(cloud.audited().await, before);
}

#[tokio::test]
async fn a_service_account_token_is_refused() {
    let cloud = Cloud::shared().await;
    let token = cloud.assertion("frontend").await;
    let message = "AKV10046: Unable to resolve the key used for signature validation.";
    refused(&cloud, Some(&token), message, "TokenUnknownKey").await;
}

#[tokio::test]
async fn a_token_for_another_resource_is_refused() {
    let cloud = Cloud::shared().await;
    let token = cloud.access_token("frontend", STORAGE).await;
    let message = "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://storage.azure.com.";
    refused(&cloud, Some(&token), message, "TokenAudience").await;
}

#[tokio::test]
async fn a_changed_payload_is_refused() {
    let cloud = Cloud::shared().await;
    let worker = cloud.access_token("worker", KEY_VAULT).await;
    let token = forge::tampered(&worker, |claims| {
        claims["oid"] = names::object_id("frontend").to_string().into();
    });
    refused(&cloud, Some(&token), NOT_VALIDATED, "TokenSignature").await;
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let cloud = Cloud::shared().await;
    let token = forge::unsigned(&good(&cloud).await);
    refused(&cloud, Some(&token), NOT_VALIDATED, "TokenAlgorithm").await;
}

#[tokio::test]
async fn a_token_signed_with_the_public_key_as_a_secret_is_refused() {
    let cloud = Cloud::shared().await;
    let key = cloud.entra_key().await;
    let token = forge::signed_with_the_public_key(&good(&cloud).await, &key);
    refused(&cloud, Some(&token), NOT_VALIDATED, "TokenAlgorithm").await;
}

#[tokio::test]
async fn a_key_of_ones_own_under_entras_key_id_is_refused() {
    let cloud = Cloud::shared().await;
    let key = cloud.entra_key().await;
    let token = forge::signed_by_another_key(&good(&cloud).await, Some(&key["kid"]), |_| {});
    refused(&cloud, Some(&token), NOT_VALIDATED, "TokenSignature").await;
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let cloud = Cloud::shared().await;
    refused(&cloud, Some("nonsense"), NOT_VALIDATED, "TokenMalformed").await;
}
