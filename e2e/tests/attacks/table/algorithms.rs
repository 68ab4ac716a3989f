//! The algorithm is the verifier's to choose, never the token's (RFC 8725, 2.1,
//! 3.1 and 3.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Attack, attack};
use crate::draft::{Draft, Signature};

pub(super) fn attacks() -> Vec<Attack> {
    let unsigned = |name, algorithm: &'static str| {
        attack(name, move |token| {
            token.header("alg", algorithm);
            token.signature = Signature::Bytes(Vec::new());
        })
        .shut(900_385, "TokenAlgorithm")
    };
    let other =
        |name, make: fn(&mut Draft<'_>)| attack(name, make).shut(5_002_730, "TokenAlgorithm");
    let named = |name, algorithm: &'static str| {
        let make = move |token: &mut Draft<'_>| token.header("alg", algorithm);
        attack(name, make).shut(5_002_730, "TokenAlgorithm")
    };
    vec![
        unsigned("alg none, unsigned", "none"),
        unsigned("alg None, unsigned", "None"),
        unsigned("alg nOnE, unsigned", "nOnE"),
        unsigned("alg NONE, unsigned", "NONE"),
        attack("alg none over the old signature", |token| {
            token.header("alg", "none");
            token.signature = Signature::Kept;
        })
        .shut(900_385, "TokenAlgorithm"),
        other("no alg", |token| {
            if let Some(header) = token.header.as_object_mut() {
                header.remove("alg");
            }
        }),
        other("an alg that is no text", |token| {
            token.header("alg", json!(["RS256"]))
        }),
        other(
            "HS256 with the public key's modulus as the secret",
            |token| {
                token.header("alg", "HS256");
                token.signature = Signature::PublicKey(modulus);
            },
        ),
        other("HS256 with the public key's JWK as the secret", |token| {
            token.header("alg", "HS256");
            token.signature = Signature::PublicKey(jwk);
        }),
        other("HS256 with an empty secret", |token| {
            token.header("alg", "HS256");
            token.signature = Signature::PublicKey(|_| Vec::new());
        }),
        named("PS256 in the header", "PS256"),
        named("ES256 in the header", "ES256"),
        named("RS1 in the header", "RS1"),
        named("RS384 in the header", "RS384"),
        named("EdDSA in the header", "EdDSA"),
        named("rs256 in small letters", "rs256"),
    ]
}

fn modulus(key: &Value) -> Vec<u8> {
    let modulus = key["n"].as_str().expect("a modulus");
    URL_SAFE_NO_PAD.decode(modulus).expect("base64url")
}

fn jwk(key: &Value) -> Vec<u8> {
    key.to_string().into_bytes()
}
