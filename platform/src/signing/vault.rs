//! One secret of a Key Vault, read through the official client: its versions, and
//! the value of one version.

use azure_security_keyvault_secrets::ResourceExt as _;
use azure_security_keyvault_secrets::models::{
    Secret, SecretClientGetSecretOptions, SecretProperties,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt as _;
use jsonwebtoken::{DecodingKey, EncodingKey};
use time::OffsetDateTime;

use super::versions::{Version, VersionId, Versions};
use crate::azure::{AzureFailure, Clients};

/// As many bytes as the hash has (RFC 7518, 3.2).
const SHORTEST_KEY_BYTES: usize = 32;

/// A key for both directions. It has no `Debug`, and its bytes are overwritten
/// when it is dropped.
pub(super) struct Key {
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
}

impl Key {
    /// Reads a secret's value: base64 of 32 bytes or more, as
    /// `openssl rand -base64 32` makes it.
    pub(super) fn read(value: &str) -> Option<Self> {
        let bytes = STANDARD.decode(value).ok()?;
        (bytes.len() >= SHORTEST_KEY_BYTES).then(|| Self {
            encoding: EncodingKey::from_secret(&bytes),
            decoding: DecodingKey::from_secret(&bytes),
        })
    }
}

/// What asking for a version's value came to.
pub(super) enum Value {
    /// The key.
    Key(Key),
    /// The version is disabled. No missing role: another 403.
    Disabled,
    /// The version has a value that is no key.
    NoKey,
}

/// Where versions and values come from: Key Vault, or a test.
#[async_trait::async_trait]
pub(super) trait Vault: Send + Sync {
    async fn versions(&self, secret: &str) -> Result<Versions, AzureFailure>;
    async fn value(&self, secret: &str, version: &VersionId) -> Result<Value, AzureFailure>;
}

/// Takes the role Key Vault Secrets User on the secret: `readMetadata` lists the
/// versions, `getSecret` gets one.
#[async_trait::async_trait]
impl Vault for Clients {
    async fn versions(&self, secret: &str) -> Result<Versions, AzureFailure> {
        let pager = self
            .secrets()
            .list_secret_properties_versions(secret, None)
            .map_err(AzureFailure::key_vault)?;
        let listed: Vec<SecretProperties> =
            pager.try_collect().await.map_err(AzureFailure::key_vault)?;
        Ok(Versions::new(listed.iter().filter_map(version).collect()))
    }

    async fn value(&self, secret: &str, version: &VersionId) -> Result<Value, AzureFailure> {
        let options = SecretClientGetSecretOptions {
            secret_version: Some(version.as_str().to_owned()),
            ..SecretClientGetSecretOptions::default()
        };
        let answer = async {
            self.secrets()
                .get_secret(secret, Some(options))
                .await?
                .into_model()
        };
        judged(answer.await.map_err(AzureFailure::key_vault))
    }
}

fn judged(answer: Result<Secret, AzureFailure>) -> Result<Value, AzureFailure> {
    match answer {
        Ok(secret) => Ok(secret
            .value
            .as_deref()
            .and_then(Key::read)
            .map_or(Value::NoKey, Value::Key)),
        Err(failure) if failure.code.as_deref() == Some("SecretDisabled") => Ok(Value::Disabled),
        Err(failure) => Err(failure),
    }
}

fn version(listed: &SecretProperties) -> Option<Version> {
    let id = listed.resource_id().ok()?.version?;
    let attributes = listed.attributes.as_ref()?;
    let created = attributes.created.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    Some(Version {
        id: VersionId::parse(&id)?,
        created,
        updated: attributes.updated.unwrap_or(created),
        enabled: attributes.enabled.unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::error::ErrorKind;
    use azure_core::http::headers::Headers;
    use azure_core::http::{RawResponse, StatusCode};
    use serde_json::json;

    #[test]
    fn a_key_is_base64_of_32_bytes_or_more() {
        assert!(Key::read(&STANDARD.encode([7; 32])).is_some());
        assert!(Key::read(&STANDARD.encode([7; 64])).is_some());

        assert!(Key::read(&STANDARD.encode([7; 31])).is_none());
        assert!(Key::read("").is_none());
        assert!(Key::read("a pass phrase, and a long one at that, of 50 letters").is_none());
    }

    fn forbidden(inner: &str) -> AzureFailure {
        let body = json!({ "error": { "code": "Forbidden", "message": "No.",
            "innererror": { "code": inner } } });
        AzureFailure::key_vault(azure_core::Error::with_message(
            ErrorKind::HttpResponse {
                status: StatusCode::Forbidden,
                error_code: Some("Forbidden".to_owned()),
                raw_response: Some(Box::new(RawResponse::from_bytes(
                    StatusCode::Forbidden,
                    Headers::new(),
                    body.to_string(),
                ))),
            },
            "an answer",
        ))
    }

    #[test]
    fn a_disabled_version_is_told_from_a_missing_role() {
        let disabled = judged(Err(forbidden("SecretDisabled")));
        let denied = judged(Err(forbidden("ForbiddenByRbac")));

        assert!(matches!(disabled, Ok(Value::Disabled)));
        let failure = denied.err().expect("a failure");
        assert_eq!(failure.refusal().as_deref(), Some("403 ForbiddenByRbac"));
    }

    #[test]
    fn a_listed_version_is_read_from_its_id_and_attributes() {
        let listed: SecretProperties = serde_json::from_value(json!({
            "id": "https://localvault.vault.azure.net/secrets/session-key/0123456789abcdef0123456789abcdef",
            "attributes": { "enabled": true, "created": 1_800_000_000, "updated": 1_800_000_060 },
        }))
        .expect("properties");

        let version = version(&listed).expect("a version");

        assert_eq!(version.id.as_str(), "0123456789abcdef0123456789abcdef");
        assert_eq!(version.created.unix_timestamp(), 1_800_000_000);
        assert_eq!(version.updated.unix_timestamp(), 1_800_000_060);
        assert!(version.enabled);
    }
}
