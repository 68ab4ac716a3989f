//! Tokens that only the holder of an issuer's key could make.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use local_cloud::control::{ForgeBody, Issuer};
use reqwest::Method;
use serde_json::Value;

use super::Control;

impl Control {
    /// These very bytes as a token's header and claims, signed by an issuer.
    pub async fn forge(&self, issuer: Issuer, header: &[u8], claims: &[u8]) -> Result<String> {
        let body = ForgeBody {
            issuer,
            header: URL_SAFE_NO_PAD.encode(header),
            claims: URL_SAFE_NO_PAD.encode(claims),
        };
        let response = self
            .send(self.request(Method::POST, "forge").json(&body))
            .await?;
        let body: Value = response.json().await?;
        let token = body["token"].as_str();
        Ok(token.context("the control API sends the token")?.to_owned())
    }
}
