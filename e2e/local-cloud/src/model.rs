//! The access model, `infra/access.json`: what exists, which service accounts
//! each identity trusts, and who may do what where.
//!
//! It is parsed strictly: whatever is unknown, dangling or ambiguous is an
//! error with its line and column, before anything runs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::roles::{RoleSystem, Roles};
use crate::unique_map::UniqueMap;

mod identities;
mod place;
mod resources;

pub(crate) use identities::SystemAssignedTo;
pub use identities::{FederatedTrust, Identity, IdentityKind};
use place::Place;
pub use place::Places;
pub use resources::{
    CosmosContainerSpec, CosmosSpec, DatabaseSpec, GraphSpec, KeyVaultSpec, QueueSpec, Resource,
    SecretSpec, ServiceBusSpec, StorageSpec,
};

/// Who may do what, and on what.
#[derive(Clone, Debug)]
pub struct Model {
    /// Resources by logical name.
    pub resources: BTreeMap<String, Resource>,
    /// Identities by name.
    pub identities: BTreeMap<String, Identity>,
    /// Role assignments.
    pub grants: Vec<Grant>,
    /// Calls between services, by Kubernetes trust.
    pub calls: Vec<Call>,
    /// Where each of these stands in the file.
    pub places: Places,
}

/// A Kubernetes service account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ServiceAccount {
    /// The subject of its tokens.
    pub fn subject(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

/// A role assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The identity that it is for.
    pub identity: String,
    /// The role's name.
    pub role: String,
    /// Where it holds; everything below is included.
    pub scope: Scope,
}

/// A permitted call from one service to another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The identity whose service accounts may call.
    pub from: String,
    /// The identity whose service is called.
    pub to: String,
    /// The audience of the caller's token.
    pub audience: String,
}

/// A place in the estate, as a logical path: `vault/secrets/session-key`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope(Vec<String>);

impl Scope {
    /// A scope of these segments.
    pub fn new<S: Into<String>>(segments: impl IntoIterator<Item = S>) -> Self {
        Self(segments.into_iter().map(Into::into).collect())
    }

    /// Whether this scope is the other one or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The path's segments; the first is the resource's logical name.
    pub fn segments(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// What is wrong with an access model, and where.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}, column {column}: {problem}")]
pub struct ModelError {
    line: usize,
    column: usize,
    problem: String,
}

impl ModelError {
    fn new(place: Place, problem: impl Into<String>) -> Self {
        Self {
            line: place.line,
            column: place.column,
            problem: problem.into(),
        }
    }
}

impl From<serde_json::Error> for ModelError {
    fn from(error: serde_json::Error) -> Self {
        let place = Place {
            line: error.line(),
            column: error.column(),
        };
        // serde_json repeats the place at the end of its text.
        let text = error.to_string();
        let problem = text
            .rsplit_once(" at line ")
            .map_or(text.as_str(), |(p, _)| p);
        Self::new(place, problem)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    #[serde(borrow)]
    resources: UniqueMap<&'a RawValue>,
    #[serde(borrow)]
    identities: UniqueMap<&'a RawValue>,
    #[serde(borrow)]
    grants: Vec<&'a RawValue>,
    #[serde(borrow)]
    calls: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantText<'a> {
    #[serde(borrow)]
    identity: &'a RawValue,
    #[serde(borrow)]
    role: &'a RawValue,
    #[serde(borrow)]
    scope: &'a RawValue,
}

impl Model {
    /// Parses and checks the text of an access file.
    pub fn parse(text: &str, roles: &Roles) -> Result<Self, ModelError> {
        let document: Document<'_> = serde_json::from_str(text)?;
        let mut resources = BTreeMap::new();
        for (name, raw) in document.resources.0 {
            let resource = Resource::parse(text, &name, raw)?;
            let is_graph = |one: &Resource| matches!(one, Resource::Graph(_));
            let other = resources.iter().find(|(_, other)| is_graph(other));
            if let (true, Some((other, _))) = (is_graph(&resource), other) {
                let problem = format!("there is one Microsoft Graph, and it is `{other}`");
                return Err(ModelError::new(Place::of(text, raw), problem));
            }
            resources.insert(name, resource);
        }
        let mut places = Places::default();
        let identities = identities::parse(text, document.identities.0, &mut places)?;
        let mut model = Self {
            resources,
            identities,
            grants: Vec::new(),
            calls: Vec::new(),
            places,
        };
        for raw in document.grants {
            let place = Place::of(text, raw);
            let grant = model.check_grant(text, &place.parse(raw)?, roles)?;
            model.places.grants.push((grant.clone(), place.line));
            model.grants.push(grant);
        }
        for call in document.calls {
            let place = Place::of(text, call);
            let call: Call = place.parse(call)?;
            for end in [&call.from, &call.to] {
                model
                    .known_identity(end)
                    .map_err(|problem| ModelError::new(place, problem))?;
            }
            model.calls.push(call);
        }
        Ok(model)
    }

    /// The model, as it stands in a file of this name.
    #[must_use]
    pub fn in_file(mut self, name: impl Into<String>) -> Self {
        self.places.file = name.into();
        self
    }

    /// Checks role and scope of a grant, which may be for an identity that was
    /// made while the cloud runs.
    pub(crate) fn check_place(&self, grant: &Grant, roles: &Roles) -> Result<(), String> {
        let Some(system) = roles.system(&grant.role) else {
            let known: Vec<_> = roles.names().collect();
            return Err(format!(
                "unknown role `{}`; known are: {}",
                grant.role,
                known.join(", ")
            ));
        };
        if !self.declares(&grant.scope) {
            return Err(format!(
                "scope `{}` lies outside every declared resource",
                grant.scope
            ));
        }
        let resource = grant
            .scope
            .segments()
            .first()
            .and_then(|name| self.resources.get(name));
        if system == RoleSystem::Graph && !matches!(resource, Some(Resource::Graph(_))) {
            return Err(format!(
                "role `{}` is an application role of Microsoft Graph, but `{}` is not Microsoft Graph",
                grant.role, grant.scope
            ));
        }
        if system == RoleSystem::Cosmos && !matches!(resource, Some(Resource::Cosmos(_))) {
            return Err(format!(
                "role `{}` is a Cosmos DB data-plane role, but `{}` is not in a Cosmos DB account",
                grant.role, grant.scope
            ));
        }
        Ok(())
    }

    fn check_grant(
        &self,
        text: &str,
        grant: &GrantText<'_>,
        roles: &Roles,
    ) -> Result<Grant, ModelError> {
        let string = |raw: &RawValue| Place::of(text, raw).parse::<String>(raw);
        let checked = Grant {
            identity: string(grant.identity)?,
            role: string(grant.role)?,
            scope: Scope::new(string(grant.scope)?.split('/')),
        };
        let known = self.known_identity(&checked.identity);
        let sound = known.and_then(|()| self.check_place(&checked, roles));
        sound.map_err(|problem| {
            let at = match problem.split(' ').next() {
                Some("scope") => grant.scope,
                Some("identity") => grant.identity,
                _ => grant.role,
            };
            ModelError::new(Place::of(text, at), problem)
        })?;
        Ok(checked)
    }

    fn known_identity(&self, name: &str) -> Result<(), String> {
        if self.identities.contains_key(name) {
            return Ok(());
        }
        Err(format!(
            "identity `{name}` is not declared under `identities`"
        ))
    }

    /// The service accounts that an identity trusts.
    pub fn accounts_of(&self, identity: &str) -> &[ServiceAccount] {
        let found = self.identities.get(identity);
        found.map_or(&[], |identity| identity.service_accounts.as_slice())
    }

    /// Every scope that is declared: resources and what is in them.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        let mut scopes = Vec::new();
        for (name, resource) in &self.resources {
            scopes.push(Scope::new([name.as_str()]));
            let mut add = |path: &[&str]| {
                scopes.push(Scope::new([&[name.as_str()], path].concat()));
            };
            match resource {
                Resource::Graph(_) => {}
                Resource::KeyVault(vault) => {
                    vault
                        .secrets
                        .keys()
                        .for_each(|secret| add(&["secrets", secret]));
                }
                Resource::Storage(account) => {
                    account
                        .containers
                        .iter()
                        .for_each(|one| add(&["containers", one]));
                }
                Resource::ServiceBus(bus) => {
                    bus.queues.keys().for_each(|one| add(&["queues", one]));
                }
                Resource::Cosmos(account) => {
                    for (database, spec) in &account.databases {
                        add(&["databases", database]);
                        for container in spec.containers.keys() {
                            add(&["databases", database, "containers", container]);
                        }
                    }
                }
            }
        }
        scopes
    }

    /// Whether a scope names a declared resource or something declared in it.
    pub(crate) fn declares(&self, scope: &Scope) -> bool {
        let segments: Vec<&str> = scope.segments().iter().map(String::as_str).collect();
        let Some((resource, path)) = segments.split_first() else {
            return false;
        };
        match (self.resources.get(*resource), path) {
            (Some(_), []) => true,
            (Some(Resource::KeyVault(vault)), ["secrets", secret]) => {
                vault.secrets.contains_key(*secret)
            }
            (Some(Resource::Cosmos(account)), ["databases", database]) => {
                account.databases.contains_key(*database)
            }
            (Some(Resource::Cosmos(account)), ["databases", database, "containers", container]) => {
                account
                    .databases
                    .get(*database)
                    .is_some_and(|database| database.containers.contains_key(*container))
            }
            (Some(Resource::Storage(account)), ["containers", container]) => {
                account.containers.iter().any(|name| name == container)
            }
            (Some(Resource::ServiceBus(bus)), ["queues", queue]) => bus.queues.contains_key(*queue),
            _ => false,
        }
    }
}

/// A file's name as a person at this place would write it.
pub fn file_name(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here
        .as_deref()
        .and_then(|here| path.strip_prefix(here).ok());
    below.unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests;
