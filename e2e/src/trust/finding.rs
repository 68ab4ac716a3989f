//! What is found, and how it is told.

use std::fmt;

use serde::Serialize;

use crate::node::Place;

/// What kind of mistake it is. The codes are stable: exceptions and scripts name
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A trusted service account that is nowhere, or one that nobody trusts.
    DanglingSubject,
    /// A client id that is no identity's.
    UnknownClientId,
    /// A service account with the client id of an identity that does not trust it.
    ForeignClientId,
    /// A trusted service account without a client id.
    MissingAnnotation,
    /// A pod without the label on which the webhook acts.
    MissingLabel,
    /// The right name in another namespace.
    WrongNamespace,
    /// A pod whose service account is not there.
    MissingServiceAccount,
    /// A service account that no pod runs as.
    UnusedServiceAccount,
    /// `AZURE_CLIENT_ID` set by hand to another identity.
    OverriddenClientId,
    /// An annotation by which no container gets a token.
    SkipsEveryContainer,
    /// A token lifetime that is refused.
    TokenExpiration,
    /// The API server's token in a pod that has no use for it.
    MountedApiToken,
    /// An audience that is nearly another.
    AudienceTypo,
    /// A call for which the caller has no token.
    CallWithoutToken,
    /// An AKS issuer without its trailing slash.
    IssuerSlash,
    /// Several service accounts that are one identity, without a reason.
    SharedIdentity,
    /// More federated credentials than Entra ID takes.
    TooManyCredentials,
    /// A grant that no code uses.
    UnusedGrant,
    /// A grant at a scope above what is used.
    WiderScope,
    /// A role where a narrower one would do.
    WiderRole,
    /// A use that no grant allows.
    UseWithoutGrant,
    /// An exception to nothing.
    StaleException,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 22] = [
        Self::DanglingSubject,
        Self::UnknownClientId,
        Self::ForeignClientId,
        Self::MissingAnnotation,
        Self::MissingLabel,
        Self::WrongNamespace,
        Self::MissingServiceAccount,
        Self::UnusedServiceAccount,
        Self::OverriddenClientId,
        Self::SkipsEveryContainer,
        Self::TokenExpiration,
        Self::MountedApiToken,
        Self::AudienceTypo,
        Self::CallWithoutToken,
        Self::IssuerSlash,
        Self::SharedIdentity,
        Self::TooManyCredentials,
        Self::UnusedGrant,
        Self::WiderScope,
        Self::WiderRole,
        Self::UseWithoutGrant,
        Self::StaleException,
    ];

    /// The code as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::DanglingSubject => "dangling-subject",
            Self::UnknownClientId => "unknown-client-id",
            Self::ForeignClientId => "foreign-client-id",
            Self::MissingAnnotation => "missing-annotation",
            Self::MissingLabel => "missing-label",
            Self::WrongNamespace => "wrong-namespace",
            Self::MissingServiceAccount => "missing-service-account",
            Self::UnusedServiceAccount => "unused-service-account",
            Self::OverriddenClientId => "overridden-client-id",
            Self::SkipsEveryContainer => "skips-every-container",
            Self::TokenExpiration => "token-expiration",
            Self::MountedApiToken => "mounted-api-token",
            Self::AudienceTypo => "audience-typo",
            Self::CallWithoutToken => "call-without-token",
            Self::IssuerSlash => "issuer-slash",
            Self::SharedIdentity => "shared-identity",
            Self::TooManyCredentials => "too-many-credentials",
            Self::UnusedGrant => "unused-grant",
            Self::WiderScope => "wider-scope",
            Self::WiderRole => "wider-role",
            Self::UseWithoutGrant => "use-without-grant",
            Self::StaleException => "stale-exception",
        }
    }

    /// An error fails on Azure or gives away access; a warning is wider or more
    /// than needed.
    pub fn severity(self) -> Severity {
        match self {
            Self::UnusedServiceAccount
            | Self::MountedApiToken
            | Self::SharedIdentity
            | Self::UnusedGrant
            | Self::WiderScope
            | Self::WiderRole
            | Self::StaleException => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It fails on Azure, or somebody is somebody else.
    Error,
    /// It works, and is more than is needed.
    Warning,
}

/// One mistake.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What kind it is.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// What it is about, as an exception names it.
    pub about: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Self {
            code,
            place,
            message,
            fix,
            ..
        } = self;
        write!(
            f,
            "{severity}[{}] {place}\n  {message}\n  fix: {fix}",
            code.name()
        )
    }
}

/// A finding that somebody accepted, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Accepted {
    /// What was found.
    pub finding: Finding,
    /// Why that is all right.
    pub because: String,
}

/// All that was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What is wrong, in the order of files and lines.
    pub findings: Vec<Finding>,
    /// What would be wrong, but for a reason.
    pub accepted: Vec<Accepted>,
    /// What could not be known.
    pub unknown: Vec<String>,
}

impl Report {
    pub(super) fn add(
        &mut self,
        code: Code,
        place: &Place,
        about: &str,
        message: String,
        fix: String,
    ) {
        self.findings.push(Finding {
            code,
            severity: code.severity(),
            place: place.clone(),
            about: about.to_owned(),
            message,
            fix,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_called_alike_in_text_and_in_json() {
        for code in Code::ALL {
            let json = serde_json::to_value(code).expect("JSON");
            assert_eq!(json, code.name());
        }
    }
}
