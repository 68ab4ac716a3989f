//! A day later: in a cloud whose clock is moved, every token that was good
//! before is refused, and a new one is taken.

use std::time::Duration;

use crate::cloud::{COSMOS, Cloud, KEY_VAULT, SERVICE_BUS, STORAGE};
use crate::{blob, cosmos, key_vault, service_bus};

const A_DAY_AND_AN_HOUR: Duration = Duration::from_hours(25);

#[tokio::test]
async fn expired_access_tokens_are_refused_everywhere_and_new_ones_taken() {
    let cloud = Cloud::own();
    let vault = cloud.access_token("frontend", KEY_VAULT).await;
    let storage = cloud.access_token("frontend", STORAGE).await;
    let documents = cloud.access_token("frontend", COSMOS).await;
    let bus = cloud.access_token("frontend", SERVICE_BUS).await;
    assert_eq!(key_vault::ask(&cloud, Some(&vault)).await.status, 200);

    cloud
        .control
        .advance(A_DAY_AND_AN_HOUR)
        .await
        .expect("the clock moves");

    let before = cloud.audited().await;
    let answer = key_vault::ask(&cloud, Some(&vault)).await;
    key_vault::assert_unauthorized(
        &answer,
        "[TokenExpired] Error validating token: 'S2S12086'.",
    );
    cloud
        .one_denial_since(before, "key vault", "TokenExpired", Some(&vault))
        .await;

    let before = cloud.audited().await;
    let answer = blob::ask(&cloud, Some(&storage)).await;
    blob::assert_unauthorized(&answer, "Lifetime validation failed. The token is expired.");
    cloud
        .one_denial_since(before, "blob", "TokenExpired", Some(&storage))
        .await;

    let before = cloud.audited().await;
    let answer = cosmos::ask(&cloud, &documents).await;
    let message = cosmos::assert_unauthorized(&answer, "5006");
    let start = "Request blocked by Auth localcosmos : Provided AAD token has been expired since [";
    assert!(message.starts_with(start), "{message}");
    let end = "Please refresh the AAD token.";
    assert!(message.ends_with(end), "{message}");
    cloud
        .one_denial_since(before, "cosmos", "TokenExpired", Some(&documents))
        .await;

    let mut connection = cloud.bus().await;
    let before = cloud.audited().await;
    let answer = connection.put_token("jwt", &bus, service_bus::QUEUE).await;
    service_bus::assert_refusal(&answer, "ExpiredToken: The token is expired.");
    cloud
        .one_denial_since(before, "service bus", "TokenExpired", Some(&bus))
        .await;

    let new = cloud.access_token("frontend", KEY_VAULT).await;
    assert_eq!(key_vault::ask(&cloud, Some(&new)).await.status, 200);
}
