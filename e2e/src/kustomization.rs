//! A kustomization's files, as `kubectl kustomize` would take them together.
//!
//! Of Kustomize it knows what `k8s` uses: resources (files and other
//! kustomizations), components, the namespace, and `ConfigMap`s made from files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

/// What a kustomization consists of.
#[derive(Debug, Default)]
pub struct Kustomized {
    /// Files with objects, in order.
    pub resources: Vec<Resource>,
    /// `ConfigMap`s made from files.
    pub config_maps: Vec<GeneratedConfigMap>,
}

/// A file with objects.
#[derive(Debug)]
pub struct Resource {
    /// The file.
    pub file: PathBuf,
    /// What is in it.
    pub text: String,
    /// The namespace that its objects are put into.
    pub namespace: Option<Namespace>,
}

/// A namespace, and where a kustomization names it.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// The kustomization's file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
}

/// A `ConfigMap` that is made from files.
#[derive(Debug)]
pub struct GeneratedConfigMap {
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    namespace: Option<Spanned<String>>,
    #[serde(default)]
    resources: Vec<PathBuf>,
    #[serde(default)]
    components: Vec<PathBuf>,
    #[serde(default)]
    config_map_generator: Vec<FromFiles>,
    #[serde(default, rename = "generatorOptions")]
    _generator_options: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FromFiles {
    name: String,
    files: Vec<PathBuf>,
}

impl Kustomized {
    /// Reads a kustomization's directory and all that it takes in.
    pub fn read(directory: &Path) -> Result<Self> {
        let mut whole = Self::default();
        whole.add(directory, None)?;
        Ok(whole)
    }

    fn add(&mut self, directory: &Path, outer: Option<&Namespace>) -> Result<()> {
        let file = directory.join("kustomization.yaml");
        let kustomization: File = serde_saphyr::from_str(&read(&file)?).with_context(|| {
            format!(
                "{} is no kustomization that the harness can read; \
                 `kubectl kustomize` renders any",
                file.display()
            )
        })?;
        let own = kustomization.namespace.map(|namespace| Namespace {
            name: namespace.value,
            file: file.clone(),
            line: namespace.referenced.line(),
            column: namespace.referenced.column(),
        });
        // The outermost one that names a namespace decides.
        let outer = outer.or(own.as_ref());
        for resource in &kustomization.resources {
            let path = directory.join(resource);
            if path.is_dir() {
                self.add(&path, outer)?;
                continue;
            }
            self.resources.push(Resource {
                text: read(&path)?,
                file: path,
                namespace: outer.cloned(),
            });
        }
        for component in &kustomization.components {
            self.add(&directory.join(component), outer)?;
        }
        for generated in kustomization.config_map_generator {
            let mut data = BTreeMap::new();
            for file in generated.files {
                let name = file
                    .file_name()
                    .context("a ConfigMap's file needs a name")?;
                let text = read(&directory.join(&file))?;
                data.insert(name.to_string_lossy().into_owned(), text);
            }
            let name = generated.name;
            self.config_maps.push(GeneratedConfigMap { name, data });
        }
        Ok(())
    }
}

/// Reads a file; an error names it.
pub(crate) fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}
