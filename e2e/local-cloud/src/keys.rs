//! RSA signing keys, and the JSON Web Key Sets in which their public halves are
//! published. A private key lives in memory only and cannot be read out.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, DistinguishedName, DnType, PublicKeyData};
use serde_json::{Value, json};

mod jwk;
mod ring;

pub use jwk::Jwk;
pub use ring::{KeyRing, KeyState, NotWithdrawn, PublishedKey};

/// One RSA-2048 key, as one issuer uses it.
pub struct SigningKey {
    jwk: Arc<Jwk>,
    pair: KeyPair,
    certificate: OnceLock<String>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid())
    }
}

impl SigningKey {
    /// Makes a new key. Its id is derived from the public half as Kubernetes
    /// does it: base64url of SHA-256 over the DER of `SubjectPublicKeyInfo`.
    pub fn generate() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("the crypto provider makes RSA keys");
        let spki: PublicKeyX509Der<'_> = pair
            .public_key()
            .as_der()
            .expect("a public key has a DER form");
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let public = pair.public_key();
        let jwk = Jwk {
            kty: "RSA".to_owned(),
            usage: "sig".to_owned(),
            kid: encode(digest::digest(&digest::SHA256, spki.as_ref()).as_ref()),
            alg: Some("RS256".to_owned()),
            n: encode(public.modulus().big_endian_without_leading_zero()),
            e: encode(public.exponent().big_endian_without_leading_zero()),
        };
        Self {
            jwk: Arc::new(jwk),
            pair,
            certificate: OnceLock::new(),
        }
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.jwk.kid
    }

    /// The public half, as it is published.
    pub fn jwk(&self) -> Jwk {
        Jwk::clone(&self.jwk)
    }

    /// A certificate for the key, which the key itself has signed: base64 of its
    /// DER form, as `x5c` has it.
    pub(crate) fn certificate(&self) -> &str {
        self.certificate.get_or_init(|| {
            let mut parameters = CertificateParams::default();
            parameters.distinguished_name = DistinguishedName::new();
            parameters
                .distinguished_name
                .push(DnType::CommonName, "local cloud, not Azure");
            let certificate = parameters
                .self_signed(self)
                .expect("an RSA-2048 key signs a certificate");
            STANDARD.encode(certificate.der())
        })
    }

    /// Signs a token (JWS compact serialization, RS256).
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        self.sign_message(format!("{}.{}", encode(header), encode(claims)))
    }

    /// Signs the first two parts of a token, whatever they are, and adds the third.
    pub fn sign_message(&self, mut message: String) -> String {
        let signature = self
            .signature(message.as_bytes())
            .expect("an RSA-2048 key signs");
        message.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut message);
        message
    }
}

impl SigningKey {
    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair
            .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
        Ok(signature)
    }
}

impl PublicKeyData for SigningKey {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl rcgen::SigningKey for SigningKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.signature(message)
            .map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// A key set document.
pub fn jwks(keys: &[Jwk]) -> Value {
    json!({ "keys": keys })
}

#[cfg(test)]
mod tests {
    use super::*;

    // The public half of a 1024-bit key that was thrown away, and what it made
    // of `message` with RS256.
    const SHORT_MODULUS: &str = concat!(
        "4DkSWRW2Oqoqk0YABYzteUdrtP_-63t8WeIadsWOQcwHnOHaXJ1ewHampe2At5NL57pb2NEPVVf6TmMzJAL_h",
        "APgGjIzb_b50MRZL0biV7y77TvJmxXPIfOXKPKeCoVwNdWD66AJe3oBj0OAWpUkmpz_miq3u08ywHXxq98-2Zc"
    );
    const SHORT_SIGNATURE: &str = concat!(
        "iDYRa35YBbg24GirqJ_kHUkBANQHFCbRCMW-bCAuAVLpQdlPGqjdhAIYm3qb2Afsf3Wgp3mDjwL1YhociwIvM",
        "AbnG01HKQEAn-PQEcL5bPuSqoX9D9shdiJ-8sOHEUDLEYHpHl5v88WWNxfrx2Vu1aIkOM91TBv4bio5EQ-R_mI"
    );

    /// A token's message, and the signature that the key made of it.
    fn signed(key: &SigningKey) -> (String, Vec<u8>) {
        let token = key.sign(&json!({ "alg": "RS256" }), &json!({}));
        let (message, signature) = token.rsplit_once('.').expect("three parts");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        (message.to_owned(), signature)
    }

    #[test]
    fn a_key_that_is_not_for_signatures_with_rs256_verifies_nothing() {
        let key = SigningKey::generate();
        let (message, signature) = signed(&key);
        let verifies = |jwk: &Jwk| jwk.verifies(message.as_bytes(), &signature);
        let silent = Jwk {
            usage: String::new(),
            alg: None,
            ..key.jwk()
        };
        assert!(verifies(&key.jwk()) && verifies(&silent));

        for other in [
            Jwk {
                kty: "EC".to_owned(),
                ..key.jwk()
            },
            Jwk {
                usage: "enc".to_owned(),
                ..key.jwk()
            },
            Jwk {
                alg: Some("RSA-OAEP".to_owned()),
                ..key.jwk()
            },
        ] {
            assert!(!verifies(&other), "{other:?}");
        }
    }

    #[test]
    fn a_key_shorter_than_2048_bits_verifies_nothing() {
        let jwk = Jwk {
            n: SHORT_MODULUS.to_owned(),
            ..SigningKey::generate().jwk()
        };
        let signature = URL_SAFE_NO_PAD.decode(SHORT_SIGNATURE).expect("base64url");

        assert!(!jwk.verifies(b"message", &signature));
    }

    #[test]
    fn a_key_is_strong_or_it_is_not_for_rs256() {
        let key = SigningKey::generate().jwk();
        assert!(key.is_for_rs256());
        let long = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
        for n in [long(256), long(1024)] {
            assert!(Jwk { n, ..key.clone() }.is_for_rs256());
        }
        for n in [
            SHORT_MODULUS.to_owned(),
            long(255),
            long(1025),
            String::new(),
            "!".to_owned(),
        ] {
            assert!(
                !Jwk {
                    n: n.clone(),
                    ..key.clone()
                }
                .is_for_rs256(),
                "{n}"
            );
        }
        // 1, 3, 65536, an even one beyond it, five bytes.
        for e in ["AQ", "Aw", "AQAA", "AQAC", "AQAAAAE", "", "!"] {
            let e = e.to_owned();
            assert!(
                !Jwk {
                    e: e.clone(),
                    ..key.clone()
                }
                .is_for_rs256(),
                "{e}"
            );
        }
    }
}
