//! Access tokens as Entra ID issues them for an application's own permissions at a
//! first-party resource: version 1.0, whichever endpoint was asked.
//!
//! Claims after Microsoft Learn, *Access token claims reference*. A managed
//! identity's token lives about 24 hours, an application's 60 to 90 minutes
//! (*Configurable token lifetimes*); `iat` and `nbf` lie 5 minutes back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::directory::Identity;
use crate::keys::SigningKey;
use crate::model::IdentityKind;
use crate::names;

/// How long a managed identity's token lives, in seconds.
const MANAGED_IDENTITY: i64 = 24 * 60 * 60;

/// How long an application's token lives at least, and by how much more at most.
const APPLICATION: i64 = 60 * 60;
const APPLICATION_MORE: i64 = 30 * 60;

/// By how much the times in a token lie in the past.
const BACKDATED_SECONDS: i64 = 300;

/// A signed access token.
pub(crate) struct Issued {
    pub(crate) token: String,
    /// Its unique id (`uti`), by which logs name it.
    pub(crate) id: String,
    /// How long it lives, in seconds, as `expires_in` says it.
    pub(crate) expires_in: i64,
}

/// Signs an access token for an identity and one resource, at which it has these
/// application roles.
pub(crate) fn issue(
    key: &SigningKey,
    identity: &Identity,
    audience: &str,
    roles: &[String],
    now: OffsetDateTime,
) -> Issued {
    let tenant = names::tenant_id();
    let lifetime = lifetime(&identity.kind);
    let issued = now.unix_timestamp() - BACKDATED_SECONDS;
    let id = URL_SAFE_NO_PAD.encode(Uuid::new_v4().as_bytes());
    let header = json!({ "typ": "JWT", "alg": "RS256", "x5t": key.kid(), "kid": key.kid() });
    let mut claims = json!({
        "aud": audience,
        "iss": names::token_issuer(tenant),
        "iat": issued,
        "nbf": issued,
        "exp": now.unix_timestamp() + lifetime,
        "appid": identity.client_id,
        "appidacr": "2",
        "idp": names::token_issuer(tenant),
        "idtyp": "app",
        "oid": identity.object_id,
        "sub": identity.object_id,
        "tid": tenant,
        "uti": id,
        "ver": "1.0",
    });
    if let Some(resource) = resource_id(identity) {
        claims["xms_mirid"] = Value::from(resource);
    }
    if !roles.is_empty() {
        claims["roles"] = json!(roles);
    }
    Issued {
        token: key.sign(&header, &claims),
        id,
        expires_in: lifetime - 1,
    }
}

/// An application's lifetime is random, so that not all come again at once.
fn lifetime(kind: &IdentityKind) -> i64 {
    match kind {
        IdentityKind::Application => {
            let random = Uuid::new_v4().as_u128() % (APPLICATION_MORE as u128 + 1);
            APPLICATION + i64::try_from(random).unwrap_or_default()
        }
        IdentityKind::UserAssigned | IdentityKind::SystemAssigned { .. } => MANAGED_IDENTITY,
    }
}

/// The Azure resource that a managed identity is, or is of.
fn resource_id(identity: &Identity) -> Option<String> {
    match &identity.kind {
        IdentityKind::UserAssigned => Some(names::user_assigned_resource_id(&identity.name)),
        IdentityKind::SystemAssigned { resource } => Some(names::resource_id(resource)),
        IdentityKind::Application => None,
    }
}
