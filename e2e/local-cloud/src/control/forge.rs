//! What only the holder of an issuer's private key could make: any header over
//! any claims, signed by the cluster's issuer or by Entra ID. Tests of the doors
//! need it, because a careless reader shows only where the signature is right.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Control, Refusal, bad_request};

/// What to sign, as it shall stand in the token: the texts need be no JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgeBody {
    /// Who signs.
    pub issuer: Issuer,
    /// The token's first part, base64url.
    pub header: String,
    /// The token's second part, base64url.
    pub claims: String,
}

/// An issuer of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Issuer {
    /// The cluster's.
    Cluster,
    /// Entra ID.
    Entra,
}

pub(super) async fn forge(
    State(control): State<Control>,
    Json(body): Json<ForgeBody>,
) -> Result<Json<Value>, Refusal> {
    for part in [&body.header, &body.claims] {
        URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|error| bad_request(format!("a part is not base64url: {error}")))?;
    }
    let ring = match body.issuer {
        Issuer::Cluster => &control.planes.cluster_keys,
        Issuer::Entra => &control.planes.entra_keys,
    };
    let message = format!("{}.{}", body.header, body.claims);
    Ok(Json(
        json!({ "token": ring.current().sign_message(message) }),
    ))
}
