//! Trust through the control API: federated credentials, external issuers, and
//! resources with an identity of their own.

use anyhow::{Context as _, Result};
use local_cloud::{ExternalIssuer, FederatedCredential};
use reqwest::Method;
use serde_json::{Value, json};

use super::Control;

impl Control {
    /// What an identity trusts.
    pub async fn federated_credentials(&self, identity: &str) -> Result<Vec<FederatedCredential>> {
        let path = format!("identities/{identity}/federated-credentials");
        let response = self.send(self.request(Method::GET, &path)).await?;
        Ok(response.json().await?)
    }

    /// Creates a federated credential, or changes all of the one of its name.
    pub async fn put_federated_credential(
        &self,
        identity: &str,
        credential: &FederatedCredential,
    ) -> Result<()> {
        let name = &credential.name;
        let path = format!("identities/{identity}/federated-credentials/{name}");
        let body = json!({
            "issuer": credential.issuer,
            "subject": credential.subject,
            "audiences": [credential.audience],
        });
        self.send(self.request(Method::PUT, &path).json(&body))
            .await?;
        Ok(())
    }

    /// Deletes a federated credential.
    pub async fn delete_federated_credential(&self, identity: &str, name: &str) -> Result<()> {
        let path = format!("identities/{identity}/federated-credentials/{name}");
        self.send(self.request(Method::DELETE, &path)).await?;
        Ok(())
    }

    /// Lets Entra ID ask an external issuer for its keys.
    pub async fn declare_issuer(&self, external: &ExternalIssuer) -> Result<()> {
        self.send(self.request(Method::PUT, "issuers").json(external))
            .await?;
        Ok(())
    }

    /// Takes the declaration of an external issuer back.
    pub async fn withdraw_issuer(&self, issuer: &str) -> Result<()> {
        let body = json!({ "issuer": issuer });
        self.send(self.request(Method::DELETE, "issuers").json(&body))
            .await?;
        Ok(())
    }

    /// Creates a resource with an identity of its own, such as
    /// `Microsoft.Compute/virtualMachines/build`.
    pub async fn create_resource(&self, resource: &str) -> Result<()> {
        let body = json!({ "resource": resource });
        self.send(self.request(Method::POST, "resources").json(&body))
            .await?;
        Ok(())
    }

    /// Deletes a resource, and its identity with it.
    pub async fn delete_resource(&self, resource: &str) -> Result<()> {
        let body = json!({ "resource": resource });
        self.send(self.request(Method::DELETE, "resources").json(&body))
            .await?;
        Ok(())
    }

    /// The access token that a resource gets with its own identity.
    pub async fn resource_token(&self, resource: &str, audience: &str) -> Result<String> {
        let body = json!({ "resource": resource, "audience": audience });
        let response = self
            .send(self.request(Method::POST, "resources/token").json(&body))
            .await?;
        let body: Value = response.json().await?;
        let token = body["access_token"]
            .as_str()
            .context("the control API sends the token")?;
        Ok(token.to_owned())
    }
}
