//! The assertion, wrong in one claim or in its signature at a time.

use super::*;

#[tokio::test]
async fn the_issuer_has_to_match_to_the_last_character() {
    let tenant = Tenant::start().await;
    for issuer in [
        names::cluster_issuer().trim_end_matches('/'),
        "https://evil.test/",
    ] {
        let refused = tenant
            .refuses_claims(|claims| claims["iss"] = json!(issuer))
            .await;
        assert_eq!(refused, (401, "invalid_client", 700_211), "{issuer}");
    }
}

#[tokio::test]
async fn the_subject_has_to_match_exactly() {
    let tenant = Tenant::start().await;
    for (subject, code) in [
        ("system:serviceaccount:todolist:backend", 700_213),
        ("system:serviceaccount:other:frontend", 700_213),
        ("system:serviceaccount:todolist:Frontend", 7_002_138),
    ] {
        let refused = tenant
            .refuses_claims(|claims| claims["sub"] = json!(subject))
            .await;
        assert_eq!(refused, (401, "invalid_client", code), "{subject}");
    }
}

#[tokio::test]
async fn the_audience_has_to_match_exactly() {
    let tenant = Tenant::start().await;
    for audience in [
        "todolist-backend",
        "api://azureadtokenexchange",
        "api://AzureADTokenExchange/",
    ] {
        let refused = tenant
            .refuses_claims(|claims| claims["aud"] = json!([audience]))
            .await;
        assert_eq!(refused, (401, "invalid_client", 700_212), "{audience}");
    }
    let several = json!([EXCHANGE_AUDIENCE, "another"]);
    let refused = tenant
        .refuses_claims(|claims| claims["aud"] = several)
        .await;
    assert_eq!(refused, (400, "invalid_request", 50027));
}

#[tokio::test]
async fn an_expired_assertion_is_refused() {
    let tenant = Tenant::start().await;
    let form = tenant.form();

    tenant.clock.advance(Duration::from_hours(1));

    assert_eq!(
        tenant.ask(&form).await.expect_err("an hour has passed"),
        (401, "invalid_client", 700_024)
    );
}

#[tokio::test]
async fn an_assertion_that_is_not_yet_valid_is_refused() {
    let tenant = Tenant::start().await;
    let soon = tenant.clock.unix_now() + 60;
    let refused = tenant
        .refuses_claims(|claims| claims["nbf"] = json!(soon))
        .await;
    assert_eq!(refused, (401, "invalid_client", 700_024));
}

#[tokio::test]
async fn an_assertion_without_a_needed_claim_is_refused() {
    let tenant = Tenant::start().await;
    let refused = tenant
        .refuses_claims(|claims| claims["sub"] = Value::Null)
        .await;
    assert_eq!(refused, (401, "invalid_client", 700_022));
    for name in ["iss", "aud", "exp"] {
        let refused = tenant
            .refuses_claims(|claims| claims[name] = Value::Null)
            .await;
        assert_eq!(refused, (400, "invalid_request", 50027), "{name}");
    }
    let refused = tenant
        .refuses_claims(|claims| {
            claims["nbf"] = Value::Null;
            claims["iat"] = Value::Null;
        })
        .await;
    assert_eq!(refused, (400, "invalid_request", 50027));
}

#[tokio::test]
async fn a_tampered_payload_is_refused() {
    let tenant = Tenant::start().await;
    let (mine, other) = (
        tenant.assertion(|c| c["x"] = json!(1)),
        tenant.assertion(|c| c["x"] = json!(2)),
    );
    let part = |token: &str, n: usize| token.split('.').nth(n).expect("three parts").to_owned();
    let forged = format!("{}.{}.{}", part(&mine, 0), part(&other, 1), part(&mine, 2));

    let refused = tenant.ask(&Form::new(forged)).await;

    assert_eq!(
        refused.expect_err("the signature is another's"),
        (401, "invalid_client", 700_027)
    );
}

#[tokio::test]
async fn only_rs256_signatures_are_accepted() {
    let tenant = Tenant::start().await;
    let key = tenant.cluster_keys.current();
    for (algorithm, code) in [
        ("none", 900_385),
        ("nOnE", 900_385),
        ("HS256", 5_002_730),
        ("PS256", 5_002_730),
    ] {
        let token = key.sign(
            &json!({ "alg": algorithm, "kid": key.kid() }),
            &tenant.claims(),
        );
        let refused = tenant.ask(&Form::new(token)).await;
        assert_eq!(
            refused.expect_err(algorithm),
            (400, "invalid_request", code)
        );
    }
}

#[tokio::test]
async fn a_key_that_the_issuer_does_not_publish_is_refused() {
    let tenant = Tenant::start().await;
    let stranger = &*STRANGER;
    let token = stranger.sign(
        &json!({ "alg": "RS256", "kid": stranger.kid() }),
        &tenant.claims(),
    );

    let refused = tenant.ask(&Form::new(token)).await;

    assert_eq!(
        refused.expect_err("the key is unknown"),
        (401, "invalid_client", 7_000_272)
    );
}

#[tokio::test]
async fn a_key_that_the_issuer_has_just_published_is_found_by_fetching_once_more() {
    let tenant = Tenant::with_cluster_keys(KeyRing::generate()).await;
    tenant
        .ask(&tenant.form())
        .await
        .expect("the first key is fetched");

    tenant.cluster_keys.rotate();
    let refused = tenant.ask(&tenant.form()).await;
    assert_eq!(
        refused.expect_err("fetched a moment ago"),
        (401, "invalid_client", 7_000_272)
    );
    tenant.clock.advance(Duration::from_secs(6));

    tenant
        .ask(&tenant.form())
        .await
        .expect("the new key is fetched");
}

#[tokio::test]
async fn a_token_of_entra_itself_is_no_assertion() {
    let tenant = Tenant::start().await;
    let identity = tenant.entra.directory.named("frontend");
    let own = access_token::issue(
        &tenant.entra.keys.current(),
        &identity.expect("an identity of the model"),
        EXCHANGE_AUDIENCE,
        &[],
        tenant.clock.now(),
    );

    let refused = tenant.ask(&Form::new(own.token)).await;

    assert_eq!(
        refused.expect_err("Entra does not trust itself"),
        (401, "invalid_client", 700_222)
    );
}
