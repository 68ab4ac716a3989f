//! Keys that were rolled over: what a key has signed is good as long as the key is
//! published, and refused everywhere afterwards.

use std::time::Duration;

use local_cloud::EXCHANGE_AUDIENCE;
use local_cloud::keys::KeyState;

use crate::cloud::{
    COSMOS, Cloud, KEY_VAULT, SERVICE_BUS, STORAGE, TokenCall, service_account_token,
};
use crate::{blob, cosmos, key_vault, service_bus};

const DAY: Duration = Duration::from_hours(24);

/// An assertion that lives for 25 hours, the longest that Entra ID takes.
async fn long_lived(cloud: &Cloud) -> TokenCall {
    let mut request = service_account_token("frontend", EXCHANGE_AUDIENCE);
    request.lifetime_seconds = 25 * 3600;
    TokenCall::of("frontend", KEY_VAULT, &cloud.sign(&request).await)
}

async fn is_exchanged(cloud: &Cloud, call: &TokenCall) {
    let answer = call.send(cloud).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Refused because the issuer does not publish the key.
async fn is_refused(cloud: &Cloud, call: &TokenCall) {
    let answer = call.send(cloud).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    let body = answer.json();
    assert_eq!(body["error"], "invalid_client");
    assert_eq!(body["error_codes"], serde_json::json!([7_000_272]));
}

#[tokio::test]
async fn tokens_of_a_key_that_entra_withdrew_are_refused_everywhere_and_new_ones_taken() {
    let cloud = Cloud::own();
    let vault = cloud.access_token("frontend", KEY_VAULT).await;
    let storage = cloud.access_token("frontend", STORAGE).await;
    let documents = cloud.access_token("frontend", COSMOS).await;
    let bus = cloud.access_token("frontend", SERVICE_BUS).await;
    cloud.control.publish_entra_key().await.expect("published");
    let keys = cloud.control.rotate_entra_key().await.expect("rotated");
    let answer = key_vault::ask(&cloud, Some(&vault)).await;
    assert_eq!(answer.status, 200, "the old key is still published");

    let retired = keys.iter().find(|key| key.state == KeyState::Retired);
    let retired = &retired.expect("a retired key").kid;
    let withdrawn = cloud.control.withdraw_entra_key(retired).await;
    withdrawn.expect("withdrawn");

    let before = cloud.audited().await;
    let answer = key_vault::ask(&cloud, Some(&vault)).await;
    key_vault::assert_unauthorized(
        &answer,
        "AKV10046: Unable to resolve the key used for signature validation.",
    );
    cloud
        .one_denial_since(before, "key vault", "TokenUnknownKey", Some(&vault))
        .await;

    let answer = blob::ask(&cloud, Some(&storage)).await;
    blob::assert_unauthorized(&answer, blob::BAD_SIGNATURE);
    let answer = cosmos::ask(&cloud, &documents).await;
    cosmos::assert_unauthorized(&answer, "5200");
    let mut connection = cloud.bus().await;
    let answer = connection.put_token("jwt", &bus, service_bus::QUEUE).await;
    service_bus::assert_refusal(&answer, service_bus::BAD_SIGNATURE);

    let new = cloud.access_token("frontend", KEY_VAULT).await;
    assert_eq!(key_vault::ask(&cloud, Some(&new)).await.status, 200);
}

#[tokio::test]
async fn the_key_that_signs_and_the_next_one_cannot_be_withdrawn() {
    let cloud = Cloud::own();
    let keys = cloud.control.publish_entra_key().await.expect("published");

    for key in &keys {
        let refusal = cloud.control.withdraw_entra_key(&key.kid).await;
        let refusal = refusal.expect_err("it is in use").to_string();
        assert!(refusal.contains("409"), "{refusal}");
    }
    let unknown = cloud.control.withdraw_entra_key("unknown").await;
    let unknown = unknown.expect_err("there is none").to_string();
    assert!(unknown.contains("404"), "{unknown}");
}

#[tokio::test]
async fn the_clusters_old_key_is_good_for_a_day_after_its_rotation() {
    let cloud = Cloud::own();
    let old = long_lived(&cloud).await;

    cloud.control.rotate_cluster_key().await.expect("rotated");
    is_exchanged(&cloud, &old).await;
    is_exchanged(&cloud, &long_lived(&cloud).await).await;
    cloud.control.advance(DAY).await.expect("the clock moves");

    is_refused(&cloud, &old).await;
    is_exchanged(&cloud, &long_lived(&cloud).await).await;
}

#[tokio::test]
async fn two_rotations_of_the_clusters_key_end_the_first_one() {
    let cloud = Cloud::own();
    let first = long_lived(&cloud).await;
    is_exchanged(&cloud, &first).await;

    cloud.control.rotate_cluster_key().await.expect("rotated");
    let second = long_lived(&cloud).await;
    cloud.control.rotate_cluster_key().await.expect("rotated");
    // Entra ID may keep the keys that it has fetched for an hour.
    let hour = Duration::from_hours(1);
    cloud.control.advance(hour).await.expect("the clock moves");

    is_refused(&cloud, &first).await;
    is_exchanged(&cloud, &second).await;
    is_exchanged(&cloud, &long_lived(&cloud).await).await;
}
