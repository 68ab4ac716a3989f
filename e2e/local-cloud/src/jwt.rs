//! Reading of tokens (JWS compact serialization), strictly, after RFC 8725:
//! the algorithm is ours to choose, never the token's; every part is what it
//! has to be or the token is refused as a whole.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::keys::Jwk;
use crate::unique_map::UniqueMap;

/// Longer tokens are refused unread. Ours; Azure's own bound is not documented.
const MAX_BYTES: usize = 16 * 1024;

/// A token that was read but not verified: only its key id may be acted on.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    kid: String,
    claims: Claims,
    message: &'a str,
    signature: Vec<u8>,
}

/// Why a token cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwtError {
    /// It has not the shape of a token.
    #[error("{0}")]
    Malformed(&'static str),
    /// It is signed with another algorithm than RS256, or not at all.
    #[error("the algorithm `{0}` is not accepted, only RS256")]
    Algorithm(String),
}

/// The claims of a token.
#[derive(Clone, Debug)]
pub(crate) struct Claims(std::collections::BTreeMap<String, Value>);

impl<'a> Unverified<'a> {
    /// Reads a token.
    pub(crate) fn read(token: &'a str) -> Result<Self, JwtError> {
        if token.len() > MAX_BYTES {
            return Err(JwtError::Malformed("the token is longer than 16 KiB"));
        }
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err(JwtError::Malformed("a token has three parts"));
        };
        let header = object(header)?;
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if algorithm != "RS256" {
            return Err(JwtError::Algorithm(algorithm.chars().take(32).collect()));
        }
        if header.contains_key("crit") || header.contains_key("zip") {
            return Err(JwtError::Malformed(
                "the header has extensions that are not understood",
            ));
        }
        let Some(kid) = header.get("kid").and_then(Value::as_str) else {
            return Err(JwtError::Malformed("the header names no key (kid)"));
        };
        let claims = Claims(object(claims)?);
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| JwtError::Malformed("the signature is not base64url"))?;
        let message = &token[..token.rfind('.').unwrap_or_default()];
        Ok(Self {
            kid: kid.to_owned(),
            claims,
            message,
            signature,
        })
    }

    /// The id of the key that the token says it was signed with.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The claims before anything is verified: for choosing what to verify
    /// against, and for error texts. Never for a decision to let through.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The claims, if the key made the signature.
    pub(crate) fn verify(self, key: &Jwk) -> Option<Claims> {
        let signed = key.kid == self.kid && key.verifies(self.message.as_bytes(), &self.signature);
        signed.then_some(self.claims)
    }
}

impl Claims {
    /// A claim as text, or nothing if it is missing or something else.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Whether there is a claim of this name, whatever it is.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A claim that is a list of texts; empty if it is missing or something else.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.0.get(name).and_then(Value::as_array);
        let texts = texts.map(|texts| texts.iter().map(|one| one.as_str().map(str::to_owned)));
        texts
            .and_then(Iterator::collect::<Option<Vec<_>>>)
            .unwrap_or_default()
    }

    /// A claim as whole seconds since the epoch; fractions, negative numbers and
    /// text are not times.
    pub(crate) fn seconds(&self, name: &str) -> Option<i64> {
        self.0
            .get(name)
            .and_then(Value::as_u64)
            .and_then(|seconds| i64::try_from(seconds).ok())
    }

    /// The one audience, as text or as an array of one; several are refused.
    pub(crate) fn audience(&self) -> Option<&str> {
        match self.0.get("aud")? {
            Value::String(one) => Some(one),
            Value::Array(several) => match &several[..] {
                [Value::String(one)] => Some(one),
                _ => None,
            },
            _ => None,
        }
    }
}

fn object(part: &str) -> Result<std::collections::BTreeMap<String, Value>, JwtError> {
    let json = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| JwtError::Malformed("a part is not base64url"))?;
    serde_json::from_slice::<UniqueMap<Value>>(&json)
        .map(|map| map.0)
        .map_err(|_| JwtError::Malformed("a part is not a JSON object without repeated members"))
}

#[cfg(test)]
#[path = "jwt/properties.rs"]
mod properties;
#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::keys::SigningKey;

    fn encode(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn refusal(header: &str, claims: &str) -> JwtError {
        let token = format!("{}.{}.c2ln", encode(header), encode(claims));
        Unverified::read(&token).expect_err("the token is refused")
    }

    #[test]
    fn a_signed_token_is_verified_by_its_own_key_only() {
        let (key, other) = (SigningKey::generate(), SigningKey::generate());
        let token = key.sign(
            &json!({ "alg": "RS256", "kid": key.kid() }),
            &json!({ "sub": "me", "aud": ["you"] }),
        );

        let read = || Unverified::read(&token).expect("the token is well-formed");
        let claims = read().verify(&key.jwk()).expect("the key made it");
        assert_eq!(claims.text("sub"), Some("me"));
        assert_eq!(claims.audience(), Some("you"));
        let renamed = Jwk {
            kid: key.kid().to_owned(),
            ..other.jwk()
        };
        assert!(read().verify(&renamed).is_none());
        assert!(read().verify(&other.jwk()).is_none());
        let under_another_id = Jwk {
            kid: "another".to_owned(),
            ..key.jwk()
        };
        assert!(read().verify(&under_another_id).is_none());
    }

    #[test]
    fn only_rs256_is_accepted() {
        for algorithm in [
            "none", "None", "nOnE", "HS256", "PS256", "RS384", "ES256", "",
        ] {
            assert_eq!(
                refusal(&format!(r#"{{"alg":"{algorithm}","kid":"k"}}"#), "{}"),
                JwtError::Algorithm(algorithm.to_owned())
            );
        }
    }

    #[test]
    fn repeated_members_unknown_extensions_and_missing_key_ids_are_refused() {
        let twice = JwtError::Malformed("a part is not a JSON object without repeated members");
        assert_eq!(
            refusal(r#"{"alg":"RS256","kid":"k"}"#, r#"{"aud":"a","aud":"b"}"#),
            twice
        );
        let extension = JwtError::Malformed("the header has extensions that are not understood");
        for header in [
            r#"{"alg":"RS256","kid":"k","crit":["b64"]}"#,
            r#"{"alg":"RS256","kid":"k","zip":"DEF"}"#,
        ] {
            assert_eq!(refusal(header, "{}"), extension, "{header}");
        }
        let no_key = JwtError::Malformed("the header names no key (kid)");
        assert_eq!(refusal(r#"{"alg":"RS256"}"#, "{}"), no_key);
    }

    #[test]
    fn padding_white_space_and_missing_parts_are_refused() {
        for token in [
            "",
            "a",
            "a.b",
            "a.b.c.d",
            "e30=.e30=.c2ln",
            " e30.e30.c2ln",
            "e30.e30.c2ln\n",
        ] {
            assert!(
                matches!(
                    Unverified::read(token),
                    Err(JwtError::Malformed(_) | JwtError::Algorithm(_))
                ),
                "{token:?}"
            );
        }
    }

    #[test]
    fn a_token_is_refused_for_its_form_alone() {
        let good = format!(
            "{}.{}.c2ln",
            encode(r#"{"alg":"RS256","kid":"k"}"#),
            encode("{}")
        );
        Unverified::read(&good).expect("the token is well-formed");

        for (token, why) in [
            (format!("{good}.c2ln"), "a token has three parts"),
            (format!("{good}="), "the signature is not base64url"),
            (
                format!("{good}{}", "A".repeat(MAX_BYTES)),
                "the token is longer than 16 KiB",
            ),
        ] {
            let refused = Unverified::read(&token).expect_err(why);
            assert_eq!(refused, JwtError::Malformed(why));
        }
    }

    #[test]
    fn several_audiences_are_none() {
        let claims = |text: &str| Claims(serde_json::from_str(text).expect("valid"));
        assert_eq!(claims(r#"{"aud":["a"]}"#).audience(), Some("a"));
        for not_one in [
            r#"{"aud":["a","b"]}"#,
            r#"{"aud":[]}"#,
            r#"{"aud":1}"#,
            "{}",
        ] {
            assert_eq!(claims(not_one).audience(), None, "{not_one}");
        }
    }

    #[test]
    fn a_time_is_a_whole_number_of_seconds() {
        let claims = |text: &str| Claims(serde_json::from_str(text).expect("valid"));
        assert_eq!(claims(r#"{"exp":5}"#).seconds("exp"), Some(5));
        for not_a_time in [
            r#"{"exp":5.5}"#,
            r#"{"exp":-5}"#,
            r#"{"exp":"5"}"#,
            r#"{"exp":1e99}"#,
            "{}",
        ] {
            assert_eq!(claims(not_a_time).seconds("exp"), None, "{not_a_time}");
        }
    }
}
