//! What there is, through the control API: identities and role assignments.

use anyhow::Result;
use local_cloud::FederatedCredential;
use local_cloud::control::GrantBody;
use reqwest::Method;
use serde::Deserialize;

use super::Control;

/// An identity of the tenant.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its client id.
    pub client_id: String,
    /// What it trusts.
    pub federated_credentials: Vec<FederatedCredential>,
}

impl Control {
    /// The identities as they are now.
    pub async fn identities(&self) -> Result<Vec<Identity>> {
        let request = self.request(Method::GET, "identities");
        Ok(self.send(request).await?.json().await?)
    }

    /// The role assignments as they are now.
    pub async fn grants(&self) -> Result<Vec<GrantBody>> {
        let request = self.request(Method::GET, "grants");
        Ok(self.send(request).await?.json().await?)
    }
}
