//! Who a token has to be for, and why one is refused.

/// Who a token is for: the audiences that one resource accepts.
#[derive(Clone, Debug)]
pub struct Audience {
    pub(super) by: &'static str,
    accepted: Vec<String>,
}

impl Audience {
    /// Key Vault's.
    pub fn key_vault() -> Self {
        Self::of("key vault", &["https://vault.azure.net"])
    }

    /// Cosmos DB's, and this account's own.
    pub fn cosmos(host: &str) -> Self {
        Self::of(
            "cosmos",
            &["https://cosmos.azure.com", &format!("https://{host}")],
        )
    }

    /// Storage's, and this account's own.
    pub fn storage(host: &str) -> Self {
        Self::of(
            "blob",
            &["https://storage.azure.com", &format!("https://{host}")],
        )
    }

    /// Service Bus', and this namespace's own.
    pub fn service_bus(host: &str) -> Self {
        Self::of(
            "service bus",
            &["https://servicebus.azure.net", &format!("https://{host}")],
        )
    }

    /// Microsoft Graph's, by name or by its application id.
    pub fn graph() -> Self {
        let id = crate::graph::APPLICATION_ID;
        Self::of(
            "graph",
            &[&format!("https://{}", crate::names::GRAPH_HOST), id],
        )
    }

    fn of(by: &'static str, accepted: &[&str]) -> Self {
        let accepted = accepted
            .iter()
            .map(|&audience| audience.to_owned())
            .collect();
        Self { by, accepted }
    }

    /// The audience that refusals name as the expected one.
    pub fn expected(&self) -> &str {
        &self.accepted[0]
    }

    /// A scope `https://resource//.default` leaves a slash at the end of the
    /// audience, which the resources take as well.
    pub(super) fn accepts(&self, audience: &str) -> bool {
        let audience = audience.strip_suffix('/').unwrap_or(audience);
        self.accepted.iter().any(|accepted| accepted == audience)
    }
}

/// Why a token is refused by a resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// No token was sent.
    #[error("there is no token")]
    Missing,
    /// What was sent cannot be read as a token.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// The token is signed with an algorithm that is not accepted.
    #[error("the token's algorithm `{0}` is not accepted")]
    Algorithm(String),
    /// Entra ID has published no key of this id.
    #[error("the token names a key that Entra ID has not published")]
    UnknownKey,
    /// The signature was not made by that key.
    #[error("the token's signature is invalid")]
    Signature,
    /// The token is of another issuer.
    #[error("the token's issuer is `{found}`")]
    Issuer {
        /// The issuer in the token.
        found: String,
    },
    /// The token is for another resource.
    #[error("the token's audience is `{found}`")]
    Audience {
        /// The audience in the token.
        found: String,
    },
    /// The token is no longer valid.
    #[error("the token is expired")]
    Expired,
    /// The token is not yet valid.
    #[error("the token is not yet valid")]
    NotYetValid,
    /// The token's object id belongs to no principal.
    #[error("the token's principal does not exist")]
    UnknownPrincipal,
}

impl TokenRefusal {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Missing => "TokenMissing",
            Self::Malformed(_) => "TokenMalformed",
            Self::Algorithm(_) => "TokenAlgorithm",
            Self::UnknownKey => "TokenUnknownKey",
            Self::Signature => "TokenSignature",
            Self::Issuer { .. } => "TokenIssuer",
            Self::Audience { .. } => "TokenAudience",
            Self::Expired => "TokenExpired",
            Self::NotYetValid => "TokenNotYetValid",
            Self::UnknownPrincipal => "TokenPrincipal",
        }
    }
}
