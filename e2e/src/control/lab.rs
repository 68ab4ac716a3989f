//! The lab through the control API: walk the five steps of an identity, make a
//! mistake, mend it; and the audit as it comes.

use std::time::Duration;

use anyhow::Result;
use local_cloud::audit::Record;
use local_cloud::lab::{Chain, Mistake};
use reqwest::Method;
use serde_json::Value;

use super::Control;

/// Longer than the cloud lets a reader of the audit wait.
const UNTIL_A_RECORD: Duration = Duration::from_secs(40);

impl Control {
    /// Walks the five steps of an identity.
    pub async fn walk(&self, identity: &str) -> Result<Chain> {
        self.chain(Method::POST, &format!("lab/{identity}")).await
    }

    /// Makes a mistake at an identity, in place of the one that was there, and walks.
    pub async fn make(&self, mistake: Mistake, identity: &str) -> Result<Chain> {
        let name = serde_json::to_value(mistake)?;
        let name = name.as_str().unwrap_or_default();
        self.chain(Method::POST, &format!("lab/{identity}/{name}"))
            .await
    }

    /// Mends what is broken, and walks.
    pub async fn heal(&self, identity: &str) -> Result<Chain> {
        self.chain(Method::DELETE, &format!("lab/{identity}")).await
    }

    /// The identities whose steps can be walked.
    pub async fn lab_identities(&self) -> Result<Vec<String>> {
        let response = self.send(self.request(Method::GET, "lab")).await?;
        let body: Value = response.json().await?;
        Ok(serde_json::from_value(body["identities"].clone())?)
    }

    /// The records after a place, as soon as there is one; none after a while.
    pub async fn audit_after(&self, after: u64) -> Result<Vec<Record>> {
        let request = self.request(Method::GET, &format!("lab/audit?after={after}"));
        let response = self.send(request.timeout(UNTIL_A_RECORD)).await?;
        Ok(response.json().await?)
    }

    async fn chain(&self, method: Method, path: &str) -> Result<Chain> {
        let response = self.send(self.request(method, path)).await?;
        Ok(response.json().await?)
    }
}
