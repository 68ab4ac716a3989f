//! The tenant's identities and their federated credentials: which issuer,
//! subject and audience each trusts.
//!
//! All three are compared exactly, byte for byte (Microsoft Learn, *Important
//! considerations and restrictions for federated identity credentials*).

use std::collections::BTreeMap;

use uuid::Uuid;

use super::EXCHANGE_AUDIENCE;
use super::error::AadError;
use crate::model::Model;
use crate::names;

/// What one identity trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FederatedCredential {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
}

/// A user-assigned identity.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) client_id: Uuid,
    pub(crate) federated_credentials: Vec<FederatedCredential>,
}

/// The identities by client id.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    identities: BTreeMap<Uuid, Identity>,
}

impl Directory {
    /// The model's identities, each with one credential per service account.
    pub(crate) fn from_model(model: &Model) -> Self {
        let identity = |(name, accounts): (&String, &Vec<crate::model::ServiceAccount>)| {
            let client_id = names::client_id(name);
            let trust = |account: &crate::model::ServiceAccount| FederatedCredential {
                issuer: names::cluster_issuer(),
                subject: account.subject(),
                audience: EXCHANGE_AUDIENCE.to_owned(),
            };
            let identity = Identity {
                name: name.clone(),
                client_id,
                federated_credentials: accounts.iter().map(trust).collect(),
            };
            (client_id, identity)
        };
        Self {
            identities: model.identities.iter().map(identity).collect(),
        }
    }

    /// Every identity.
    pub(crate) fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.identities.values()
    }

    /// The identity of this client id.
    pub(crate) fn find(&self, client_id: &str) -> Option<&Identity> {
        self.identities.get(&client_id.parse::<Uuid>().ok()?)
    }
}

impl Identity {
    /// Whether one credential trusts this issuer, subject and audience; if none
    /// does, the error for what comes closest.
    pub(crate) fn check_trust(
        &self,
        issuer: &str,
        subject: &str,
        audience: &str,
    ) -> Result<(), AadError> {
        if self.federated_credentials.is_empty() {
            return Err(AadError::no_federated_credential(
                &self.client_id.to_string(),
                &self.name,
            ));
        }
        let of_issuer: Vec<_> = self
            .federated_credentials
            .iter()
            .filter(|trusted| trusted.issuer == issuer)
            .collect();
        if of_issuer.is_empty() {
            return Err(AadError::issuer_mismatch(issuer));
        }
        let of_subject: Vec<_> = of_issuer
            .iter()
            .filter(|trusted| trusted.subject == subject)
            .collect();
        if of_subject.is_empty() {
            let but_for_case =
                |trusted: &&FederatedCredential| trusted.subject.eq_ignore_ascii_case(subject);
            return Err(
                if of_issuer.into_iter().any(|trusted| but_for_case(&trusted)) {
                    AadError::subject_case_mismatch(subject)
                } else {
                    AadError::subject_mismatch(subject)
                },
            );
        }
        if of_subject
            .iter()
            .any(|trusted| trusted.audience == audience)
        {
            return Ok(());
        }
        Err(AadError::audience_mismatch(audience))
    }
}
