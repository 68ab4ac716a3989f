//! The mistakes that a workshop makes, and what people did who made them.

use serde::{Deserialize, Serialize};

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mistake {
    /// The federated credential names another service account.
    WrongSubject,
    /// The federated credential's issuer lacks the slash at its end.
    DropIssuerSlash,
    /// The federated credential names another audience.
    WrongAudience,
    /// The role assignment is gone.
    RevokeRole,
    /// The pod's token has expired, and nobody has renewed it.
    ExpireToken,
    /// The cluster's keys were rotated twice, and the pod was not restarted.
    RotateKeys,
    /// The current version of the secret is disabled.
    DisableSecretVersion,
}

impl Mistake {
    /// Each of them, in the order of the steps at which they show.
    pub const ALL: [Self; 7] = [
        Self::WrongSubject,
        Self::DropIssuerSlash,
        Self::WrongAudience,
        Self::ExpireToken,
        Self::RotateKeys,
        Self::RevokeRole,
        Self::DisableSecretVersion,
    ];

    /// What it is called where people press it.
    pub fn title(self) -> &'static str {
        match self {
            Self::WrongSubject => "Wrong subject",
            Self::DropIssuerSlash => "Drop the issuer's slash",
            Self::WrongAudience => "Wrong audience",
            Self::RevokeRole => "Revoke role",
            Self::ExpireToken => "Expire token",
            Self::RotateKeys => "Rotate keys",
            Self::DisableSecretVersion => "Disable secret version",
        }
    }
}
