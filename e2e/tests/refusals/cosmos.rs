//! Cosmos DB: 401, and a sub-status for each cause.

use local_cloud::names;

use crate::cloud::{Answer, COSMOS, Cloud, KEY_VAULT};
use crate::forge;

/// Sends a request with an `Authorization` header as it stands.
async fn ask_with(cloud: &Cloud, authorization: Option<&str>) -> Answer {
    let url = "https://localcosmos.documents.azure.com/dbs/todolist/colls/activity";
    let request = cloud.http.get(url).header("x-ms-version", "2020-07-15");
    Answer::to(match authorization {
        Some(authorization) => request.header("authorization", authorization),
        None => request,
    })
    .await
}

/// Sends a request with a token in the form that the Rust client gives it.
pub(crate) async fn ask(cloud: &Cloud, token: &str) -> Answer {
    let authorization = format!("type%3Daad%26ver%3D1.0%26sig%3D{token}");
    ask_with(cloud, Some(&authorization)).await
}

/// Returns the message without the activity's id.
pub(crate) fn assert_unauthorized(answer: &Answer, substatus: &str) -> String {
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert_eq!(
        answer.header("x-ms-substatus"),
        substatus,
        "{}",
        answer.body
    );
    let body = answer.json();
    assert_eq!(body["code"], "Unauthorized");
    let message = body["message"].as_str().expect("a message");
    let (message, activity) = message.split_once("\r\nActivityId: ").expect("an activity");
    let id = answer.header("x-ms-activity-id");
    assert!(activity.starts_with(id) && !id.is_empty(), "{activity}");
    message.to_owned()
}

fn blocked(message: &str) -> String {
    format!("Request blocked by Auth localcosmos : {message}")
}

async fn refused(cloud: &Cloud, token: &str, substatus: &str, message: &str, code: &str) {
    let before = cloud.audited().await;

    let answer = ask(cloud, token).await;

    assert_eq!(assert_unauthorized(&answer, substatus), blocked(message));
    cloud
        .one_denial_since(before, "cosmos", code, Some(token))
        .await;
}

async fn good(cloud: &Cloud) -> String {
    cloud.access_token("frontend", COSMOS).await
}

#[tokio::test]
async fn a_good_token_is_taken_in_both_of_its_forms() {
    let cloud = Cloud::shared().await;
    let token = good(&cloud).await;

    let encoded = ask(&cloud, &token).await;
    let raw = ask_with(&cloud, Some(&format!("type=aad&ver=1.0&sig={token}"))).await;

    assert_eq!((encoded.status, raw.status), (200, 200), "{}", raw.body);
}

#[tokio::test]
async fn no_token_is_refused() {
    let cloud = Cloud::shared().await;
    let before = cloud.audited().await;

    let answer = ask_with(&cloud, None).await;

    assert_eq!(
        assert_unauthorized(&answer, "5000"),
        "Required Header authorization is missing. Ensure a valid Authorization token is passed."
    );
    cloud
        .one_denial_since(before, "cosmos", "TokenMissing", None)
        .await;
}

#[tokio::test]
async fn a_header_of_another_form_is_refused() {
    let cloud = Cloud::shared().await;
    let bearer = format!("Bearer {}", good(&cloud).await);
    let before = cloud.audited().await;

    let answer = ask_with(&cloud, Some(&bearer)).await;

    assert_eq!(
        assert_unauthorized(&answer, "5001"),
        "Authorization header doesn't confirm to the required format. Please verify and try again."
    );
    cloud
        .one_denial_since(before, "cosmos", "TokenMissing", Some(&bearer))
        .await;
}

#[tokio::test]
async fn the_accounts_key_is_refused() {
    let cloud = Cloud::shared().await;
    // The account's own, and a resource token that was made with it.
    for key in [
        "type%3Dmaster%26ver%3D1.0%26sig%3Dc2lnbmF0dXJl",
        "type%3Dresource%26ver%3D1.0%26sig%3Dc2lnbmF0dXJl",
    ] {
        let before = cloud.audited().await;
        let answer = ask_with(&cloud, Some(key)).await;

        assert_eq!(
            assert_unauthorized(&answer, "5202"),
            "Local Authorization is disabled. Use an AAD token to authorize all requests."
        );
        cloud
            .one_denial_since(before, "cosmos", "TokenMissing", None)
            .await;
    }
}

#[tokio::test]
async fn a_service_account_token_is_refused() {
    let cloud = Cloud::shared().await;
    let token = cloud.assertion("frontend").await;
    let message = "Provided AAD token was signed with an unknown key.";
    refused(&cloud, &token, "5200", message, "TokenUnknownKey").await;
}

#[tokio::test]
async fn a_token_for_another_resource_is_refused() {
    let cloud = Cloud::shared().await;
    let token = cloud.access_token("frontend", KEY_VAULT).await;
    let message = "Provided AAD token has an invalid audience [https://vault.azure.net].";
    refused(&cloud, &token, "5008", message, "TokenAudience").await;
}

const NO_VALID_SIGNATURE: &str = "Provided AAD token does not have a valid signature.";

#[tokio::test]
async fn a_changed_payload_is_refused() {
    let cloud = Cloud::shared().await;
    let frontend = good(&cloud).await;
    let token = forge::tampered(&frontend, |claims| {
        claims["oid"] = names::object_id("worker").to_string().into();
    });
    refused(&cloud, &token, "5004", NO_VALID_SIGNATURE, "TokenSignature").await;
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let cloud = Cloud::shared().await;
    let token = forge::unsigned(&good(&cloud).await);
    refused(&cloud, &token, "5004", NO_VALID_SIGNATURE, "TokenAlgorithm").await;
}

#[tokio::test]
async fn a_token_signed_with_the_public_key_as_a_secret_is_refused() {
    let cloud = Cloud::shared().await;
    let key = cloud.entra_key().await;
    let token = forge::signed_with_the_public_key(&good(&cloud).await, &key);
    refused(&cloud, &token, "5004", NO_VALID_SIGNATURE, "TokenAlgorithm").await;
}

#[tokio::test]
async fn a_key_of_ones_own_under_entras_key_id_is_refused() {
    let cloud = Cloud::shared().await;
    let key = cloud.entra_key().await;
    let token = forge::signed_by_another_key(&good(&cloud).await, Some(&key["kid"]), |_| {});
    refused(&cloud, &token, "5004", NO_VALID_SIGNATURE, "TokenSignature").await;
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let cloud = Cloud::shared().await;
    let message = "Provided AAD token is not in a valid format.";
    refused(&cloud, "nonsense", "5003", message, "TokenMalformed").await;
}
