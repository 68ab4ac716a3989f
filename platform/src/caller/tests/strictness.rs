//! What a careless reader would let pass, signed by the issuer's own key so that
//! nothing else stands in the way.

use super::*;

/// A token of these very texts, signed by the issuer.
fn signed(header: &str, claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; ISSUERS.public_modulus_len()];
    ISSUERS
        .sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message.as_bytes(),
            &mut signature,
        )
        .expect("a signature");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn malformed(header: &str, claims: &str) -> String {
    let text = refused(&signed(header, claims), &Key::issuers("k1")).await;
    let why = text.strip_prefix("the bearer token is malformed: ");
    why.unwrap_or_else(|| panic!("{text}")).to_owned()
}

const HEADER: &str = r#"{"alg":"RS256","kid":"k1"}"#;

#[tokio::test]
async fn a_member_that_is_there_twice_is_refused() {
    for header in [
        r#"{"alg":"RS256","kid":"k1","kid":"k1"}"#,
        r#"{"alg":"none","alg":"RS256","kid":"k1"}"#,
        r#"{"alg":"RS256","kid":"k1","x":1,"x":2}"#,
    ] {
        assert_eq!(
            malformed(header, &claims().to_string()).await,
            "it is not a JWT"
        );
    }
    let twice = claims()
        .to_string()
        .replacen('{', r#"{"sub":"another","#, 1);
    assert_eq!(malformed(HEADER, &twice).await, "it is not a JWT");
}

#[tokio::test]
async fn extensions_that_are_not_understood_are_refused() {
    for header in [
        r#"{"alg":"RS256","kid":"k1","crit":["exp"],"exp":1}"#,
        r#"{"alg":"RS256","kid":"k1","crit":[]}"#,
        r#"{"alg":"RS256","kid":"k1","zip":"DEF"}"#,
    ] {
        assert_eq!(
            malformed(header, &claims().to_string()).await,
            "its header has extensions that are not understood"
        );
    }
}

#[tokio::test]
async fn a_token_that_names_no_key_is_refused_though_one_would_fit() {
    for header in [r#"{"alg":"RS256"}"#, r#"{"alg":"RS256","kid":1}"#] {
        assert_eq!(
            malformed(header, &claims().to_string()).await,
            "it names no key"
        );
    }
}

#[tokio::test]
async fn a_token_that_is_too_long_is_refused_unread() {
    let long = with("filler", json!("a".repeat(16 * 1024))).to_string();
    assert_eq!(malformed(HEADER, &long).await, "it is longer than 16 KiB");
}

#[tokio::test]
async fn times_are_whole_numbers() {
    let wrong_type = "a claim is missing or has the wrong type";
    for name in ["exp", "nbf", "iat"] {
        for value in [
            "1800000000.5",
            "\"1800000000\"",
            "1e10",
            "null",
            "18446744073709551615",
        ] {
            let claims = with(name, json!("HERE"))
                .to_string()
                .replace("\"HERE\"", value);
            assert_eq!(
                malformed(HEADER, &claims).await,
                wrong_type,
                "{name}: {value}"
            );
        }
        let claims = with(name, json!(i64::MAX)).to_string();
        assert_eq!(
            malformed(HEADER, &claims).await,
            "a time is out of range",
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_token_that_was_issued_in_the_future_is_refused() {
    let token = signed(HEADER, &with("iat", json!(NOW + 31)).to_string());
    let text = refused(&token, &Key::issuers("k1")).await;
    assert_eq!(
        text,
        format!("the token is not valid before {}", at(NOW + 31))
    );
}

/// The keys of a set, by what a token says when it was signed with the one under
/// the id `k1`.
async fn with_set(keys: Json) -> Result<Caller, CallerRefusal> {
    let issuer = Issuer::publishing(&[]);
    issuer
        .documents
        .lock()
        .unwrap()
        .insert(JWKS_URI.to_owned(), json!({ "keys": keys }));
    CallerVerifier::with_documents(rules(), issuer)
        .verify_token(&signed(HEADER, &claims().to_string()), at(NOW))
        .await
}

#[tokio::test]
async fn an_id_that_two_keys_have_is_no_keys() {
    let (right, other) = (Key::issuers("k1").jwk(), Key::others("k1").jwk());
    let another = Key::others("k2").jwk();

    assert!(with_set(json!([right, another])).await.is_ok());
    for set in [
        json!([right, other, another]),
        json!([other, right, another]),
    ] {
        let refusal = with_set(set).await.expect_err("either could be meant");
        assert!(matches!(refusal, CallerRefusal::UnknownKey), "{refusal}");
    }
}

#[tokio::test]
async fn a_weak_key_is_no_key() {
    let (right, another) = (Key::issuers("k1").jwk(), Key::others("k2").jwk());
    let mut short = right.clone();
    short["n"] = json!(URL_SAFE_NO_PAD.encode([0xc5; 128]));
    let mut padded = right.clone();
    padded["n"] = json!(URL_SAFE_NO_PAD.encode([[0; 128], [0xc5; 128]].concat()));
    let with_exponent = |e: &[u8]| {
        let mut key = right.clone();
        key["e"] = json!(URL_SAFE_NO_PAD.encode(e));
        key
    };

    for (what, weak) in [
        ("1024 bits", short),
        ("1024 bits in the clothes of 2048", padded),
        ("an exponent of 1", with_exponent(&[1])),
        ("an exponent of 3", with_exponent(&[3])),
        ("an even exponent", with_exponent(&[1, 0, 2])),
        ("an endless exponent", with_exponent(&[1; 64])),
        ("no exponent", with_exponent(&[])),
    ] {
        let refusal = with_set(json!([weak, another])).await.expect_err(what);
        assert!(
            matches!(refusal, CallerRefusal::UnknownKey),
            "{what}: {refusal}"
        );
    }
}
