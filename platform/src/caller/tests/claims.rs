//! What a token says, wrong in one claim at a time, with a signature that fits.

use super::*;

#[tokio::test]
async fn a_token_without_a_needed_claim_is_refused() {
    let key = Key::issuers("k1");
    for claim in ["sub", "aud", "exp"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(claim);

        assert_eq!(
            refused(&key.sign(&claims), &key).await,
            "the bearer token is malformed: a claim is missing or has the wrong type",
            "without {claim}"
        );
    }
}

#[tokio::test]
async fn a_token_of_another_issuer_is_refused_without_asking_for_keys() {
    let key = Key::issuers("k1");
    let issuer = Issuer::publishing(&[&key]);
    let verifier = verifier(&issuer);
    let token = key.sign(&with("iss", json!("https://sts.windows.net/tenant/")));

    let refusal = verifier
        .verify_token(&token, at(NOW))
        .await
        .expect_err("another issuer");

    assert_eq!(
        refusal.to_string(),
        "the token's issuer is \"https://sts.windows.net/tenant/\" and not this cluster's"
    );
    assert_eq!(issuer.asked(), 0);
}

#[tokio::test]
async fn an_issuer_is_compared_byte_for_byte() {
    let key = Key::issuers("k1");
    let without_slash = ISSUER.strip_suffix('/').unwrap();

    let text = refused(&key.sign(&with("iss", json!(without_slash))), &key).await;

    assert!(text.ends_with("and not this cluster's"), "{text}");
}

#[tokio::test]
async fn an_expired_token_is_refused_after_thirty_seconds_of_grace() {
    let key = Key::issuers("k1");
    let token = key.sign(&claims());

    assert!(judged(&token, &key, NOW + 629).await.is_ok());
    let refusal = judged(&token, &key, NOW + 630)
        .await
        .expect_err("expired")
        .to_string();
    assert_eq!(
        refusal,
        format!("the token has expired at {}", at(NOW + 600))
    );
}

#[tokio::test]
async fn a_token_of_the_future_is_refused_beyond_thirty_seconds() {
    let key = Key::issuers("k1");
    let token = key.sign(&claims());

    assert!(judged(&token, &key, NOW - 30).await.is_ok());
    let refusal = judged(&token, &key, NOW - 31)
        .await
        .expect_err("not yet valid")
        .to_string();
    assert_eq!(
        refusal,
        format!("the token is not valid before {}", at(NOW))
    );
}

#[tokio::test]
async fn a_token_for_entra_is_not_one_for_this_service() {
    let key = Key::issuers("k1");

    assert_eq!(
        refused(
            &key.sign(&with("aud", json!(["api://AzureADTokenExchange"]))),
            &key
        )
        .await,
        "the token's audience is [\"api://AzureADTokenExchange\"] and not this service's"
    );
}

#[tokio::test]
async fn a_token_for_several_services_is_refused() {
    let key = Key::issuers("k1");

    assert_eq!(
        refused(
            &key.sign(&with("aud", json!(["todolist-backend", "other"]))),
            &key
        )
        .await,
        "the token's audience is [\"todolist-backend\", \"other\"] and not this service's"
    );
}

#[tokio::test]
async fn another_pod_of_the_cluster_may_not_call() {
    let key = Key::issuers("k1");
    let token = key.sign(&with("sub", json!("system:serviceaccount:todolist:worker")));

    let refusal = judged(&token, &key, NOW).await.expect_err("the worker");

    assert_eq!(
        refusal.to_string(),
        "\"system:serviceaccount:todolist:worker\" may not call this service"
    );
    assert_eq!(ApiError::from(refusal).kind(), kinds::CALLER_FORBIDDEN);
}
