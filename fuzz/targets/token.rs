//! The two readers of tokens, that of the local cloud and that of the workload,
//! which share no code: no text makes either panic, both take the same texts for
//! tokens and read the same in them, and neither is ever shown a signature by a
//! key that nobody has.

#![no_main]

#[path = "../../e2e/local-cloud/src/jwt.rs"]
#[allow(dead_code, reason = "the fuzzer uses a part of it")]
mod jwt;
#[path = "../../e2e/local-cloud/src/keys/jwk.rs"]
#[allow(dead_code, reason = "the fuzzer uses a part of it")]
mod keys;
#[path = "../../e2e/local-cloud/src/unique_map.rs"]
mod unique_map;
#[path = "../../platform/src/caller/token.rs"]
mod workload;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use libfuzzer_sys::fuzz_target;

/// A public key whose private half was never kept.
const MODULUS: &str = include_str!("../modulus.txt");

// A text as it came, and its lines as the parts of a token: by chance alone
// base64 of JSON is seldom hit.
fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        compare(text);
    }
    let parts = bytes.splitn(3, |byte| *byte == b'\n');
    let parts: Vec<_> = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
    compare(&parts.join("."));
});

fn compare(text: &str) {
    let cloud = jwt::Unverified::read(text);
    let workload = workload::Unverified::read(text);
    let (cloud, workload) = match (cloud, workload) {
        (Ok(cloud), Ok(workload)) => (cloud, workload),
        (Err(_), Err(_)) => return,
        (cloud, workload) => panic!(
            "the cloud reads {:?}, the workload {:?}",
            cloud.map(drop),
            workload.map(drop)
        ),
    };
    assert_eq!(cloud.kid(), workload.kid());
    assert_eq!(
        cloud.claims().text("iss").unwrap_or_default(),
        workload.issuer()
    );
    let modulus = MODULUS.trim();
    let key = keys::Jwk {
        kty: "RSA".to_owned(),
        usage: "sig".to_owned(),
        kid: cloud.kid().to_owned(),
        alg: None,
        n: modulus.to_owned(),
        e: "AQAB".to_owned(),
    };
    assert!(cloud.verify(&key).is_none());
    let key = DecodingKey::from_rsa_components(modulus, "AQAB").expect("a key");
    assert!(workload.verify::<serde_json::Value>(&key).is_err());
}
