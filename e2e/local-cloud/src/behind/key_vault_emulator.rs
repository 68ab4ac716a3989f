//! An emulator of Key Vault, such as Lowkey Vault: it wants a token, and takes any.
//!
//! The emulator itself was not run here.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method};
use serde_json::json;
use time::OffsetDateTime;

use super::{Emulator, Wanted};
use crate::model::KeyVaultSpec;

/// What it gets instead of the caller's token. It is no secret: it says who asks.
const TOKEN: &str = "Bearer local-cloud";

const VERSION: &str = "7.4";

pub(super) struct KeyVaultEmulator {
    /// Each secret with the number of its random bytes.
    secrets: Vec<(String, usize)>,
}

impl KeyVaultEmulator {
    pub(super) fn new(spec: &KeyVaultSpec) -> Self {
        let secrets = spec.secrets.iter();
        Self {
            secrets: secrets
                .map(|(name, secret)| (name.clone(), secret.generate_bytes))
                .collect(),
        }
    }
}

impl Emulator for KeyVaultEmulator {
    fn sign(&self, request: &mut reqwest::Request, _now: OffsetDateTime) {
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static(TOKEN));
    }

    fn wanted(&self) -> Vec<Wanted> {
        let wanted = self.secrets.iter().map(|(name, bytes)| {
            let mut value = vec![0; *bytes];
            rand::fill(&mut value).expect("the system has random numbers");
            Wanted {
                what: format!("the secret `{name}`"),
                method: Method::PUT,
                target: format!("/secrets/{name}?api-version={VERSION}"),
                headers: HeaderMap::from_iter([(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("application/json"),
                )]),
                body: json!({ "value": STANDARD.encode(value) })
                    .to_string()
                    .into(),
            }
        });
        wanted.collect()
    }
}
