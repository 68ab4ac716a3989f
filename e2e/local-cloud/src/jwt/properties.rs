//! What holds for any token, whatever is in it.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::keys::SigningKey;

/// The issuer's.
static KEY: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

/// One genuine token.
static GENUINE: LazyLock<String> = LazyLock::new(|| {
    sign(&json!({ "iss": "https://issuer.example/", "sub": "me", "aud": ["you"] }))
});

fn sign(claims: &Value) -> String {
    KEY.sign(&json!({ "alg": "RS256", "kid": KEY.kid() }), claims)
}

/// The claims of a text, if the issuer signed it.
fn read(token: &str) -> Option<Value> {
    let claims = Unverified::read(token).ok()?.verify(&KEY.jwk())?;
    Some(Value::Object(claims.0.into_iter().collect()))
}

/// Any JSON that could stand for a claim.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_taken_for_a_token_and_none_makes_the_reader_panic(text in any::<String>()) {
        prop_assert!(read(&text).is_none());
    }

    #[test]
    fn no_unsigned_json_is_taken_for_a_token(
        header in any_json(), claims in any_json(), signature in any::<Vec<u8>>(),
    ) {
        let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        let parts = [header.to_string().into_bytes(), claims.to_string().into_bytes(), signature];
        let token = parts.map(|part| encode(&part)).join(".");
        prop_assert!(read(&token).is_none());
    }

    #[test]
    fn a_token_with_any_one_byte_changed_is_refused(place in any::<prop::sample::Index>(), byte in 0_u8..128) {
        let mut altered = GENUINE.clone().into_bytes();
        let place = place.index(altered.len());
        prop_assume!(altered[place] != byte);
        altered[place] = byte;
        prop_assert!(read(std::str::from_utf8(&altered).expect("ASCII")).is_none());
    }

    #[test]
    fn a_token_with_any_bytes_left_out_or_put_in_is_refused(
        place in any::<prop::sample::Index>(), less in 0_usize..8, more in "[A-Za-z0-9_.=-]{0,8}",
    ) {
        let place = place.index(GENUINE.len());
        let end = (place + less).min(GENUINE.len());
        let altered = format!("{}{more}{}", &GENUINE[..place], &GENUINE[end..]);
        prop_assume!(altered != *GENUINE);
        prop_assert!(read(&altered).is_none());
    }
}

proptest! {
    // Each is signed, which takes its time.
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_issuer_signed_is_read_as_it_was_written(
        members in prop::collection::hash_map(any::<String>(), any_json(), 0..8),
    ) {
        let claims = Value::Object(members.into_iter().collect::<Map<_, _>>());
        prop_assert_eq!(read(&sign(&claims)), Some(claims));
    }
}

#[test]
fn a_token_with_any_bit_of_its_signature_changed_is_refused() {
    let (message, signature) = GENUINE.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    for bit in 0..signature.len() * 8 {
        let mut altered = signature.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(altered));
        assert!(read(&token).is_none(), "bit {bit}");
    }
}
