//! What holds for any token, whatever is in it.

use super::*;
use jsonwebtoken::DecodingKey;
use proptest::prelude::*;

/// The claims of a text, if these keys signed it.
fn read(token: &str) -> Result<Json, TokenError> {
    static KEY: LazyLock<DecodingKey> = LazyLock::new(|| {
        let jwk = Key::issuers("k1").jwk();
        let part = |name: &str| jwk[name].as_str().expect("a text").to_owned();
        DecodingKey::from_rsa_components(&part("n"), &part("e")).expect("a key")
    });
    Unverified::read(token)?.verify(&KEY)
}

/// Any JSON that could stand for a claim.
fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// One genuine token, and each of its bytes by its place.
static GENUINE: LazyLock<String> = LazyLock::new(|| Key::issuers("k1").sign(&claims()));

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_taken_for_a_token_and_none_makes_the_reader_panic(text in any::<String>()) {
        prop_assert!(read(&text).is_err());
    }

    #[test]
    fn no_unsigned_json_is_taken_for_a_token(header in json(), claims in json(), signature in any::<Vec<u8>>()) {
        let token = format!("{}.{}", message(&header, &claims), URL_SAFE_NO_PAD.encode(signature));
        prop_assert!(read(&token).is_err());
    }

    #[test]
    fn a_token_with_any_one_byte_changed_is_refused(place in any::<prop::sample::Index>(), byte in 0_u8..128) {
        let mut altered = GENUINE.clone().into_bytes();
        let place = place.index(altered.len());
        prop_assume!(altered[place] != byte);
        altered[place] = byte;
        prop_assert!(read(std::str::from_utf8(&altered).expect("ASCII")).is_err());
    }

    #[test]
    fn a_token_with_any_bytes_left_out_or_put_in_is_refused(
        place in any::<prop::sample::Index>(), less in 0_usize..8, more in "[A-Za-z0-9_.=-]{0,8}",
    ) {
        let place = place.index(GENUINE.len());
        let end = (place + less).min(GENUINE.len());
        let altered = format!("{}{more}{}", &GENUINE[..place], &GENUINE[end..]);
        prop_assume!(altered != *GENUINE);
        prop_assert!(read(&altered).is_err());
    }
}

proptest! {
    // Each is signed, which takes its time.
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_issuer_signed_is_read_as_it_was_written(
        members in prop::collection::hash_map(any::<String>(), json(), 0..8),
    ) {
        let claims = Json::Object(members.into_iter().collect());
        prop_assert_eq!(read(&Key::issuers("k1").sign(&claims)).ok(), Some(claims));
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
        assert!(read(&token).is_err(), "bit {bit}");
    }
}
