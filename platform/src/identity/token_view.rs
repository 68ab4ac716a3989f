//! A token as it may be shown: header and claims, never the signature, so that
//! what is shown cannot be used.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The decoded header and claims of a token. Nothing about it is verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenView {
    /// For example `{"alg":"RS256","kid":"..."}`.
    pub header: Value,
    /// For example `{"iss":"...","sub":"...","aud":"...","exp":1800000000}`.
    pub claims: Value,
}

impl TokenView {
    /// Decodes a JSON Web Token. `None` when the text is not one: an access
    /// token is the resource's business, and may be opaque.
    pub fn decode(token: &str) -> Option<Self> {
        let mut parts = token.trim().split('.');
        let header = decode_part(parts.next()?)?;
        let claims = decode_part(parts.next()?)?;
        parts.next()?;
        parts.next().is_none().then_some(Self { header, claims })
    }

    /// A claim that is a text.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }
}

fn decode_part(part: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    value.is_object().then_some(value)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A token with these claims that nobody signed.
    pub(crate) fn unsigned(claims: &Value) -> String {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "RS256", "kid": "k" }).to_string());
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        format!("{header}.{claims}.c2lnbmF0dXJl")
    }

    #[test]
    fn a_view_has_the_claims_and_not_the_signature() {
        let view = TokenView::decode(&unsigned(&json!({ "sub": "system:serviceaccount:a:b" })))
            .expect("a token");

        assert_eq!(view.claim("sub"), Some("system:serviceaccount:a:b"));
        assert!(
            !serde_json::to_string(&view)
                .expect("a view is JSON")
                .contains("c2lnbmF0dXJl")
        );
    }

    #[test]
    fn what_is_not_a_token_has_no_view() {
        for text in ["", "opaque", "a.b.c", "e30.e30", "e30.e30.x.y", "W10.e30.x"] {
            assert_eq!(TokenView::decode(text), None, "{text}");
        }
    }
}
