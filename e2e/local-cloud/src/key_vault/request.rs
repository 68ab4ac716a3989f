//! Reading a request to the vault: which operation it is, what that takes, its
//! parameters and its body.

use std::collections::BTreeMap;

use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, HeaderMap};
use http::{Method, Uri};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;

use super::engine::{Change, SecretValue};
use super::refusal::Refusal;
use crate::roles::Permission;

const GET: Permission =
    Permission::DataAction("Microsoft.KeyVault/vaults/secrets/getSecret/action");
const SET: Permission =
    Permission::DataAction("Microsoft.KeyVault/vaults/secrets/setSecret/action");
const READ_METADATA: Permission =
    Permission::DataAction("Microsoft.KeyVault/vaults/secrets/readMetadata/action");
const UPDATE: Permission =
    Permission::DataAction("Microsoft.KeyVault/vaults/secrets/update/action");

/// A secret's value is at most 25 KB (Microsoft Learn, *About Azure Key Vault
/// secrets*); whether Azure counts 1000 or 1024 is assumed.
const MAX_VALUE_BYTES: usize = 25 * 1024;
/// Room for the value, escaped, and its tags.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// Documented: the default, and the most, that a page holds.
const PAGE_SIZE: usize = 25;

/// An operation that the local cloud plays. Versions are `None` for the current one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    List,
    ListVersions {
        name: String,
    },
    Get {
        name: String,
        version: Option<String>,
    },
    Set {
        name: String,
    },
    Update {
        name: String,
        version: Option<String>,
    },
}

impl Route {
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        let segments: Vec<String> = path
            .strip_prefix('/')?
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8().map(Into::into))
            .collect::<Result<_, _>>()
            .ok()?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        // The official clients end the path of the current version with a slash.
        let version = |version: &str| (!version.is_empty()).then(|| version.to_owned());
        match (method, segments.as_slice()) {
            (&Method::GET, ["secrets"] | ["secrets", ""]) => Some(Self::List),
            (&Method::GET, ["secrets", name, "versions"]) => Some(Self::ListVersions {
                name: (*name).to_owned(),
            }),
            (&Method::GET, ["secrets", name]) => Some(Self::Get {
                name: (*name).to_owned(),
                version: None,
            }),
            (&Method::GET, ["secrets", name, v]) => Some(Self::Get {
                name: (*name).to_owned(),
                version: version(v),
            }),
            (&Method::PUT, ["secrets", name] | ["secrets", name, ""]) => Some(Self::Set {
                name: (*name).to_owned(),
            }),
            (&Method::PATCH, ["secrets", name]) => Some(Self::Update {
                name: (*name).to_owned(),
                version: None,
            }),
            (&Method::PATCH, ["secrets", name, v]) => Some(Self::Update {
                name: (*name).to_owned(),
                version: version(v),
            }),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::List => None,
            Self::ListVersions { name }
            | Self::Get { name, .. }
            | Self::Set { name }
            | Self::Update { name, .. } => Some(name),
        }
    }

    /// The operation's name in the REST reference, and the data action that it
    /// takes (Microsoft Learn, *Azure permissions for Security*).
    pub(super) fn needs(&self) -> (&'static str, Permission) {
        match self {
            Self::List => ("GetSecrets", READ_METADATA),
            Self::ListVersions { .. } => ("GetSecretVersions", READ_METADATA),
            Self::Get { .. } => ("GetSecret", GET),
            Self::Set { .. } => ("SetSecret", SET),
            Self::Update { .. } => ("UpdateSecret", UPDATE),
        }
    }
}

/// The parameters of a request. Their keys may be percent-encoded: JavaScript's
/// client sends `api%2Dversion`.
pub(super) struct Query {
    pub(super) api_version: String,
    pub(super) most: usize,
    pub(super) after: Option<String>,
}

impl Query {
    pub(super) fn of(uri: &Uri) -> Result<Self, Refusal> {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let parameters: BTreeMap<_, _> = pairs.into_owned().collect();
        // The texts of these refusals are assumed.
        let api_version = parameters
            .get("api-version")
            .filter(|version| !version.is_empty())
            .ok_or_else(|| Refusal::BadParameter("api-version must be specified".to_owned()))?;
        let most = match parameters.get("maxresults") {
            None => PAGE_SIZE,
            Some(text) => text
                .parse()
                .ok()
                .filter(|most| (1..=PAGE_SIZE).contains(most))
                .ok_or_else(|| {
                    Refusal::BadParameter(format!(
                        "maxresults must be between 1 and {PAGE_SIZE}: {text}"
                    ))
                })?,
        };
        let after = parameters.get("$skiptoken").map(|token| {
            let bytes = URL_SAFE_NO_PAD.decode(token).ok();
            bytes
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| Refusal::BadParameter("Invalid continuation token".to_owned()))
        });
        Ok(Self {
            api_version: api_version.clone(),
            most,
            after: after.transpose()?,
        })
    }
}

/// The body of a set or an update. What is not named here is not played.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretBody {
    value: Option<String>,
    content_type: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    attributes: Option<Attributes>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Attributes {
    enabled: Option<bool>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

pub(super) async fn read_set(body: Body) -> Result<(SecretValue, Change), Refusal> {
    let mut body = read(body, "SetSecret").await?;
    let value = body.value.take().ok_or_else(|| {
        Refusal::BadParameter("The parameter value is missing or null".to_owned())
    })?;
    if value.len() > MAX_VALUE_BYTES {
        return Err(Refusal::BadParameter(format!(
            "The secret's value is longer than {MAX_VALUE_BYTES} bytes"
        )));
    }
    Ok((SecretValue::new(value), body.change()))
}

pub(super) async fn read_update(body: Body) -> Result<Change, Refusal> {
    let body = read(body, "UpdateSecret").await?;
    if body.value.is_some() {
        return Err(Refusal::PropertyNotPlayed(
            "UpdateSecret",
            "value".to_owned(),
        ));
    }
    Ok(body.change())
}

async fn read(body: Body, operation: &'static str) -> Result<SecretBody, Refusal> {
    let bytes = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| {
        Refusal::BadParameter(format!("The body is longer than {MAX_BODY_BYTES} bytes"))
    })?;
    // The parser's own message could quote the value.
    let body: SecretBody = serde_json::from_slice(&bytes)
        .map_err(|_| Refusal::BadParameter("The body is not the expected JSON".to_owned()))?;
    let attributes = body.attributes.iter().flat_map(|a| a.others.keys());
    match body.others.keys().chain(attributes).next() {
        Some(property) => Err(Refusal::PropertyNotPlayed(operation, property.clone())),
        None => Ok(body),
    }
}

impl SecretBody {
    fn change(self) -> Change {
        Change {
            enabled: self.attributes.and_then(|attributes| attributes.enabled),
            content_type: self.content_type,
            tags: self.tags,
        }
    }
}

/// The token of `Authorization: Bearer`; any other scheme counts as none.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// Observed: `BadParameter` and its text (MicrosoftConfigurationBuilders#22).
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    let well_formed = (1..=127).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if well_formed {
        return Ok(());
    }
    Err(Refusal::BadParameter(format!(
        "The request URI contains an invalid name: {name}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_operations_with_and_without_a_slash_at_the_end() {
        let name = "session-key".to_owned();
        let get = |version: Option<&str>| Route::Get {
            name: name.clone(),
            version: version.map(str::to_owned),
        };
        for (method, path, expected) in [
            (Method::GET, "/secrets", Some(Route::List)),
            (Method::GET, "/secrets/session-key", Some(get(None))),
            (Method::GET, "/secrets/session-key/", Some(get(None))),
            (Method::GET, "/secrets/session%2Dkey/", Some(get(None))),
            (
                Method::GET,
                "/secrets/session-key/abc",
                Some(get(Some("abc"))),
            ),
            (
                Method::GET,
                "/secrets/session-key/versions",
                Some(Route::ListVersions { name: name.clone() }),
            ),
            (
                Method::PUT,
                "/secrets/session-key",
                Some(Route::Set { name: name.clone() }),
            ),
            (Method::DELETE, "/secrets/session-key", None),
            (Method::POST, "/secrets/session-key/backup", None),
            (Method::GET, "/deletedsecrets", None),
            (Method::GET, "/keys", None),
            (Method::GET, "/", None),
        ] {
            assert_eq!(Route::of(&method, path), expected, "{method} {path}");
        }
    }
}
