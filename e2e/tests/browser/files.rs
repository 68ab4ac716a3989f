//! Files that go up, and files that come down.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chromiumoxide::cdp::browser_protocol::browser::{
    SetDownloadBehaviorBehavior, SetDownloadBehaviorParams,
};
use tempfile::TempDir;

use crate::visit::Person;

/// How long a download may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A file to attach; it is gone when this is.
pub(crate) struct Document {
    directory: TempDir,
    name: &'static str,
}

/// Where the browser of a person puts what they download.
pub(crate) struct Downloads(TempDir);

impl Document {
    pub(crate) fn new(name: &'static str, content: &[u8]) -> Self {
        let document = Self {
            directory: tempfile::tempdir().expect("a directory"),
            name,
        };
        std::fs::write(document.path(), content).expect("it can be written");
        document
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join(self.name)
    }
}

impl Downloads {
    pub(crate) async fn of(person: &Person<'_>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let params = SetDownloadBehaviorParams::builder()
            .behavior(SetDownloadBehaviorBehavior::Allow)
            .browser_context_id(person.context().clone())
            .download_path(directory.path().display().to_string());
        let params = params.build().expect("it is complete");
        let browser = person.browser();
        browser.execute(params).await.expect("CDP has this");
        Self(directory)
    }

    /// What came down under a name, which must not be empty; waits until all of it
    /// has.
    pub(crate) async fn file(&self, name: &str) -> Vec<u8> {
        let file = self.0.path().join(name);
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The browser reserves the name with an empty file, and renames to it
            // what came down whole.
            let content = std::fs::read(&file).unwrap_or_default();
            if !content.is_empty() {
                return content;
            }
            assert!(
                Instant::now() < deadline,
                "{name} does not come down; there is {:?}",
                names(self.0.path())
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn names(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}
