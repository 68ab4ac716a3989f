//! Entra ID's directory: the identities of the tenant with their ids and their
//! federated credentials. It begins as the access model says, and is changed
//! while the cloud runs, as an administrator would.
//!
//! Entra ID reads the trust here; the gate reads which principals exist.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use uuid::Uuid;

use crate::clock::Clock;
use crate::faults::{Faults, History};
use crate::holds::Holds;
use crate::model::{self, IdentityKind, Model, SystemAssignedTo};
use crate::names;

mod credentials;
mod writes;

pub use credentials::FederatedCredential;
pub(crate) use credentials::{ArmError, CredentialText};
use writes::Writes;

/// An identity as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) kind: IdentityKind,
    pub(crate) client_id: Uuid,
    /// The id of its service principal, which role assignments name.
    pub(crate) object_id: Uuid,
    /// The Kubernetes subject that it was made for, if there is just one.
    pub(crate) subject: Option<String>,
    pub(crate) federated_credentials: Arc<[FederatedCredential]>,
}

impl Identity {
    /// Whether Azure keeps its credentials, so that it is no application.
    pub(crate) fn is_managed(&self) -> bool {
        self.kind != IdentityKind::Application
    }
}

/// The directory of a cloud; clones share it.
#[derive(Clone)]
pub(crate) struct Directory {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    holds: Holds,
    faults: Faults,
    // Held for a lookup or a change only, never across an await.
    entries: RwLock<Entries>,
}

#[derive(Default)]
struct Entries {
    by_name: BTreeMap<String, Identity>,
    names_by_client: BTreeMap<Uuid, String>,
    names_by_object: BTreeMap<Uuid, String>,
    writes: Writes,
    /// What an identity trusts and trusted, by name, once that has changed: not every
    /// exchange has to have heard of it.
    changed: BTreeMap<String, History<Arc<[FederatedCredential]>>>,
    /// How often an identity of this name was made, because each has ids of its own.
    made: BTreeMap<String, u32>,
}

impl Directory {
    /// The model's identities, each with one credential per service account, and
    /// those that the model names besides.
    pub(crate) fn from_model(model: &Model, clock: Clock, holds: Holds, faults: Faults) -> Self {
        let mut entries = Entries::default();
        for (name, identity) in &model.identities {
            entries.add(name, identity.kind.clone(), trust(identity));
        }
        Self {
            shared: Arc::new(Shared {
                clock,
                holds,
                faults,
                entries: RwLock::new(entries),
            }),
        }
    }

    /// The identity of this client id, with the trust that holds for it now.
    pub(crate) fn find(&self, client_id: &str) -> Option<Identity> {
        let client_id: Uuid = client_id.parse().ok()?;
        let entries = self.read();
        let identity = entries
            .by_name
            .get(entries.names_by_client.get(&client_id)?)?;
        Some(Identity {
            federated_credentials: self.trust_of(&entries, identity),
            ..identity.clone()
        })
    }

    /// What an identity trusts, as an exchange sees it: the one place that reads it.
    fn trust_of(&self, entries: &Entries, identity: &Identity) -> Arc<[FederatedCredential]> {
        match entries.changed.get(&identity.name) {
            None => Arc::clone(&identity.federated_credentials),
            Some(history) => {
                let seen = self.shared.faults.trust_seen_as_of(&identity.name);
                Arc::clone(history.as_of(seen))
            }
        }
    }

    /// The identity whose service principal has this object id.
    pub(crate) fn principal(&self, object_id: Uuid) -> Option<Identity> {
        let entries = self.read();
        let name = entries.names_by_object.get(&object_id)?;
        entries.by_name.get(name).cloned()
    }

    /// The identity of this name.
    pub(crate) fn named(&self, name: &str) -> Option<Identity> {
        self.read().by_name.get(name).cloned()
    }

    /// Every identity.
    pub(crate) fn identities(&self) -> Vec<Identity> {
        self.read().by_name.values().cloned().collect()
    }

    /// Creates a resource's identity together with it. It has new ids each time,
    /// so no role assignment of an earlier one is its own.
    pub(crate) fn create_resource(&self, resource: &str) -> Result<Identity, ArmError> {
        let Some(SystemAssignedTo { name }) = SystemAssignedTo::of(resource) else {
            return Err(ArmError::no_resource(resource));
        };
        let mut entries = self.write();
        if entries.by_name.contains_key(name) {
            return Err(ArmError::name_taken(name));
        }
        let kind = IdentityKind::SystemAssigned {
            resource: resource.to_owned(),
        };
        Ok(entries.add(name, kind, Vec::new()))
    }

    /// Deletes a resource, and its identity with it; the identity that was.
    pub(crate) fn delete_resource(&self, resource: &str) -> Option<Identity> {
        let mut entries = self.write();
        let gone = entries
            .by_name
            .values()
            .find(|identity| is_of(identity, resource))?
            .clone();
        entries.remove(&gone);
        Some(gone)
    }

    /// The identity that a resource has of its own.
    pub(crate) fn of_resource(&self, resource: &str) -> Option<Identity> {
        let entries = self.read();
        let mut all = entries.by_name.values();
        all.find(|identity| is_of(identity, resource)).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        let entries = self.shared.entries.read();
        entries.expect("no one panics while holding the directory")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        let entries = self.shared.entries.write();
        entries.expect("no one panics while holding the directory")
    }
}

impl Entries {
    fn add(
        &mut self,
        name: &str,
        kind: IdentityKind,
        credentials: Vec<FederatedCredential>,
    ) -> Identity {
        let made = self.made.entry(name.to_owned()).or_default();
        let id_of = if *made == 0 {
            name.to_owned()
        } else {
            format!("{name}/{made}")
        };
        *made += 1;
        let subject = match &credentials[..] {
            [only] => Some(only.subject.clone()),
            _ => None,
        };
        let identity = Identity {
            name: name.to_owned(),
            kind,
            client_id: names::client_id(&id_of),
            object_id: names::object_id(&id_of),
            subject,
            federated_credentials: credentials.into(),
        };
        self.names_by_client
            .insert(identity.client_id, name.to_owned());
        self.names_by_object
            .insert(identity.object_id, name.to_owned());
        self.by_name.insert(name.to_owned(), identity.clone());
        identity
    }

    fn remove(&mut self, identity: &Identity) {
        self.by_name.remove(&identity.name);
        self.changed.remove(&identity.name);
        self.names_by_client.remove(&identity.client_id);
        self.names_by_object.remove(&identity.object_id);
    }
}

fn is_of(identity: &Identity, resource: &str) -> bool {
    matches!(&identity.kind, IdentityKind::SystemAssigned { resource: own } if own == resource)
}

/// What is wrong with the credentials of an identity of a model, if anything is.
pub(crate) fn check(identity: &model::Identity) -> Result<(), String> {
    let mut standing = Vec::new();
    for credential in trust(identity) {
        let text = CredentialText {
            issuer: credential.issuer,
            subject: credential.subject,
            audiences: vec![credential.audience],
        };
        // Which name it has is the cloud's own choice.
        let name = format!("credential-{}", standing.len());
        let credential = text.check(&name, &standing);
        standing.push(credential.map_err(|error| error.message)?);
    }
    Ok(())
}

/// What the model says that an identity trusts.
fn trust(identity: &model::Identity) -> Vec<FederatedCredential> {
    let accounts = identity
        .service_accounts
        .iter()
        .map(|account| FederatedCredential {
            name: format!("{}-{}", account.namespace, account.name),
            issuer: names::cluster_issuer(),
            subject: account.subject(),
            audience: crate::entra::EXCHANGE_AUDIENCE.to_owned(),
        });
    let others = identity.federated_credentials.iter().enumerate();
    let others = others.map(|(number, trust)| FederatedCredential {
        name: format!("external-{}", number + 1),
        issuer: trust.issuer.clone(),
        subject: trust.subject.clone(),
        audience: trust.audience.clone(),
    });
    accounts.chain(others).collect()
}

#[cfg(test)]
mod tests;
