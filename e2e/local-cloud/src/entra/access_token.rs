//! Access tokens as Entra ID issues them for a user-assigned identity and a
//! first-party resource: version 1.0, whichever endpoint was asked.
//!
//! Claims after Microsoft Learn, *Access token claims reference*; lifetime of a
//! managed identity's token: about 24 hours, `iat` and `nbf` 5 minutes back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::keys::SigningKey;
use crate::names;

/// How long a managed identity's token lives, in seconds, as `expires_in` says it.
pub(crate) const LIFETIME_SECONDS: i64 = 86_399;

/// By how much the times in a token lie in the past.
const BACKDATED_SECONDS: i64 = 300;

/// Signs an access token for an identity and one resource.
pub(crate) fn issue(
    key: &SigningKey,
    identity: &str,
    audience: &str,
    now: OffsetDateTime,
) -> String {
    let tenant = names::tenant_id();
    let issued = now.unix_timestamp() - BACKDATED_SECONDS;
    let header = json!({ "typ": "JWT", "alg": "RS256", "x5t": key.kid(), "kid": key.kid() });
    let claims = json!({
        "aud": audience,
        "iss": names::token_issuer(tenant),
        "iat": issued,
        "nbf": issued,
        "exp": now.unix_timestamp() + LIFETIME_SECONDS + 1,
        "appid": names::client_id(identity),
        "appidacr": "2",
        "idp": names::token_issuer(tenant),
        "idtyp": "app",
        "oid": names::object_id(identity),
        "sub": names::object_id(identity),
        "tid": tenant,
        "uti": URL_SAFE_NO_PAD.encode(Uuid::new_v4().as_bytes()),
        "ver": "1.0",
        "xms_mirid": identity_resource_id(identity),
    });
    key.sign(&header, &claims)
}

fn identity_resource_id(identity: &str) -> String {
    format!(
        "/subscriptions/{}/resourcegroups/{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{identity}",
        names::subscription_id(),
        names::RESOURCE_GROUP,
    )
}
