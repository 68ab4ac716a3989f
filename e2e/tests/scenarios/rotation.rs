//! Signing keys that change while people use what they signed: a new version
//! breaks nothing, and a disabled one is refused in time. Nothing is restarted.

mod links;
mod signed;

use std::time::{Duration, Instant};

use e2e::stack::{Options, Stack};

/// How long a pod believes what Key Vault said, in these scenarios; 60 in
/// `k8s/base`.
const CACHED: Duration = Duration::from_secs(2);

/// How long something may take that has no promise of its own.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two pods of a Deployment, with a short memory.
fn two_of(deployment: &str) -> Options {
    let seconds = CACHED.as_secs().to_string();
    Options::default()
        .replicas(deployment, 2)
        .with(deployment, "KEY_CACHE_SECONDS", &seconds)
}

/// A secret whose versions an administrator changes.
struct Key<'s> {
    stack: &'s Stack,
    secret: &'static str,
}

impl Key<'_> {
    /// Makes a new version; returns its id.
    async fn renew(&self) -> String {
        let control = self.stack.control();
        let added = control.add_secret_version("vault", self.secret).await;
        added.expect("a version")
    }

    /// Disables a version; returns when that was done.
    async fn disable(&self, version: &str) -> Instant {
        self.switch(version, false).await;
        Instant::now()
    }

    async fn enable(&self, version: &str) {
        self.switch(version, true).await;
    }

    async fn switch(&self, version: &str, enabled: bool) {
        let control = self.stack.control();
        let switched = control.set_secret_version("vault", self.secret, version, enabled);
        switched.await.expect("switched");
    }
}
