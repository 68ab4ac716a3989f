//! What the scenarios need beyond what Cargo brings: Chromium, and axe-core from
//! npm. Without them they are ignored, and say so; with `E2E_STRICT=1` they fail.

use std::path::PathBuf;

use chromiumoxide::detection::{DetectionOptions, default_executable};
use platform::settings::Vars;

const NO_CHROMIUM: &str = "needs Chromium: apt-get install chromium-headless-shell, or chromium, or name its \
     executable in CHROME";
const NO_AXE: &str = "needs axe-core: npm ci --prefix e2e/browser";

/// What was found on this machine.
pub(crate) struct Installed {
    /// Chromium's executable.
    pub(crate) chromium: Option<PathBuf>,
    /// axe-core's script.
    pub(crate) axe: Option<String>,
    /// Whether everything has to be there.
    pub(crate) is_strict: bool,
}

impl Installed {
    pub(crate) fn find() -> Self {
        let axe = e2e::repository().join("e2e/browser/node_modules/axe-core/axe.min.js");
        Self {
            chromium: chromium(),
            axe: std::fs::read_to_string(axe).ok(),
            is_strict: e2e::is_strict(),
        }
    }

    /// What is missing, and how it is installed.
    pub(crate) fn missing(&self, needs_axe: bool) -> Option<&'static str> {
        match (&self.chromium, &self.axe) {
            (None, _) => Some(NO_CHROMIUM),
            (_, None) if needs_axe => Some(NO_AXE),
            _ => None,
        }
    }
}

/// What `CHROME` names, else the headless shell, which draws no window around its
/// pages, else any Chromium.
fn chromium() -> Option<PathBuf> {
    let vars = Vars::from_process();
    let path = vars.get("PATH").unwrap_or_default();
    let shell = std::env::split_paths(&path)
        .map(|directory| directory.join("chromium-headless-shell"))
        .find(|executable| executable.is_file());
    shell
        .filter(|_| vars.get("CHROME").is_none())
        .or_else(|| default_executable(DetectionOptions::default()).ok())
}
