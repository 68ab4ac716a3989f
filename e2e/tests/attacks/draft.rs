//! A token in the making: a good one, until an attack changes it.

use std::net::SocketAddr;
use std::sync::LazyLock;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::control::Control;
use jsonwebtoken::{Algorithm, EncodingKey};
use local_cloud::control::Issuer;
use local_cloud::keys::SigningKey;
use serde_json::{Value, json};

/// The attacker's own key.
static STRANGER: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

/// Good tokens, for being presented where they do not belong.
pub(crate) struct Good {
    /// The frontend's for Entra ID.
    pub(crate) assertion: String,
    /// The frontend's for the backend.
    pub(crate) for_backend: String,
    /// The frontend's access token for Key Vault.
    pub(crate) for_vault: String,
}

/// Whose signature the token will bear.
pub(crate) enum Signature {
    /// The issuer's: of the cluster, or Entra ID.
    Issuers,
    /// The attacker's.
    Strangers,
    /// The one of the good token.
    Kept,
    /// HMAC with the issuer's public key as the secret, in this form.
    PublicKey(fn(&Value) -> Vec<u8>),
    /// These bytes.
    Bytes(Vec<u8>),
}

pub(crate) struct Draft<'a> {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    /// The claims as a text, where it is no JSON that a `Value` could hold.
    pub(crate) claims_text: Option<Vec<u8>>,
    pub(crate) header_text: Option<Vec<u8>>,
    pub(crate) signature: Signature,
    /// What is done to the token's text in the end.
    pub(crate) at_last: Box<dyn Fn(&str) -> String>,
    /// Good tokens of other kinds.
    pub(crate) good: &'a Good,
    /// Where somebody listens.
    pub(crate) ear: SocketAddr,
    issuer: Issuer,
    key: &'a Value,
    token: &'a str,
}

impl<'a> Draft<'a> {
    pub(crate) fn of(
        token: &'a str,
        (issuer, key): (Issuer, &'a Value),
        good: &'a Good,
        ear: SocketAddr,
    ) -> Result<Self> {
        let mut parts = token.split('.');
        let mut part = || decode(parts.next().context("a token has three parts")?);
        Ok(Self {
            header: part()?,
            claims: part()?,
            header_text: None,
            claims_text: None,
            signature: Signature::Issuers,
            at_last: Box::new(str::to_owned),
            good,
            ear,
            issuer,
            key,
            token,
        })
    }

    pub(crate) fn header(&mut self, name: &str, value: impl Into<Value>) {
        self.header[name] = value.into();
    }

    pub(crate) fn claim(&mut self, name: &str, value: impl Into<Value>) {
        self.claims[name] = value.into();
    }

    /// A claim's text; nothing when it is no text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.claims[name].as_str().unwrap_or_default().to_owned()
    }

    /// A claim that is not there.
    pub(crate) fn without(&mut self, name: &str) {
        if let Some(claims) = self.claims.as_object_mut() {
            claims.remove(name);
        }
    }

    /// A claim as it stands in a text of JSON, which need not be a `Value`.
    pub(crate) fn claim_text(&mut self, name: &str, text: &str) {
        self.claims[name] = "HERE".into();
        let claims = self.claims.to_string().replace("\"HERE\"", text);
        self.claims_text = Some(claims.into_bytes());
    }

    /// The attacker's key in place of the issuer's: under its name, or its own.
    pub(crate) fn by_stranger(&mut self) {
        self.signature = Signature::Strangers;
    }

    /// The id of the attacker's key.
    pub(crate) fn strangers_id() -> &'static str {
        STRANGER.kid()
    }

    /// The attacker's public key.
    pub(crate) fn strangers_jwk() -> Value {
        json!(STRANGER.jwk())
    }

    pub(crate) fn at_last(&mut self, change: impl Fn(&str) -> String + 'static) {
        self.at_last = Box::new(change);
    }

    /// Another token altogether.
    pub(crate) fn instead(&mut self, other: &str) {
        let other = other.to_owned();
        self.at_last = Box::new(move |_| other.clone());
    }

    /// The token.
    pub(crate) async fn finish(self, control: &Control) -> Result<String> {
        let text = |text: Option<Vec<u8>>, value: &Value| {
            text.unwrap_or_else(|| value.to_string().into_bytes())
        };
        let header = text(self.header_text, &self.header);
        let claims = text(self.claims_text, &self.claims);
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(&header),
            URL_SAFE_NO_PAD.encode(&claims)
        );
        let with = |signature: &str| format!("{message}.{signature}");
        let token = match self.signature {
            Signature::Issuers => control.forge(self.issuer, &header, &claims).await?,
            Signature::Strangers => STRANGER.sign_message(message.clone()),
            Signature::Kept => with(self.token.rsplit('.').next().unwrap_or_default()),
            Signature::Bytes(bytes) => with(&URL_SAFE_NO_PAD.encode(bytes)),
            Signature::PublicKey(form) => {
                let secret = EncodingKey::from_secret(&form(self.key));
                let message = message.as_bytes();
                let tag = jsonwebtoken::crypto::sign(message, &secret, Algorithm::HS256)?;
                with(&tag)
            }
        };
        Ok((self.at_last)(&token))
    }
}

pub(crate) fn decode(part: &str) -> Result<Value> {
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
}
