//! The workload in containers: our images on one Docker network, with the local
//! cloud in it under Azure's own host names.
//!
//! What is the same as for processes: manifests, admission, projected tokens,
//! probes, and every scenario. What only a container has is real here: paths as the
//! manifests mount them, ports as they declare them, Service names by DNS, the user,
//! the read-only root and the dropped capabilities.
//!
//! With `E2E_TARGET=containers` the matrix and the scenarios run so. With
//! `E2E_BEHIND=RESOURCE=URL` a third-party emulator holds that resource of every
//! stack (several with spaces between them); [`emulators`] has such emulators in containers.

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use platform::settings::Vars;
use tokio::sync::OnceCell;

mod container;
pub mod docker;
pub mod emulators;

pub use docker::Docker;

/// Runs the stacks of this process where `E2E_TARGET` says; processes by default.
/// What it says wrongly, or a daemon or an image that is missing, is an error. It is
/// looked for once, however many stacks there are.
pub async fn use_target() -> Result<()> {
    static FOUND: OnceCell<()> = OnceCell::const_new();
    FOUND.get_or_try_init(find_target).await.copied()
}

async fn find_target() -> Result<()> {
    if let Some(behind) = Vars::from_process().get("E2E_BEHIND") {
        let behind = behind.split_whitespace().map(str::parse);
        let behind: Result<_, String> = behind.collect();
        let behind = behind.map_err(|error| anyhow!("E2E_BEHIND: {error}"))?;
        e2e::runtime::use_emulators(behind);
    }
    match Vars::from_process().get("E2E_TARGET").as_deref() {
        None | Some("embedded") => Ok(()),
        Some("containers") => {
            e2e::runtime::use_runtime(Arc::new(Docker::connect().await?));
            Ok(())
        }
        Some(other) => bail!("E2E_TARGET is `embedded` or `containers`, not `{other}`"),
    }
}
