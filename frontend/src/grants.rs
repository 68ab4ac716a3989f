//! The access model, as the Access page needs it: which grants stand behind an
//! allowed cell, and in which line of the file. Only the page looks here. The probe
//! knows no grants, so that it cannot know what should succeed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;

/// The grants of `infra/access.json`, and what is needed to find their scopes.
#[derive(Debug, Clone)]
pub(crate) struct AccessModel {
    /// The file's own name.
    pub(crate) file: String,
    resources: BTreeMap<String, Resource>,
    grants: Vec<Grant>,
}

/// A role of an identity at a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) identity: String,
    pub(crate) role: String,
    pub(crate) scope: String,
    /// The line of the file that the grant begins in, from 1.
    pub(crate) line: usize,
}

/// The parts of the file that matter here, where they are in its text.
#[derive(Deserialize)]
struct Document<'text> {
    resources: BTreeMap<String, Resource>,
    #[serde(borrow)]
    grants: Vec<&'text RawValue>,
}

#[derive(Deserialize)]
struct Granted {
    identity: String,
    role: String,
    scope: String,
}

/// The kinds of resources, by how a scope within them is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Resource {
    KeyVault,
    Cosmos {
        databases: BTreeMap<String, Database>,
    },
    Storage,
    ServiceBus,
    Graph,
}

#[derive(Debug, Clone, Deserialize)]
struct Database {
    containers: serde_json::Map<String, serde_json::Value>,
}

/// Why there is no access model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelError {
    #[error("cannot read the access model in {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the access model in {} makes no sense", path.display())]
    Malformed {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

impl AccessModel {
    /// Reads the model. It is read for each view: the file comes from a config
    /// map, and the kubelet replaces it.
    pub(crate) async fn read(path: &Path) -> Result<Self, ModelError> {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let unreadable = |source| ModelError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let text = tokio::fs::read_to_string(path).await.map_err(unreadable)?;
        Self::parse(&file, &text).map_err(|source| ModelError::Malformed {
            path: path.to_owned(),
            source,
        })
    }

    fn parse(file: &str, text: &str) -> serde_json::Result<Self> {
        let document: Document<'_> = serde_json::from_str(text)?;
        let grants = document.grants.into_iter().map(|raw| {
            let Granted {
                identity,
                role,
                scope,
            } = serde_json::from_str(raw.get())?;
            let before = raw.get().as_ptr().addr() - text.as_ptr().addr();
            Ok(Grant {
                identity,
                role,
                scope,
                line: 1 + text[..before].matches('\n').count(),
            })
        });
        Ok(Self {
            file: file.to_owned(),
            resources: document.resources,
            grants: grants.collect::<serde_json::Result<_>>()?,
        })
    }

    /// The grants of an identity whose scope covers a resource of the matrix,
    /// for example `cosmos/todos`.
    pub(crate) fn covering(&self, identity: &str, resource: &str) -> Vec<&Grant> {
        let scope = self.scope_of(resource);
        self.grants
            .iter()
            .filter(|grant| grant.identity == identity && covers(&grant.scope, &scope))
            .collect()
    }

    /// The scope of a resource of the matrix, which leaves out what goes without
    /// saying: `cosmos/todos` is `cosmos/databases/todolist/containers/todos`.
    fn scope_of(&self, resource: &str) -> String {
        let Some((root, name)) = resource.split_once('/') else {
            return resource.to_owned();
        };
        match self.resources.get(root) {
            Some(Resource::Cosmos { databases }) => databases
                .iter()
                .find(|(_, database)| database.containers.contains_key(name))
                .map_or_else(
                    || resource.to_owned(),
                    |(database, _)| format!("{root}/databases/{database}/containers/{name}"),
                ),
            Some(Resource::Storage) => format!("{root}/containers/{name}"),
            Some(Resource::ServiceBus) => format!("{root}/queues/{name}"),
            Some(Resource::KeyVault | Resource::Graph) | None => resource.to_owned(),
        }
    }
}

/// Whether a scope is this one or above it.
fn covers(granted: &str, scope: &str) -> bool {
    scope
        .strip_prefix(granted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The model of this repository.
    pub(crate) fn model() -> AccessModel {
        let text = include_str!("../../infra/access.json");
        AccessModel::parse("access.json", text).expect("the access model")
    }

    fn roles(model: &AccessModel, identity: &str, resource: &str) -> Vec<String> {
        model
            .covering(identity, resource)
            .into_iter()
            .map(|grant| format!("{} at {}", grant.role, grant.scope))
            .collect()
    }

    #[test]
    fn a_cell_is_granted_by_the_roles_of_its_identity_at_its_resource() {
        let model = model();

        for (identity, resource, role) in [
            (
                "frontend",
                "vault/secrets/session-key",
                "Key Vault Secrets User at vault/secrets/session-key",
            ),
            (
                "frontend",
                "cosmos/activity",
                "Cosmos DB Built-in Data Reader at cosmos/databases/todolist/containers/activity",
            ),
            (
                "backend",
                "storage/attachments",
                "Storage Blob Data Contributor at storage/containers/attachments",
            ),
            (
                "worker",
                "bus/todo-events",
                "Azure Service Bus Data Receiver at bus/queues/todo-events",
            ),
        ] {
            assert_eq!(roles(&model, identity, resource), [role]);
        }
    }

    #[test]
    fn the_grants_of_others_and_of_parts_do_not_count() {
        let model = model();

        for (identity, resource) in [
            ("frontend", "cosmos/todos"),
            ("frontend", "vault/secrets/share-link-key"),
            ("frontend", "vault"),
            ("frontend", "storage"),
            ("nobody", "storage/attachments"),
            ("frontend", "unknown/attachments"),
        ] {
            assert_eq!(
                roles(&model, identity, resource),
                [""; 0],
                "{identity} {resource}"
            );
        }
    }

    #[test]
    fn a_grant_knows_the_line_that_it_is_written_in() {
        let text = include_str!("../../infra/access.json");
        let lines: Vec<&str> = text.lines().collect();

        let model = model();

        for grant in &model.grants {
            let line = lines[grant.line - 1];
            for part in [&grant.identity, &grant.role, &grant.scope] {
                assert!(line.contains(&format!("\"{part}\"")), "{grant:?}: {line}");
            }
        }
    }

    #[test]
    fn a_grant_of_several_lines_begins_in_its_first() {
        let text = r#"{ "resources": {},
            "grants": [
                { "identity": "a", "role": "R",
                  "scope": "vault" },
                {
                  "identity": "b", "role": "R", "scope": "vault" }] }"#;

        let model = AccessModel::parse("access.json", text).expect("a model");

        let lines: Vec<usize> = model.grants.iter().map(|grant| grant.line).collect();
        assert_eq!(lines, [3, 5]);
    }

    #[test]
    fn a_grant_above_covers_and_a_like_name_does_not() {
        assert!(covers("vault", "vault/secrets/session-key"));
        assert!(covers(
            "vault/secrets/session-key",
            "vault/secrets/session-key"
        ));
        assert!(!covers(
            "vault/secrets/session",
            "vault/secrets/session-key"
        ));
    }

    #[tokio::test]
    async fn a_model_that_is_not_there_is_named() {
        let error = AccessModel::read(Path::new("/nowhere/access.json"))
            .await
            .expect_err("no file");

        assert_eq!(
            error.to_string(),
            "cannot read the access model in /nowhere/access.json"
        );
    }
}
