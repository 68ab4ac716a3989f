//! Tokens as an attacker would make them, from a good one.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use local_cloud::keys::SigningKey;
use serde_json::{Value, json};

/// The attacker's own.
static KEY: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

/// Other claims under the old signature.
pub(crate) fn tampered(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let [header, claims, signature] = parts(token);
    let mut claims = decode(claims);
    change(&mut claims);
    format!("{header}.{}.{signature}", encode(&claims))
}

/// No signature, and a header that says so.
pub(crate) fn unsigned(token: &str) -> String {
    let [header, claims, _] = parts(token);
    let mut header = decode(header);
    header["alg"] = "none".into();
    format!("{}.{claims}.", encode(&header))
}

/// HS256 with the issuer's published key as the shared secret: taken by who lets
/// the token choose the algorithm.
pub(crate) fn signed_with_the_public_key(token: &str, key: &Value) -> String {
    let [_, claims, _] = parts(token);
    let header = Header {
        kid: key["kid"].as_str().map(str::to_owned),
        ..Header::new(Algorithm::HS256)
    };
    let modulus = key["n"].as_str().expect("a modulus");
    let modulus = URL_SAFE_NO_PAD.decode(modulus).expect("base64url");
    let secret = EncodingKey::from_secret(&modulus);
    jsonwebtoken::encode(&header, &decode(claims), &secret).expect("signed")
}

/// The token's claims, changed, signed by a key of the attacker's own that calls
/// itself `kid`, or by its true name.
pub(crate) fn signed_by_another_key(
    token: &str,
    kid: Option<&Value>,
    change: impl FnOnce(&mut Value),
) -> String {
    let [_, claims, _] = parts(token);
    let mut claims = decode(claims);
    change(&mut claims);
    let kid = kid.cloned().unwrap_or_else(|| KEY.kid().into());
    KEY.sign(
        &json!({ "typ": "JWT", "alg": "RS256", "kid": kid }),
        &claims,
    )
}

fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<_> = token.split('.').collect();
    parts.try_into().expect("a token has three parts")
}

fn decode(part: &str) -> Value {
    let json = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&json).expect("JSON")
}

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}
