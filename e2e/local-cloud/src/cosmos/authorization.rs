//! Cosmos DB's `Authorization` header: `type=aad&ver=1.0&sig=<token>`, as a
//! whole form-encoded (Rust's client) or raw (Python's and JavaScript's).

use http::HeaderValue;
use percent_encoding::percent_decode;

use super::refusal::Refusal;

/// What a request authenticates with.
pub(super) enum Credential {
    /// A token of Entra ID.
    Entra(String),
    /// The account's key, or a token made from it. This account takes neither.
    AccountKey,
}

impl Credential {
    /// Reads the header; it is never part of an error.
    pub(super) fn of(header: Option<&HeaderValue>) -> Result<Self, Refusal> {
        let header = header.ok_or_else(Refusal::missing_authorization)?;
        let decoded = percent_decode(header.as_bytes())
            .decode_utf8()
            .map_err(|_| Refusal::malformed_authorization())?;
        let field = |name: &str| {
            decoded
                .split('&')
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        match (field("type"), field("ver"), field("sig")) {
            (Some("aad"), Some("1.0"), Some(token)) => Ok(Self::Entra(token.to_owned())),
            (Some("master" | "resource"), Some(_), Some(_)) => Ok(Self::AccountKey),
            _ => Err(Refusal::malformed_authorization()),
        }
    }
}
