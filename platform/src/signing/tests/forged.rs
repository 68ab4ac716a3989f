//! Tokens that were not signed here, not for this, or not for so long.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_forge_of_these_tests_can_sign() {
    let (vault, replica) = one();

    let token = forge_as('a', &payload(&vault), 'a');

    assert_eq!(replica.verify(&token).await.expect("good"), claims());
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_told_from_a_forged_one() {
    let (vault, replica) = one();
    let now = vault.now();
    let token = replica
        .keys
        .sign_at(&claims(), now + SECOND, now)
        .await
        .expect("a token");

    assert_eq!(replica.verify(&token).await.expect("good"), claims());
    advance(SECOND).await;
    assert_eq!(refused(replica.verify(&token).await), "expired");
    let forged = forge_as('a', &payload_of(&token), 'b');
    assert_eq!(refused(replica.verify(&forged).await), "forged");
}

#[tokio::test(start_paused = true)]
async fn a_token_for_another_purpose_is_forged() {
    let (vault, replica) = one();
    let links = SigningKeys::with_vault(
        Box::new(Arc::clone(&vault)),
        SECRET.to_owned(),
        CACHED,
        "share-link",
    );

    let link = links
        .sign_at(&claims(), vault.now() + DAY, vault.now())
        .await
        .expect("a token");

    assert_eq!(refused(replica.verify(&link).await), "forged");
}

#[tokio::test(start_paused = true)]
async fn claims_cannot_stand_for_the_purpose_or_the_expiry() {
    let (vault, replica) = one();
    let claims = json!({ "aud": "share-link", "exp": 4_000_000_000_u64 });
    let now = vault.now();
    let token = replica.keys.sign_at(&claims, now + SECOND, now).await;

    advance(SECOND).await;

    assert_eq!(
        refused(replica.verify(&token.expect("a token")).await),
        "expired"
    );
}

#[tokio::test(start_paused = true)]
async fn a_header_that_is_not_ours_is_forged_and_key_vault_is_not_asked() {
    let (vault, replica) = one();
    let payload = payload(&vault);

    for header in [
        json!({ "alg": "none", "kid": id('a') }),
        json!({ "alg": "None", "kid": id('a') }),
        json!({ "alg": "", "kid": id('a') }),
        json!({ "alg": "RS256", "kid": id('a') }),
        json!({ "alg": "HS384", "kid": id('a') }),
        json!({ "alg": "HS512", "kid": id('a') }),
        json!({ "alg": ["HS256"], "kid": id('a') }),
        json!({ "kid": id('a') }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "HS256", "kid": null }),
        json!({ "alg": "HS256", "kid": "" }),
        json!({ "alg": "HS256", "kid": format!("{}a", id('a')) }),
        json!({ "alg": "HS256", "kid": id('A') }),
        json!({ "alg": "HS256", "kid": "../share-link-key" }),
        json!({ "alg": "HS256", "kid": "../../secrets/share-link-key/abc" }),
        json!({ "alg": "HS256", "kid": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%2e" }),
        json!({ "alg": "HS256", "kid": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" }),
    ] {
        let token = forge(&header, &payload, 'a');
        assert_eq!(refused(replica.verify(&token).await), "forged", "{header}");
        let unsigned = token.rsplit_once('.').expect("two dots").0.to_owned() + ".";
        assert_eq!(
            refused(replica.verify(&unsigned).await),
            "forged",
            "{header}"
        );
    }

    assert_eq!(vault.asked(), Asked::default());
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_is_not_ours_is_forged() {
    let (vault, replica) = one();
    let good = payload(&vault);
    let with = |name: &str, value: Json| {
        let mut payload = good.clone();
        payload[name] = value;
        payload
    };
    let without = |name: &str| {
        let mut payload = good.clone();
        payload.as_object_mut().expect("an object").remove(name);
        payload
    };

    for payload in [
        without("aud"),
        without("exp"),
        without("claims"),
        with("aud", json!("")),
        with("aud", json!("Session")),
        with("aud", json!(["session"])),
        with("aud", json!(["session", "share-link"])),
        with("exp", json!("4000000000")),
        with("exp", json!(4e9)),
        with("exp", json!(null)),
        json!([]),
        json!("session"),
    ] {
        let token = forge_as('a', &payload, 'a');
        assert_eq!(refused(replica.verify(&token).await), "forged", "{payload}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_changed_anywhere_is_forged() {
    let (vault, replica) = one();
    vault.add('b', DAY);
    let token = replica.sign().await.expect("a token");
    replica.verify(&token).await.expect("good");

    for end in 0..token.len() {
        let cut = &token[..end];
        assert_eq!(refused(replica.verify(cut).await), "forged", "cut at {end}");
    }
    for at in 0..token.len() {
        for other in ["A", "b", "9", "_", ".", "=", " ", "\0"] {
            let mut changed = token.clone();
            changed.replace_range(at..=at, other);
            if changed != token {
                let result = replica.verify(&changed).await;
                assert_eq!(refused(result), "forged", "{other:?} at {at}");
            }
        }
    }
    for more in [".", "=", "A", " ", "\n", ".A"] {
        let longer = format!("{token}{more}");
        assert_eq!(refused(replica.verify(&longer).await), "forged", "{more:?}");
    }
    assert_eq!(
        refused(replica.verify(&format!(" {token}")).await),
        "forged"
    );
}

#[tokio::test(start_paused = true)]
async fn an_endless_token_is_not_read() {
    let (vault, replica) = one();
    let mut payload = payload(&vault);
    payload["claims"] = json!("x".repeat(LONGEST_TOKEN_BYTES));
    let token = forge_as('a', &payload, 'a');

    assert_eq!(refused(replica.verify(&token).await), "forged");
    assert_eq!(vault.asked(), Asked::default());
}

fn payload_of(token: &str) -> Json {
    let part = token.split('.').nth(1).expect("a payload");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}
