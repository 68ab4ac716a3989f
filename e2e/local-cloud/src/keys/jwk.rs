//! One public key of a key set.
//!
//! It knows nothing else of this crate, so that the fuzzer can take this file alone.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// A public RSA key in a key set (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// The key type.
    pub kty: String,
    /// What the key is for.
    #[serde(rename = "use", default)]
    pub usage: String,
    /// The key's id.
    pub kid: String,
    /// The algorithm that the key is for, where the issuer says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// The modulus, base64url.
    pub n: String,
    /// The exponent, base64url.
    pub e: String,
}

impl Jwk {
    /// Whether signatures may be verified by this key: it is an RSA key for RS256,
    /// with a modulus of 2048 bits or more and an exponent as it should be (RFC
    /// 8725, section 3.5; FIPS 186-5, section 5.4).
    pub(crate) fn is_for_rs256(&self) -> bool {
        let (Ok(n), Ok(e)) = (
            URL_SAFE_NO_PAD.decode(&self.n),
            URL_SAFE_NO_PAD.decode(&self.e),
        ) else {
            return false;
        };
        let bits = match n.first() {
            Some(first) if *first != 0 => n.len() * 8 - first.leading_zeros() as usize,
            _ => 0,
        };
        let exponent = e
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let strong = (2048..=8192).contains(&bits)
            && (1..=4).contains(&e.len())
            && exponent >= 65_537
            && exponent % 2 == 1;
        self.is_for_signatures() && strong
    }

    fn is_for_signatures(&self) -> bool {
        self.kty == "RSA"
            && (self.usage.is_empty() || self.usage == "sig")
            && self.alg.as_deref().is_none_or(|alg| alg == "RS256")
    }

    /// Whether `signature` over `message` was made by this key with RS256. A
    /// key that is not for RSA signatures, or is shorter than 2048 bits, never
    /// verifies anything (RFC 8725, section 3.5).
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let (Ok(n), Ok(e)) = (
            URL_SAFE_NO_PAD.decode(&self.n),
            URL_SAFE_NO_PAD.decode(&self.e),
        ) else {
            return false;
        };
        self.is_for_signatures()
            && RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok()
    }
}
