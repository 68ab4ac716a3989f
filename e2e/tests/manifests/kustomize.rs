//! Kustomize, and a copy of the manifests for it to render.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use platform::settings::Vars;

/// Kustomize, in kubectl.
#[derive(Clone)]
pub(crate) struct Kustomize(PathBuf);

impl Kustomize {
    /// The one that `.ci/lint` brings, or the one that is installed.
    pub(crate) fn find() -> Option<Self> {
        let path = Vars::from_process().get("PATH").unwrap_or_default();
        let own = e2e::repository().join("target/lint/bin");
        let directories = std::iter::once(own).chain(std::env::split_paths(&path));
        let mut files = directories.map(|directory| directory.join("kubectl"));
        files.find(|file| file.is_file()).map(Self)
    }

    /// An overlay of a tree, as `kubectl kustomize` prints it.
    pub(crate) fn render(&self, tree: &Tree, overlay: &str) -> Result<String> {
        let Self(kubectl) = self;
        let directory = tree.path().join("k8s/overlays").join(overlay);
        let output = Command::new(kubectl)
            .arg("kustomize")
            .arg(directory)
            .output()?;
        if !output.status.success() {
            bail!("{overlay}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// A copy of the manifests, with the example's values for Azure.
pub(crate) struct Tree(tempfile::TempDir);

impl Tree {
    pub(crate) fn copy() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        for part in ["k8s", "infra"] {
            copy(&e2e::repository().join(part), &directory.path().join(part))?;
        }
        let azure = directory.path().join("k8s/overlays/azure");
        fs::copy(azure.join(".env.example"), azure.join(".env"))?;
        Ok(Self(directory))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Replaces a text, which has to be there.
    pub(crate) fn replace(&self, file: &str, from: &str, to: &str) -> Result<()> {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path)?;
        if !text.contains(from) {
            bail!("`{from}` is not in {file}");
        }
        Ok(fs::write(path, text.replacen(from, to, 1))?)
    }

    /// Switches a component of the overlay for Azure on.
    pub(crate) fn with(self, component: &str) -> Result<Self> {
        let to = format!("components:\n  - ../../components/{component}");
        self.replace("k8s/overlays/azure/kustomization.yaml", "components:", &to)?;
        Ok(self)
    }

    /// The value of a key of the example.
    pub(crate) fn value(key: &str) -> Result<String> {
        let file = e2e::repository().join("k8s/overlays/azure/.env.example");
        let text = fs::read_to_string(file)?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        Ok(line
            .with_context(|| format!("{key} in .env.example"))?
            .to_owned())
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, name) = {
            let entry = entry?;
            (entry.path(), entry.file_name())
        };
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
