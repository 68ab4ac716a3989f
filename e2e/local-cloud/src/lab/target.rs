//! Where the walk of an identity ends: the first secret that it may read, or else
//! the first container.

use super::Shared;
use crate::model::{Grant, Resource, ServiceAccount};

/// What the fifth step asks for.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) account: ServiceAccount,
    pub(super) grant: Grant,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) enum Place {
    Secret {
        vault: String,
        host: String,
        secret: String,
    },
    Container {
        host: String,
        container: String,
    },
}

impl Place {
    /// What a token for it is asked for.
    pub(super) fn scope(&self) -> &'static str {
        match self {
            Self::Secret { .. } => "https://vault.azure.net/.default",
            Self::Container { .. } => "https://storage.azure.com/.default",
        }
    }

    /// The request of the fifth step, without its headers.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Secret { host, secret, .. } => {
                format!("https://{host}/secrets/{secret}?api-version=7.6")
            }
            Self::Container { host, container } => {
                format!("https://{host}/{container}?restype=container&comp=list&maxresults=1")
            }
        }
    }
}

impl Shared {
    /// Where the walk of an identity ends, or why it has none.
    pub(super) fn target_of(&self, identity: &str) -> Result<Target, String> {
        let Some(account) = self.model.accounts_of(identity).first() else {
            return Err(format!(
                "`{identity}` is no identity with a service account"
            ));
        };
        let grants = self.model.grants.iter();
        let mut own = grants.filter(|grant| grant.identity == identity);
        let places = || {
            own.clone()
                .filter_map(|grant| Some((grant, self.place(grant)?)))
        };
        let secret = places().find(|(_, place)| matches!(place, Place::Secret { .. }));
        let (grant, place) = secret.or_else(|| places().next()).ok_or_else(|| {
            let roles = own.by_ref().count();
            format!(
                "`{identity}` has {roles} roles, and none at a secret or a container of blobs, where the lab's fifth \
                 step is tried"
            )
        })?;
        Ok(Target {
            account: account.clone(),
            grant: grant.clone(),
            place,
        })
    }

    fn place(&self, grant: &Grant) -> Option<Place> {
        let [name, _, within] = grant.scope.segments() else {
            return None;
        };
        let resource = self.model.resources.get(name)?;
        let host = resource.host(name);
        match resource {
            Resource::KeyVault(_) => Some(Place::Secret {
                vault: name.clone(),
                host,
                secret: within.clone(),
            }),
            Resource::Storage(_) => Some(Place::Container {
                host,
                container: within.clone(),
            }),
            _ => None,
        }
    }
}
