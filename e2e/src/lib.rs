//! The harness: it runs the whole workload on the local cloud, each pod as the
//! Kubernetes manifests say, and knows what is expected of it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use platform::settings::Vars;

pub mod back_off;
pub mod control;
pub mod doctor;
pub mod expected;
pub mod faked_clock;
pub mod kubelet;
pub mod kustomization;
mod lifecycle;
pub mod manifests;
pub(crate) mod node;
pub mod parity;
pub mod pod;
pub mod probes;
pub mod process;
mod running_pod;
pub mod runtime;
pub mod secrets;
mod service;
pub mod stack;
pub mod story;
pub mod trust;

static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();

/// The repository's access model.
pub fn default_model() -> PathBuf {
    repository().join("infra/access.json")
}

/// The repository that this harness was built from.
pub fn repository() -> &'static Path {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness.parent().unwrap_or(harness)
}

/// Says which executable plays cloud and pods: for tests, which are executables
/// of their own and know the harness' from Cargo.
pub fn use_executable(path: &str) {
    EXECUTABLE.get_or_init(|| PathBuf::from(path));
}

/// The executable that plays cloud and pods.
fn executable() -> Result<PathBuf> {
    match EXECUTABLE.get() {
        Some(path) => Ok(path.clone()),
        None => std::env::current_exe().context("the harness' own executable is not known"),
    }
}

/// `E2E_STRICT=1`: what a test needs and does not find is a failure, not a reason to
/// be ignored.
pub fn is_strict() -> bool {
    Vars::from_process().get("E2E_STRICT").as_deref() == Some("1")
}

/// `E2E_BIN_DIR`: where separately built `frontend` and `backend` programs are;
/// unset, the harness plays them itself.
fn binary_directory() -> Option<PathBuf> {
    Vars::from_process().get("E2E_BIN_DIR").map(PathBuf::from)
}
