//! The trust graph, checked without running anything: do manifests and access
//! file agree on who is who, and is nothing granted that is not needed?
//!
//! It looks at any team's rendered manifests. Every finding has a stable code,
//! the place where the mistake stands, and the fix.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};

pub(crate) mod access;
mod checks;
mod finding;
mod near;
pub(crate) mod roles;
mod uses;

use access::Access;
pub use finding::{Accepted, Code, Finding, Report, Severity};
use roles::Roles;
use uses::Uses;

use crate::kustomization::Kustomized;
use crate::manifests::objects::Objects;
pub use crate::node::Place;
use crate::node::named;

/// The audience of every token that Entra ID exchanges.
pub(crate) const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// Where the manifests are.
#[derive(Clone, Debug)]
pub enum Manifests {
    /// A kustomization's directory.
    Kustomization(PathBuf),
    /// YAML documents as `kubectl kustomize` prints them.
    Rendered {
        /// What to call them.
        name: String,
        /// The documents.
        text: String,
    },
}

/// What is checked.
#[derive(Clone, Debug)]
pub struct Input {
    /// The manifests.
    pub manifests: Manifests,
    /// The access file.
    pub access: PathBuf,
    /// Access files of options that are on, such as `infra/options/keda.json`.
    pub options: Vec<PathBuf>,
    /// What the code does with each grant; without it nobody can know.
    pub uses: Option<PathBuf>,
    /// The client id of each identity.
    pub client_ids: ClientIds,
}

/// How the client id of an identity is known.
#[derive(Clone, Debug)]
pub enum ClientIds {
    /// As the local cloud makes them from names.
    Local,
    /// As a deployment put them out.
    Known(BTreeMap<String, String>),
}

impl ClientIds {
    /// The client id of an identity, if it is known.
    pub fn of(&self, identity: &str) -> Option<String> {
        match self {
            Self::Local => Some(local_cloud::names::client_id(identity).to_string()),
            Self::Known(ids) => ids.get(identity).cloned(),
        }
    }
}

/// What the code of this repository does with its grants.
pub fn default_uses() -> PathBuf {
    crate::repository().join("e2e/uses.json")
}

/// Everything that the checks look at.
struct World {
    objects: Objects,
    access: Access,
    uses: Option<Uses>,
    client_ids: ClientIds,
    roles: Roles,
}

/// Checks; an error means that it could not be checked.
pub fn check(input: &Input) -> Result<Report> {
    let objects = match &input.manifests {
        Manifests::Kustomization(directory) => Objects::of(&Kustomized::read(directory)?)?,
        Manifests::Rendered { name, text } => Objects::rendered(name, text)?,
    };
    if objects.is_empty() {
        bail!("there is neither a service account nor a pod in the manifests");
    }
    let world = World {
        objects,
        access: Access::read_with(&input.access, &input.options)?,
        uses: input.uses.as_deref().map(Uses::read).transpose()?,
        client_ids: input.client_ids.clone(),
        roles: Roles::built_in()?,
    };
    Ok(checks::all(&world))
}

/// Reads a file, and says what it is called: from here, if it is below.
pub(crate) fn read(path: &Path) -> Result<(Arc<str>, String)> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    Ok((named(path), text))
}
