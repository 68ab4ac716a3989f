//! Reading a caller's token (JWS compact serialization), strictly, after RFC
//! 8725: the algorithm is ours to choose, never the token's, and a token of which
//! two readers could think differently is refused as a whole.
//!
//! It knows nothing else of this crate, so that the fuzzer can take this file alone.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

/// A longer token is refused unread. One of Kubernetes has about 1 KiB.
const LONGEST: usize = 16 * 1024;

/// Why a token is not believed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TokenError {
    /// It has not the form of a token, or a claim has not the form that is needed.
    Malformed(&'static str),
    /// It is signed with another algorithm than RS256, or not at all.
    Algorithm(String),
    /// The key did not make the signature.
    Signature,
}

/// A token that was read and not verified: nothing in it is believed.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    kid: String,
    claims: BTreeMap<String, Value>,
    message: &'a str,
    signature: &'a str,
}

impl<'a> Unverified<'a> {
    pub(crate) fn read(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Malformed("it is longer than 16 KiB"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NOT_A_JWT);
        };
        let header = members(header)?;
        let claims = members(claims)?;
        let text = |name| header.get(name).and_then(Value::as_str);
        let algorithm = text("alg").unwrap_or_default();
        if algorithm != "RS256" {
            return Err(TokenError::Algorithm(algorithm.chars().take(32).collect()));
        }
        // RFC 7515, 4.1.11: what must be understood and is not.
        if header.contains_key("crit") || header.contains_key("zip") {
            return Err(TokenError::Malformed(
                "its header has extensions that are not understood",
            ));
        }
        let kid = text("kid").ok_or(TokenError::Malformed("it names no key"))?;
        if URL_SAFE_NO_PAD.decode(signature).is_err() {
            return Err(TokenError::Malformed("its signature is not base64url"));
        }
        Ok(Self {
            kid: kid.to_owned(),
            claims,
            message: &token[..token.len() - signature.len() - 1],
            signature,
        })
    }

    /// The key that it says it was signed with.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The issuer that it names; empty when it names none.
    pub(crate) fn issuer(&self) -> &str {
        let issuer = self.claims.get("iss").and_then(Value::as_str);
        issuer.unwrap_or_default()
    }

    /// The claims, if this key made the signature.
    pub(crate) fn verify<T: DeserializeOwned>(self, key: &DecodingKey) -> Result<T, TokenError> {
        let message = self.message.as_bytes();
        let fits = jsonwebtoken::crypto::verify(self.signature, message, key, Algorithm::RS256);
        if !fits.is_ok_and(|fits| fits) {
            return Err(TokenError::Signature);
        }
        let claims = Value::Object(self.claims.into_iter().collect());
        serde_json::from_value(claims)
            .map_err(|_| TokenError::Malformed("a claim is missing or has the wrong type"))
    }
}

const NOT_A_JWT: TokenError = TokenError::Malformed("it is not a JWT");

fn members(part: &str) -> Result<BTreeMap<String, Value>, TokenError> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| NOT_A_JWT)?;
    let members: Members = serde_json::from_slice(&json).map_err(|_| NOT_A_JWT)?;
    Ok(members.0)
}

/// The members of a JSON object, each of which stands there once (RFC 7519, 4).
struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;

        impl<'de> Visitor<'de> for Once {
            type Value = BTreeMap<String, Value>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is there twice"));
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Once).map(Self)
    }
}
