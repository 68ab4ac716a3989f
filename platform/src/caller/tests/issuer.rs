//! The issuer's keys: where they are taken from, how often, and how long they count.

use super::*;

/// Why this issuer has no keys to give.
async fn no_keys(issuer: &Arc<Issuer>) -> String {
    let result = verifier(issuer).warm_up().await;
    result.expect_err("no keys").to_string()
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_is_fetched_once_per_ten_seconds() {
    let old = Key::issuers("k1");
    let new = Key::others("k2");
    let issuer = Issuer::publishing(&[&old]);
    let verifier = verifier(&issuer);
    let known = old.sign(&claims());
    let rotated = new.sign(&claims());
    assert!(verifier.verify_token(&known, at(NOW)).await.is_ok());
    issuer.publish(&[&old, &new]);

    // Within ten seconds of the first fetch: not asked again.
    for _ in 0..5 {
        let refusal = verifier.verify_token(&rotated, at(NOW)).await;
        assert!(matches!(refusal, Err(CallerRefusal::UnknownKey)));
    }
    assert_eq!(issuer.asked(), 1);

    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    assert!(verifier.verify_token(&rotated, at(NOW)).await.is_ok());
    assert!(verifier.verify_token(&known, at(NOW)).await.is_ok());
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_verified_is_not_verified_again_while_its_keys_are_fresh() {
    let key = Key::issuers("k1");
    let issuer = Issuer::publishing(&[&key]);
    let verifier = verifier(&issuer);
    let token = key.sign(&claims());
    let caller = verifier.verify_token(&token, at(NOW)).await.expect("sound");
    let keys_of = verifier.0.keys.fresh_since().expect("keys");

    assert_eq!(
        verifier.0.verified.find(&token, keys_of, at(NOW)),
        Some(caller)
    );
    let refusal = verifier.verify_token(&token, at(NOW + 630)).await;
    assert!(matches!(refusal, Err(CallerRefusal::Expired(_))));
    let refused = key.sign(&with("sub", json!("system:serviceaccount:todolist:worker")));
    assert!(verifier.verify_token(&refused, at(NOW)).await.is_err());
    assert_eq!(verifier.0.verified.find(&refused, keys_of, at(NOW)), None);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_taken_back_is_refused_within_the_hour() {
    let old = Key::issuers("k1");
    let new = Key::others("k2");
    let issuer = Issuer::publishing(&[&old]);
    let verifier = verifier(&issuer);
    let token = old.sign(&claims());
    assert!(verifier.verify_token(&token, at(NOW)).await.is_ok());
    issuer.publish(&[&new]);

    tokio::time::advance(std::time::Duration::from_hours(1)).await;

    let refusal = verifier.verify_token(&token, at(NOW)).await;
    assert!(matches!(refusal, Err(CallerRefusal::UnknownKey)));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_away_leaves_the_known_keys_and_is_a_503_for_others() {
    let key = Key::issuers("k1");
    let issuer = Issuer::publishing(&[&key]);
    let verifier = verifier(&issuer);
    let token = key.sign(&claims());
    assert!(verifier.verify_token(&token, at(NOW)).await.is_ok());
    issuer.documents.lock().unwrap().clear();

    tokio::time::advance(std::time::Duration::from_hours(2)).await;

    assert!(verifier.verify_token(&token, at(NOW)).await.is_ok());
    let refusal = verifier
        .verify_token(&Key::others("k2").sign(&claims()), at(NOW))
        .await
        .expect_err("no keys");
    assert_eq!(
        ApiError::from(refusal).kind(),
        kinds::DEPENDENCY_UNAVAILABLE
    );
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_gives_no_keys() {
    let key = Key::issuers("k1");
    let issuer = Issuer::publishing(&[&key]);
    issuer.configure(json!({ "issuer": "https://other/", "jwks_uri": JWKS_URI }));

    assert_eq!(
        no_keys(&issuer).await,
        format!("the discovery document is of \"https://other/\" and not of {ISSUER:?}")
    );
}

#[tokio::test]
async fn keys_are_fetched_by_https_only() {
    let key = Key::issuers("k1");
    let issuer = Issuer::publishing(&[&key]);
    issuer.configure(json!({ "issuer": ISSUER, "jwks_uri": "http://oic.test/jwks" }));

    assert_eq!(
        no_keys(&issuer).await,
        "\"http://oic.test/jwks\" is not an https URL"
    );
}

#[tokio::test]
async fn a_document_that_is_too_long_elsewhere_or_away_is_not_read() {
    let long = Arc::<str>::from("x".repeat(256 * 1024 + 1));
    let router = axum::Router::new()
        .route("/short", axum::routing::get(async || "short"))
        .route("/long", axum::routing::get(async move || long.to_string()))
        .route(
            "/moved",
            axum::routing::get(async || axum::response::Redirect::to("/short")),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let fetch = async |path: &str| {
        let url = Url::parse(&format!("http://{address}/{path}")).unwrap();
        Web::new().fetch(&url).await
    };

    assert_eq!(fetch("short").await.expect("a document"), b"short");
    assert!(matches!(fetch("long").await, Err(KeysError::TooLong(_))));
    for (path, expected) in [("moved", 303), ("nothing", 404)] {
        let error = fetch(path).await.expect_err(path);
        assert!(
            matches!(error, KeysError::Status { status, .. } if status == expected),
            "{error}"
        );
    }
    serving.abort();
}

#[tokio::test]
async fn a_set_without_a_signing_key_gives_no_keys() {
    let key = Key::issuers("k1");
    let issuer = Issuer::publishing(&[&key]);
    let mut encryption = key.jwk();
    encryption["use"] = json!("enc");
    issuer.documents.lock().unwrap().insert(
        JWKS_URI.to_owned(),
        json!({ "keys": [encryption, { "kty": "EC", "kid": "e" }] }),
    );

    assert_eq!(
        no_keys(&issuer).await,
        format!("{JWKS_URI} has no RSA key for signatures")
    );
}
