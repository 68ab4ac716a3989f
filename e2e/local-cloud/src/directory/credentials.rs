//! Federated credentials, and what Azure Resource Manager refuses when one is
//! written. It looks at form alone: a wrong issuer, subject or audience is taken
//! without a word, and fails at the exchange (Microsoft Learn, *Important
//! considerations and restrictions for federated identity credentials*).

use serde::{Deserialize, Serialize};

use crate::names;

/// How many credentials an identity may have.
pub(crate) const MAX_CREDENTIALS: usize = 20;

/// How long issuer, subject and audience may be, in characters.
const MAX_LENGTH: usize = 600;

/// What an identity trusts: tokens of one issuer for one subject and audience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FederatedCredential {
    /// Its name, which cannot be changed.
    pub name: String,
    /// The issuer, exactly as its tokens name it.
    pub issuer: String,
    /// The subject of its tokens.
    pub subject: String,
    /// The audience of its tokens.
    pub audience: String,
}

/// A credential as it is written, before anybody looked at it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct CredentialText {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audiences: Vec<String>,
}

impl CredentialText {
    /// The credential of this name, if its form is right and it can stand beside
    /// the others of its identity, of which one may have the name already.
    ///
    /// The order of the checks, and the texts about lengths and number, are
    /// assumed.
    pub(super) fn check(
        self,
        name: &str,
        others: &[FederatedCredential],
    ) -> Result<FederatedCredential, ArmError> {
        if !is_name(name) {
            return Err(ArmError::bad_request(format!(
                "Federated Identity Credential name '{name}' is invalid."
            )));
        }
        let Self {
            issuer,
            subject,
            audiences,
        } = self;
        if issuer.is_empty() || subject.is_empty() {
            return Err(ArmError::bad_request(
                "Federated Identity Credential from HTTP body has empty properties",
            ));
        }
        let [audience] = <[String; 1]>::try_from(audiences).map_err(|_| {
            ArmError::bad_request("Federated identity credentials must have exactly one audience.")
        })?;
        for (what, value) in [
            ("issuer", &issuer),
            ("subject", &subject),
            ("audience", &audience),
        ] {
            if value.chars().count() > MAX_LENGTH {
                return Err(ArmError::bad_request(format!(
                    "Federated Identity Credential {what} is longer than {MAX_LENGTH} characters."
                )));
            }
        }
        let mut others = others.iter().filter(|other| other.name != name);
        if others
            .clone()
            .any(|other| other.issuer == issuer && other.subject == subject)
        {
            return Err(ArmError::bad_request(
                "Issuer and subject combination already exists for this Managed Identity.",
            ));
        }
        if others.nth(MAX_CREDENTIALS - 1).is_some() {
            return Err(ArmError::bad_request(format!(
                "A maximum of {MAX_CREDENTIALS} federated identity credentials can be added to an application or \
                 user-assigned managed identity."
            )));
        }
        Ok(FederatedCredential {
            name: name.to_owned(),
            issuer,
            subject,
            audience,
        })
    }
}

/// 3 to 120 letters, digits, dashes and underscores; the first is none of the latter.
fn is_name(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (3..=120).contains(&name.len())
        && name.chars().all(rest)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Why Azure Resource Manager does not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArmError {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// In how many seconds to come again.
    pub(crate) retry_after: Option<i64>,
}

impl ArmError {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// Only user-assigned identities are a parent of federated credentials; of
    /// an application Microsoft Graph would say so in its own way.
    pub(super) fn no_parent(identity: &str) -> Self {
        let message = format!(
            "Failed to perform 'write' on resource(s) of type \
             'userAssignedIdentities/federatedIdentityCredentials', because the parent resource '{}' could not be \
             found.",
            names::user_assigned_resource_id(identity)
        );
        Self::new(404, "ParentResourceNotFound", message)
    }

    pub(super) fn concurrent(identity: &str) -> Self {
        let message = format!(
            "Too many Federated Identity Credentials are written concurrently for the managed identity '{}'. \
             Concurrent Federated Identity Credentials writes under the same managed identity are not supported.",
            names::user_assigned_resource_id(identity).to_ascii_lowercase()
        );
        let code = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity";
        Self::new(409, code, message)
    }

    /// The text is assumed.
    pub(super) fn too_many_requests(seconds: i64) -> Self {
        let message = format!("Too many requests. Retry after {seconds} seconds.");
        Self {
            retry_after: Some(seconds),
            ..Self::new(429, "TooManyRequests", message)
        }
    }

    pub(crate) fn no_credential(name: &str) -> Self {
        let message = format!("The federated identity credential '{name}' was not found.");
        Self::new(404, "NotFound", message)
    }

    pub(crate) fn no_resource(resource: &str) -> Self {
        let message = format!("The Resource '{resource}' was not found.");
        Self::new(404, "ResourceNotFound", message)
    }

    pub(super) fn name_taken(name: &str) -> Self {
        let message = format!("There is an identity '{name}' already.");
        Self::new(409, "Conflict", message)
    }
}
