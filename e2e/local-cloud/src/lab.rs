//! The lab: the five steps of one identity, walked for real, and the mistakes that
//! a workshop makes on purpose and mends again.
//!
//! A walk does what a pod does, with the token that kubelet projected: it asks
//! Entra ID, and then a resource, over TLS and through the proxy. A mistake is made
//! in the cloud, so the pods of the workload meet it too, at their next exchange.
//! There is one mistake at a time.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::cloud::Planes;
use crate::model::Model;

mod broken;
mod chain;
pub(crate) mod console;
mod mistake;
mod target;
mod walk;

use broken::Broken;
pub use chain::{Chain, Step, StepState};
pub use mistake::Mistake;

/// The lab of a cloud; clones share it.
#[derive(Clone)]
pub(crate) struct Lab {
    shared: Arc<Shared>,
}

struct Shared {
    planes: Arc<Planes>,
    model: Model,
    client: reqwest::Client,
    /// The state directory, in which the projected tokens are.
    state: PathBuf,
    // Held over a whole walk, so that a chain shows one state of the cloud.
    broken: Mutex<Option<Broken>>,
}

impl Lab {
    /// A lab in which everything is as it should be. `client` reaches the planes
    /// as a pod does.
    pub(crate) fn new(
        planes: Arc<Planes>,
        model: Model,
        client: reqwest::Client,
        state: PathBuf,
    ) -> Self {
        let broken = Mutex::default();
        let shared = Shared {
            planes,
            model,
            client,
            state,
            broken,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(crate) fn planes(&self) -> &Planes {
        &self.shared.planes
    }

    /// The identities whose five steps can be walked.
    pub(crate) fn identities(&self) -> Vec<String> {
        let names = self.shared.model.identities.keys();
        let can = |name: &&String| self.shared.target_of(name).is_ok();
        names.filter(can).cloned().collect()
    }

    /// Walks the five steps of an identity.
    pub(crate) async fn walk(&self, identity: &str) -> Result<Chain, String> {
        let broken = self.shared.broken.lock().await;
        self.shared.walk(identity, broken.as_ref()).await
    }

    /// Makes a mistake, in place of the one that was there, and walks.
    pub(crate) async fn make(&self, mistake: Mistake, identity: &str) -> Result<Chain, String> {
        self.shared.target_of(identity)?;
        let mut broken = self.shared.broken.lock().await;
        self.shared.mend(&mut broken).await?;
        *broken = Some(self.shared.make(mistake, identity).await?);
        self.shared.walk(identity, broken.as_ref()).await
    }

    /// Mends the mistake, if there is one, and walks.
    pub(crate) async fn heal(&self, identity: &str) -> Result<Chain, String> {
        let mut broken = self.shared.broken.lock().await;
        self.shared.mend(&mut broken).await?;
        self.shared.walk(identity, None).await
    }
}

#[cfg(test)]
mod tests;
