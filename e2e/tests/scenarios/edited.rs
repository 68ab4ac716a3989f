//! The manifests of `k8s/base` with a mistake in them: a copy, edited as text.

use std::path::Path;

use e2e::manifests::{Manifests, base_directory};
use e2e::stack::Options;
use tempfile::TempDir;

/// A copy of the base.
pub(crate) struct Edited(TempDir);

impl Edited {
    pub(crate) fn base() -> Self {
        let copy = tempfile::tempdir().expect("a directory");
        for entry in std::fs::read_dir(base_directory()).expect("the base") {
            let file = entry.expect("a file");
            let to = copy.path().join(file.file_name());
            std::fs::copy(file.path(), to).expect("copied");
        }
        Self(copy)
    }

    /// Replaces a text that is in a file once.
    pub(crate) fn with(self, file: &str, text: &str, instead: &str) -> Self {
        let path = self.0.path().join(file);
        let before = std::fs::read_to_string(&path).expect("a manifest");
        assert_eq!(before.matches(text).count(), 1, "{text:?} in {file}");
        std::fs::write(path, before.replace(text, instead)).expect("written");
        self
    }

    /// Gives the pods of a Deployment an annotation.
    pub(crate) fn annotated(self, deployment: &str, name: &str, value: &str) -> Self {
        let labels = "    metadata:\n      labels:\n";
        let annotations = format!(
            "    metadata:\n      annotations:\n        {name}: {value:?}\n      labels:\n"
        );
        self.with(&format!("{deployment}.yaml"), labels, &annotations)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.0.path()
    }

    /// The workload on these manifests, as far as it is these Deployments.
    pub(crate) fn options(&self, deployments: &[&str]) -> Options {
        Options {
            manifests: self.0.path().to_owned(),
            ..Options::default().only(deployments)
        }
    }

    pub(crate) fn manifests(&self) -> Manifests {
        Manifests::load(self.directory()).expect("valid manifests")
    }
}
