//! A token that is known again is judged like one that is new.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::gate::Audience;
use crate::keys::SigningKey;
use crate::testing::Fixture;

const VAULT: &str = "https://vault.azure.net";

/// A gate that has let this token through before.
fn known(fixture: &Fixture) -> String {
    let token = fixture.token("frontend", VAULT);
    judge(fixture, &token).expect("it is valid");
    assert_eq!(fixture.gate.shared.signatures.known(), 1);
    token
}

fn judge(fixture: &Fixture, token: &str) -> Result<String, TokenRefusal> {
    let caller = fixture
        .gate
        .authenticate(Some(token), &Audience::key_vault());
    caller.map(|caller| caller.name)
}

#[test]
fn a_token_is_known_again() {
    let fixture = Fixture::new();
    let token = known(&fixture);

    assert_eq!(judge(&fixture, &token), Ok("frontend".to_owned()));

    assert_eq!(fixture.gate.shared.signatures.known(), 1);
}

#[test]
fn a_known_token_that_expires_is_refused() {
    let fixture = Fixture::new();
    let token = known(&fixture);

    fixture.clock.advance(Duration::from_hours(24));

    assert_eq!(judge(&fixture, &token), Err(TokenRefusal::Expired));
}

#[test]
fn a_known_token_is_refused_by_another_resource() {
    let fixture = Fixture::new();
    let token = known(&fixture);

    let storage = Audience::storage("localstorage.blob.core.windows.net");
    let refused = fixture.gate.authenticate(Some(&token), &storage);

    let found = VAULT.to_owned();
    assert_eq!(
        refused.map(|caller| caller.name),
        Err(TokenRefusal::Audience { found })
    );
}

#[test]
fn a_known_token_is_refused_once_its_key_is_withdrawn() {
    let fixture = Fixture::with_keys(KeyRing::generate());
    let token = known(&fixture);
    let old = fixture.keys.current();

    fixture.keys.rotate();
    assert_eq!(judge(&fixture, &token), Ok("frontend".to_owned()));
    let withdrawn = fixture.keys.withdraw(old.kid(), fixture.clock.now());
    assert_eq!(withdrawn, Ok(()));

    assert_eq!(judge(&fixture, &token), Err(TokenRefusal::UnknownKey));
}

#[test]
fn what_is_only_like_a_known_token_is_not_known() {
    let fixture = Fixture::new();
    let token = known(&fixture);

    for altered in [
        format!("{token}A"),
        token[..token.len() - 1].to_owned(),
        token.replacen('.', "..", 1),
    ] {
        judge(&fixture, &altered).expect_err("it was altered");
    }

    assert_eq!(fixture.gate.shared.signatures.known(), 1);
}

#[test]
fn what_is_refused_for_its_signature_is_not_remembered() {
    let fixture = Fixture::new();
    let token = fixture.token("frontend", VAULT);
    let (message, _) = token.rsplit_once('.').expect("three parts");
    let stranger = SigningKey::generate();
    let signature = stranger.sign(&serde_json::json!({}), &serde_json::json!({}));
    let (_, signature) = signature.rsplit_once('.').expect("three parts");

    let refused = judge(&fixture, &format!("{message}.{signature}"));

    assert_eq!(refused, Err(TokenRefusal::Signature));
    assert_eq!(fixture.gate.shared.signatures.known(), 0);
}

#[test]
fn so_many_tokens_are_known_and_no_more() {
    let fixture = Fixture::new();
    let (token, now) = (known(&fixture), fixture.clock.now());
    let claims = fixture.gate.shared.signatures.check(&token, now);
    let signed = Signed {
        claims: claims.expect("it is valid"),
        key: fixture
            .keys
            .find(fixture.keys.current().kid(), now)
            .expect("it is published"),
    };
    let hash_of = |number: u32| hash(&number.to_string());
    let mut seen = Seen::default();

    for number in 0..5000 {
        seen.remember(hash_of(number), signed.clone());
        assert!(seen.of_late.len() + seen.before.len() <= 2 * OF_LATE);
        // What is used all the time stays.
        assert!(seen.find(&hash_of(0)).is_some(), "after {number}");
    }
    assert!(seen.find(&hash_of(4999)).is_some());
    assert!(seen.find(&hash_of(1)).is_none());
}

#[test]
fn garbage_leaves_nothing_but_bounded_records() {
    let fixture = Fixture::new();

    for number in 0..2000 {
        let garbage = match number % 3 {
            0 => format!("{number}"),
            1 => format!("{}.{}.{number}", "x".repeat(4000), "y".repeat(4000)),
            _ => {
                let token = fixture.keys.current().kid().to_owned();
                let header = format!(r#"{{"alg":"RS256","kid":"{token}"}}"#);
                let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
                format!(
                    "{}.{}.c2ln",
                    encode(&header),
                    encode(&format!(r#"{{"oid":{number}}}"#))
                )
            }
        };
        judge(&fixture, &garbage).expect_err("it is garbage");
    }

    assert_eq!(fixture.gate.shared.signatures.known(), 0);
    let extent = fixture.audit.extent();
    assert_eq!(extent.records, 2000);
    assert!(extent.bytes < 2000 * 512, "{extent:?}");
}
