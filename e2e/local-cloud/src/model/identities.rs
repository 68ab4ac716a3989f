//! The identities of an access model: what kind each is, and what it trusts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::place::{Place, Places};
use super::{ModelError, ServiceAccount};
use crate::directory;

/// One identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it is to Entra ID.
    pub kind: IdentityKind,
    /// The service accounts of the cluster that it trusts.
    pub service_accounts: Vec<ServiceAccount>,
    /// Whom else it trusts, such as an account of another cluster.
    pub federated_credentials: Vec<FederatedTrust>,
    /// Why several service accounts share it, if they do.
    pub shared_because: Option<String>,
    /// Whether somebody else uses it than the workload, such as an add-on of the
    /// cluster. Nothing is enforced by it.
    pub external: bool,
}

/// What an identity is to Entra ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityKind {
    /// A user-assigned managed identity.
    UserAssigned,
    /// A registered application with its service principal.
    Application,
    /// The identity of one Azure resource, of the same name: it comes and goes
    /// with it, and nobody else may ask for its tokens.
    SystemAssigned {
        /// The resource, such as `Microsoft.Compute/virtualMachines/build`.
        resource: String,
    },
}

/// Who is trusted by a federated credential that stands for no service account
/// of the model's own cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederatedTrust {
    /// The issuer, exactly as its tokens name it.
    pub issuer: String,
    /// The subject of its tokens.
    pub subject: String,
    /// The audience of its tokens.
    pub audience: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Text<'a> {
    #[serde(rename = "type", default)]
    kind: Kind,
    #[serde(borrow, default)]
    service_accounts: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    federated_credentials: Vec<FederatedTrust>,
    #[serde(default)]
    shared_because: Option<String>,
    #[serde(default)]
    external: bool,
    #[serde(default)]
    resource: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    #[default]
    UserAssigned,
    Application,
    SystemAssigned,
}

/// Parses the identities where they stand in the file.
///
/// A service account is one identity's here, though Entra ID would not mind two:
/// the annotation of a service account names one.
pub(super) fn parse(
    text: &str,
    identities: BTreeMap<String, &RawValue>,
    places: &mut Places,
) -> Result<BTreeMap<String, Identity>, ModelError> {
    let mut trusted_by: BTreeMap<ServiceAccount, String> = BTreeMap::new();
    let mut parsed = BTreeMap::new();
    for (name, raw) in identities {
        let place = Place::of(text, raw);
        places.identities.insert(name.clone(), place.line);
        let fields: Text<'_> = place.parse(raw)?;
        let kind = kind(place, &name, &fields)?;
        let mut service_accounts = Vec::new();
        for raw in fields.service_accounts.unwrap_or_default() {
            let place = Place::of(text, raw);
            let account: ServiceAccount = place.parse(raw)?;
            places.accounts.insert(account.clone(), place.line);
            if let Some(other) = trusted_by.insert(account.clone(), name.clone()) {
                return Err(ModelError::new(
                    place,
                    format!(
                        "service account `{}/{}` is trusted twice, by identities `{other}` and `{name}`",
                        account.namespace, account.name
                    ),
                ));
            }
            service_accounts.push(account);
        }
        service_accounts.sort();
        let identity = Identity {
            kind,
            service_accounts,
            federated_credentials: fields.federated_credentials,
            shared_because: fields.shared_because,
            external: fields.external,
        };
        directory::check(&identity)
            .map_err(|problem| ModelError::new(place, format!("`{name}`: {problem}")))?;
        parsed.insert(name, identity);
    }
    Ok(parsed)
}

/// What an identity is, if its other fields agree with it.
fn kind(place: Place, name: &str, fields: &Text<'_>) -> Result<IdentityKind, ModelError> {
    let wrong = |problem: String| Err(ModelError::new(place, problem));
    let Kind::SystemAssigned = fields.kind else {
        if fields.resource.is_some() {
            return wrong(format!(
                "`{name}` is not system-assigned, so it has no `resource`"
            ));
        }
        if fields.service_accounts.is_none() && fields.federated_credentials.is_empty() {
            return wrong("missing field `serviceAccounts`".to_owned());
        }
        return Ok(match fields.kind {
            Kind::Application => IdentityKind::Application,
            _ => IdentityKind::UserAssigned,
        });
    };
    let accounts = fields.service_accounts.as_deref().unwrap_or_default();
    if !accounts.is_empty() || !fields.federated_credentials.is_empty() {
        return wrong(format!(
            "`{name}` is system-assigned, and so cannot have a federated credential"
        ));
    }
    let Some(resource) = &fields.resource else {
        return wrong(format!(
            "`{name}` is system-assigned, but no `resource` is named"
        ));
    };
    match SystemAssignedTo::of(resource) {
        Some(SystemAssignedTo { name: own }) if own == name => Ok(IdentityKind::SystemAssigned {
            resource: resource.clone(),
        }),
        Some(SystemAssignedTo { name: own }) => wrong(format!(
            "`{name}` is the identity of `{resource}`, and so is called `{own}`"
        )),
        None => wrong(format!(
            "`{resource}` is no resource such as Microsoft.Compute/virtualMachines/{name}"
        )),
    }
}

/// A resource that may have an identity of its own: `<provider>/<type>/<name>`.
pub(crate) struct SystemAssignedTo<'a> {
    pub(crate) name: &'a str,
}

impl<'a> SystemAssignedTo<'a> {
    pub(crate) fn of(resource: &'a str) -> Option<Self> {
        let parts: Vec<&str> = resource.split('/').collect();
        let [provider, .., name] = parts[..] else {
            return None;
        };
        let whole = parts.len() >= 3
            && provider.contains('.')
            && parts.iter().all(|part| {
                !part.is_empty()
                    && part
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            });
        whole.then_some(Self { name })
    }
}
