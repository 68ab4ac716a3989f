//! The client of the local cloud's control API.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use local_cloud::audit::Record;
use local_cloud::control::GrantBody;
use local_cloud::faults::{Active, Switch};
use local_cloud::holds::{Matcher, State};
use local_cloud::keys::PublishedKey;
use local_cloud::{Endpoints, RunningPod, TokenRequest};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

mod estate;
mod forge;
mod trust;

pub use estate::Identity;

/// What the API server says to a pod that it does not create: its `Status`, with
/// the code and the text that `kubectl` shows.
#[derive(Debug, thiserror::Error)]
#[error("Error from server{}: {}", reason(.0), .0.message.as_deref().unwrap_or_default())]
pub struct Refused(pub Status);

fn reason(status: &Status) -> String {
    let reason = status.reason.as_ref();
    reason.map_or_else(String::new, |reason| format!(" ({reason})"))
}

/// Speaks to one running cloud.
#[derive(Clone)]
pub struct Control {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl Control {
    /// Finds the control API through what the cloud left in its state directory.
    pub fn open(state: &Path, endpoints: &Endpoints) -> Result<Self> {
        let file = state.join("control-token");
        let token = std::fs::read_to_string(&file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self {
            client,
            base: endpoints.control.clone(),
            token,
        })
    }

    /// The audit log after a place; 0 gives all.
    pub async fn audit(&self, after: u64) -> Result<Vec<Record>> {
        let response = self
            .send(self.request(Method::GET, &format!("audit?after={after}")))
            .await?;
        Ok(response.json().await?)
    }

    /// A summary of the state of every resource.
    pub async fn state(&self) -> Result<Value> {
        Ok(self
            .send(self.request(Method::GET, "state"))
            .await?
            .json()
            .await?)
    }

    /// Adds a role assignment.
    pub async fn grant(&self, grant: &GrantBody) -> Result<()> {
        self.send(self.request(Method::POST, "grants").json(grant))
            .await?;
        Ok(())
    }

    /// Removes a role assignment.
    pub async fn revoke(&self, grant: &GrantBody) -> Result<()> {
        self.send(self.request(Method::DELETE, "grants").json(grant))
            .await?;
        Ok(())
    }

    /// Moves the cloud's clock forward.
    pub async fn advance(&self, by: Duration) -> Result<()> {
        let body = json!({ "seconds": by.as_secs() });
        self.send(self.request(Method::POST, "clock/advance").json(&body))
            .await?;
        Ok(())
    }

    /// Holds the next operation that matches; returns the hold's number.
    pub async fn hold(&self, matcher: &Matcher) -> Result<u64> {
        let response = self
            .send(self.request(Method::POST, "holds").json(matcher))
            .await?;
        let body: Value = response.json().await?;
        body["hold"]
            .as_u64()
            .context("the control API names the hold")
    }

    /// Where a hold stands.
    pub async fn hold_state(&self, number: u64) -> Result<State> {
        let response = self
            .send(self.request(Method::GET, &format!("holds/{number}")))
            .await?;
        let body: Value = response.json().await?;
        Ok(serde_json::from_value(body["state"].clone())?)
    }

    /// Lets a held operation go on.
    pub async fn release(&self, number: u64) -> Result<()> {
        self.send(self.request(Method::DELETE, &format!("holds/{number}")))
            .await?;
        Ok(())
    }

    /// Adds a version to a secret; returns its id.
    pub async fn add_secret_version(&self, vault: &str, secret: &str) -> Result<String> {
        let path = format!("vaults/{vault}/secrets/{secret}/versions");
        let body: Value = self
            .send(self.request(Method::POST, &path))
            .await?
            .json()
            .await?;
        let version = body["version"]
            .as_str()
            .context("the control API names the version")?;
        Ok(version.to_owned())
    }

    /// Enables or disables a version of a secret.
    pub async fn set_secret_version(
        &self,
        vault: &str,
        secret: &str,
        version: &str,
        enabled: bool,
    ) -> Result<()> {
        let path = format!("vaults/{vault}/secrets/{secret}/versions/{version}");
        let body = json!({ "enabled": enabled });
        self.send(self.request(Method::PUT, &path).json(&body))
            .await?;
        Ok(())
    }

    /// The keys that the cluster's issuer publishes.
    pub async fn cluster_keys(&self) -> Result<Vec<PublishedKey>> {
        self.keys(Method::GET, "cluster/keys").await
    }

    /// Rotates the cluster's signing key as AKS does: the key before is good for
    /// another 24 hours, one that was retired earlier goes at once.
    pub async fn rotate_cluster_key(&self) -> Result<Vec<PublishedKey>> {
        self.keys(Method::POST, "cluster/keys/rotate").await
    }

    /// The keys that Entra ID publishes.
    pub async fn entra_keys(&self) -> Result<Vec<PublishedKey>> {
        self.keys(Method::GET, "entra/keys").await
    }

    /// Has Entra ID publish the key that will sign next.
    pub async fn publish_entra_key(&self) -> Result<Vec<PublishedKey>> {
        self.keys(Method::POST, "entra/keys/publish").await
    }

    /// Has Entra ID sign with its next key. The one before stays published until
    /// it is withdrawn.
    pub async fn rotate_entra_key(&self) -> Result<Vec<PublishedKey>> {
        self.keys(Method::POST, "entra/keys/rotate").await
    }

    /// Has Entra ID publish a retired key no longer.
    pub async fn withdraw_entra_key(&self, kid: &str) -> Result<Vec<PublishedKey>> {
        self.keys(Method::DELETE, &format!("entra/keys/{kid}"))
            .await
    }

    async fn keys(&self, method: Method, path: &str) -> Result<Vec<PublishedKey>> {
        let listing = self.send(self.request(method, path)).await?;
        Ok(listing.json().await?)
    }

    /// Switches a fault of the identity plane on; returns its number.
    pub async fn switch_on(&self, switch: &Switch) -> Result<u64> {
        let request = self.request(Method::POST, "faults").json(switch);
        let body: Value = self.send(request).await?.json().await?;
        body["number"]
            .as_u64()
            .context("the control API numbers the fault")
    }

    /// The faults that are on.
    pub async fn faults(&self) -> Result<Vec<Active>> {
        let faults = self.send(self.request(Method::GET, "faults")).await?;
        Ok(faults.json().await?)
    }

    /// The names of all faults, with what each does.
    pub async fn fault_names(&self) -> Result<BTreeMap<String, String>> {
        let names = self.request(Method::GET, "faults/names");
        Ok(self.send(names).await?.json().await?)
    }

    /// Switches one fault off, or all.
    pub async fn clear_faults(&self, number: Option<u64>) -> Result<()> {
        let path = number.map_or("faults".to_owned(), |number| format!("faults/{number}"));
        self.send(self.request(Method::DELETE, &path)).await?;
        Ok(())
    }

    /// Creates a service account in the cluster.
    pub async fn apply(&self, account: &ServiceAccount) -> Result<()> {
        let request = self
            .request(Method::PUT, "cluster/service-accounts")
            .json(account);
        self.send(request).await?;
        Ok(())
    }

    /// A service-account token as the cluster signs it, now or at another time.
    pub async fn sign_token(&self, request: &TokenRequest) -> Result<String> {
        let response = self
            .send(self.request(Method::POST, "cluster/tokens").json(request))
            .await?;
        let body: Value = response.json().await?;
        let token = body["token"]
            .as_str()
            .context("the control API sends the token")?;
        Ok(token.to_owned())
    }

    /// Removes a service account from the cluster.
    pub async fn remove_account(&self, namespace: &str, name: &str) -> Result<()> {
        let path = format!("cluster/service-accounts/{namespace}/{name}");
        self.send(self.request(Method::DELETE, &path)).await?;
        Ok(())
    }

    /// Lets the API server sign tokens for volumes, or not.
    pub async fn answer_token_requests(&self, answered: bool) -> Result<()> {
        let request = self.request(Method::PUT, "cluster/token-requests");
        self.send(request.json(&json!({ "answered": answered })))
            .await?;
        Ok(())
    }

    /// Creates a pod in the cluster: admission and projected tokens. A refusal is
    /// a [`Refused`].
    pub async fn create_pod(&self, pod: &Pod) -> Result<RunningPod> {
        let request = self.request(Method::POST, "cluster/pods").json(pod);
        let response = request
            .send()
            .await
            .context("the local cloud's control API does not answer")?;
        if response.status().is_success() {
            return Ok(response.json().await?);
        }
        let body = response.text().await?;
        match serde_json::from_str(&body) {
            Ok(status) => Err(Refused(status).into()),
            Err(_) => bail!("the control API answered to a pod: {body}"),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request
            .send()
            .await
            .context("the local cloud's control API does not answer")?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let url = response.url().clone();
        let body = response.text().await.unwrap_or_default();
        bail!(
            "the control API answered {status} to {}: {body}",
            url.path()
        )
    }
}
