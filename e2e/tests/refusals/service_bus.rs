//! Service Bus: a token is refused when it is put, before any link.

use local_cloud::names;

use crate::cloud::{Cloud, KEY_VAULT, SERVICE_BUS};
use crate::forge;

/// What the frontend may send to.
pub(crate) const QUEUE: &str = "attachment-jobs";

pub(crate) const BAD_SIGNATURE: &str = "InvalidSignature: The token has an invalid signature.";

/// Puts a token, which has to be refused with 401 and this text, and leaves no
/// link open to who put it.
async fn refused(cloud: &Cloud, token: &str, text: &str, code: &str) {
    let mut bus = cloud.bus().await;
    let before = cloud.audited().await;

    let answer = bus.put_token("jwt", token, QUEUE).await;

    assert_refusal(&answer, text);
    cloud
        .one_denial_since(before, "service bus", code, Some(token))
        .await;
    let refusal = bus.attach_sender(QUEUE).await.expect_err("without a claim");
    assert_no_claim(&refusal);
}

pub(crate) fn assert_refusal((status, description): &(i32, String), text: &str) {
    assert_eq!(*status, 401, "{description}");
    let tracking = description.strip_prefix(text);
    let tracking = tracking.unwrap_or_else(|| panic!("{description}"));
    assert!(tracking.starts_with(" TrackingId:"), "{description}");
    let rest = ", SystemTracker:NoSystemTracker, Timestamp:";
    assert!(tracking.contains(rest), "{description}");
}

fn assert_no_claim(description: &str) {
    let start = format!(
        "Unauthorized access. 'Send' claim(s) are required to perform this operation. \
         Resource: 'sb://localbus.servicebus.windows.net/{QUEUE}'. TrackingId:"
    );
    assert!(description.starts_with(&start), "{description}");
}

async fn good(cloud: &Cloud) -> String {
    cloud.access_token("frontend", SERVICE_BUS).await
}

#[tokio::test]
async fn a_good_token_is_taken() {
    let cloud = Cloud::shared().await;
    let mut bus = cloud.bus().await;

    let (status, description) = bus.put_token("jwt", &good(&cloud).await, QUEUE).await;

    assert_eq!(status, 202, "{description}");
    bus.attach_sender(QUEUE)
        .await
        .expect("the frontend may send");
}

#[tokio::test]
async fn no_token_is_refused_at_the_link() {
    let cloud = Cloud::shared().await;
    let mut bus = cloud.bus().await;
    let before = cloud.audited().await;

    let refusal = bus.attach_sender(QUEUE).await.expect_err("without a claim");

    assert_no_claim(&refusal);
    cloud
        .one_denial_since(before, "service bus", "TokenMissing", None)
        .await;
}

#[tokio::test]
async fn a_shared_access_signature_is_refused() {
    let cloud = Cloud::shared().await;
    let mut bus = cloud.bus().await;
    let before = cloud.audited().await;

    let answer = bus
        .put_token(
            "servicebus.windows.net:sastoken",
            "SharedAccessSignature sr=x",
            QUEUE,
        )
        .await;

    let text = "LocalAuthDisabled: Authorization failed because SAS authentication has been disabled for \
                the namespace.";
    assert_refusal(&answer, text);
    cloud
        .one_denial_since(before, "service bus", "TokenMissing", None)
        .await;
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
    let text = "InvalidAudience: The authorization header contains a token with a wrong audience.";
    refused(&cloud, &token, text, "TokenAudience").await;
}

#[tokio::test]
async fn a_changed_payload_is_refused() {
    let cloud = Cloud::shared().await;
    let worker = cloud.access_token("worker", SERVICE_BUS).await;
    let token = forge::tampered(&worker, |claims| {
        claims["oid"] = names::object_id("frontend").to_string().into();
    });
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
    let text = "MalformedToken: The token is missing or cannot be read.";
    refused(&cloud, "nonsense", text, "TokenMalformed").await;
}
