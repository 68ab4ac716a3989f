//! What the official clients' errors mean: which service said what, with its own
//! codes. The four crates have four shapes of errors; behind this file there is
//! one.

use std::error::Error;
use std::fmt;

use azure_core::error::ErrorKind;
use azure_data_cosmos::CosmosError;
use serde_json::Value;

use crate::identity::NoToken;
use crate::telemetry::{error_chain, redact};

/// Who answered, or should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Microsoft Entra ID: there was no access token.
    EntraId,
    /// Azure Key Vault.
    KeyVault,
    /// Azure Cosmos DB.
    CosmosDb,
    /// Azure Blob Storage.
    BlobStorage,
    /// Azure Service Bus.
    ServiceBus,
}

impl Service {
    /// The service's name in metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::EntraId => "entra_id",
            Self::KeyVault => "key_vault",
            Self::CosmosDb => "cosmos_db",
            Self::BlobStorage => "blob_storage",
            Self::ServiceBus => "service_bus",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EntraId => "Microsoft Entra ID",
            Self::KeyVault => "Key Vault",
            Self::CosmosDb => "Cosmos DB",
            Self::BlobStorage => "Blob Storage",
            Self::ServiceBus => "Service Bus",
        })
    }
}

/// A call to Azure that did not do what it should.
#[derive(Debug)]
pub struct AzureFailure {
    /// Who answered. Entra ID, when the call failed for want of a token.
    pub service: Service,
    /// The HTTP status. For Cosmos DB also one that its client made up, for
    /// example 408 for its own timeout.
    pub status: Option<u16>,
    /// The service's code: the innermost one of Key Vault (`ForbiddenByRbac`),
    /// that of `x-ms-error-code` (`BlobNotFound`), the AMQP condition
    /// (`amqp:unauthorized-access Send`), or Entra's (`AADSTS700213`).
    pub code: Option<String>,
    /// The sub-status of Cosmos DB, for example 5302.
    pub sub_status: Option<u16>,
    /// What the service said. No secrets: redacted as logs are.
    pub message: String,
    /// The text of the error and of all its causes, redacted.
    pub chain: String,
    transient: bool,
    source: Box<dyn Error + Send + Sync>,
}

impl AzureFailure {
    /// A failure of Key Vault's client.
    pub fn key_vault(error: azure_core::Error) -> Self {
        Self::http(Service::KeyVault, error)
    }

    /// A failure of Blob Storage's client.
    pub fn blob(error: azure_core::Error) -> Self {
        Self::http(Service::BlobStorage, error)
    }

    /// A failure of Cosmos DB's client.
    pub fn cosmos(error: CosmosError) -> Self {
        let status = error.status();
        let message = error.response().and_then(|response| {
            let bytes = response.body().clone().single().ok()?;
            service_message(&bytes)
        });
        let message = message.unwrap_or_else(|| error.to_string());
        let answered = status.status_code().into();
        let transient = status.is_transient() || is_transient(answered);
        let mut failure = Self::of(
            Service::CosmosDb,
            Some(answered),
            None,
            &message,
            transient,
            error,
        );
        // Entra's failures have none.
        if failure.service == Service::CosmosDb {
            failure.sub_status = status.sub_status().map(|sub| sub.value());
        }
        failure
    }

    /// The access that the pod does not have, in the service's own code: `403
    /// ForbiddenByRbac`, `403/5302`, `403 AuthorizationPermissionMismatch`,
    /// `amqp:unauthorized-access Send`. `None` for any other failure, also for other kinds of 403: a firewall is
    /// no missing role.
    pub fn refusal(&self) -> Option<String> {
        match (self.service, self.status, self.code.as_deref()) {
            (Service::KeyVault, Some(403), Some(code @ "ForbiddenByRbac"))
            | (Service::BlobStorage, Some(403), Some(code @ "AuthorizationPermissionMismatch")) => {
                Some(format!("403 {code}"))
            }
            (Service::CosmosDb, Some(403), _) => match self.sub_status {
                Some(sub @ 5300..=5303) => Some(format!("403/{sub}")),
                _ => None,
            },
            (Service::ServiceBus, _, _) => self.missing_claim(),
            _ => None,
        }
    }

    /// Whether the same call may succeed later. The client has tried it three
    /// times already.
    pub fn is_transient(&self) -> bool {
        self.transient
    }

    /// 404.
    pub fn is_not_found(&self) -> bool {
        self.status == Some(404)
    }

    /// 409: it is there already.
    pub fn is_conflict(&self) -> bool {
        self.status == Some(409)
    }

    /// 412: it is another than the one that the caller knows.
    pub fn is_changed(&self) -> bool {
        self.status == Some(412)
    }

    fn http(service: Service, error: azure_core::Error) -> Self {
        let mut status = None;
        let mut code = None;
        let mut message = None;
        if let ErrorKind::HttpResponse {
            status: answered,
            error_code,
            raw_response,
        } = error.kind()
        {
            status = Some(u16::from(*answered));
            // Without a code in the answer, the client repeats the status.
            code = error_code
                .clone()
                .filter(|code| *code != answered.to_string());
            if let Some(raw) = raw_response {
                let body: &[u8] = raw.body().as_ref();
                code = innermost_code(body).or(code);
                message = service_message(body);
            }
        }
        let message = message.unwrap_or_else(|| error.to_string());
        let transient = match error.kind() {
            ErrorKind::Io | ErrorKind::Connection => true,
            _ => status.is_some_and(is_transient),
        };
        Self::of(service, status, code, &message, transient, error)
    }

    pub(super) fn of(
        service: Service,
        status: Option<u16>,
        code: Option<String>,
        message: &str,
        transient: bool,
        error: impl Error + Send + Sync + 'static,
    ) -> Self {
        let mut failure = Self {
            service,
            status,
            code,
            sub_status: None,
            message: redact(message).into_owned(),
            chain: redact(&error_chain(&error)).into_owned(),
            transient,
            source: Box::new(error),
        };
        failure.blame_entra();
        failure
    }

    /// When there was no token, the service was never asked: the failure is
    /// Entra's.
    fn blame_entra(&mut self) {
        let Some(no_token) = NoToken::behind(&*self.source) else {
            return;
        };
        self.service = Service::EntraId;
        self.transient = no_token.status.is_none_or(is_transient);
        self.status = no_token.status;
        self.code = no_token.code;
        self.message = no_token.message;
    }
}

impl fmt::Display for AzureFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.service)?;
        match (self.status, self.sub_status) {
            (Some(status), Some(sub)) => write!(f, " {status}/{sub}")?,
            (Some(status), None) => write!(f, " {status}")?,
            _ => {}
        }
        match &self.code {
            Some(code) => write!(f, " {code}"),
            None if self.status.is_some() => Ok(()),
            None if self.transient => f.write_str(" did not answer"),
            None => f.write_str(" could not be asked"),
        }
    }
}

impl Error for AzureFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 410 | 429 | 449 | 500 | 502 | 503 | 504)
}

/// The innermost code of `{"error":{"code":..,"innererror":{"code":..}}}`: Key
/// Vault's outer one is only `Forbidden`.
fn innermost_code(body: &[u8]) -> Option<String> {
    let json: Value = serde_json::from_slice(body).ok()?;
    let mut error = json.get("error")?;
    while let Some(inner) = error.get("innererror").filter(|inner| inner.is_object()) {
        error = inner;
    }
    error.get("code")?.as_str().map(str::to_owned)
}

/// What the service says for people: Key Vault's and Cosmos DB's JSON, Blob
/// Storage's XML.
fn service_message(body: &[u8]) -> Option<String> {
    if let Ok(json) = serde_json::from_slice::<Value>(body) {
        let message = json
            .pointer("/error/message")
            .or_else(|| json.get("message"))?;
        return message.as_str().map(str::to_owned);
    }
    let text = std::str::from_utf8(body).ok()?;
    let start = text.find("<Message>")? + "<Message>".len();
    let end = start + text[start..].find("</Message>")?;
    Some(text[start..end].to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use azure_core::http::headers::Headers;
    use azure_core::http::{RawResponse, StatusCode};

    use crate::identity::no_token_tests::{WORDS, refused};

    fn answered(status: StatusCode, code: Option<&str>, body: &'static str) -> azure_core::Error {
        azure_core::Error::with_message(
            ErrorKind::HttpResponse {
                status,
                error_code: code.map(str::to_owned),
                raw_response: Some(Box::new(RawResponse::from_bytes(
                    status,
                    Headers::new(),
                    body,
                ))),
            },
            "an answer",
        )
    }

    #[test]
    fn key_vaults_inner_code_names_the_missing_role() {
        let failure = AzureFailure::key_vault(answered(
            StatusCode::Forbidden,
            Some("Forbidden"),
            r#"{"error":{"code":"Forbidden","message":"Caller is not authorized",
                "innererror":{"code":"ForbiddenByRbac"}}}"#,
        ));

        assert_eq!(failure.refusal().as_deref(), Some("403 ForbiddenByRbac"));
        assert_eq!(failure.message, "Caller is not authorized");
        assert_eq!(failure.to_string(), "Key Vault 403 ForbiddenByRbac");
        assert!(!failure.is_transient());
    }

    #[test]
    fn a_disabled_secret_is_no_missing_role() {
        let failure = AzureFailure::key_vault(answered(
            StatusCode::Forbidden,
            Some("Forbidden"),
            r#"{"error":{"code":"Forbidden","message":"Operation get is not allowed on a disabled secret.",
                "innererror":{"code":"SecretDisabled"}}}"#,
        ));

        assert_eq!(failure.refusal(), None);
        assert_eq!(failure.code.as_deref(), Some("SecretDisabled"));
    }

    #[test]
    fn blob_storages_code_and_message_come_from_header_and_xml() {
        let failure = AzureFailure::blob(answered(
            StatusCode::Forbidden,
            Some("AuthorizationPermissionMismatch"),
            "<?xml version=\"1.0\"?><Error><Code>AuthorizationPermissionMismatch</Code>\
             <Message>This request is not authorized to perform this operation.</Message></Error>",
        ));

        assert_eq!(
            failure.refusal().as_deref(),
            Some("403 AuthorizationPermissionMismatch")
        );
        assert_eq!(
            failure.message,
            "This request is not authorized to perform this operation."
        );
    }

    #[test]
    fn cosmos_dbs_refusal_has_its_sub_status() {
        let failure = AzureFailure::cosmos(
            CosmosError::builder()
                .with_status(
                    azure_data_cosmos::CosmosStatus::new(StatusCode::Forbidden)
                        .with_sub_status(5302),
                )
                .with_message("Request blocked by Auth localcosmos")
                .build(),
        );

        assert_eq!(failure.refusal().as_deref(), Some("403/5302"));
        assert!(failure.message.contains("Request blocked by Auth"));
    }

    #[test]
    fn a_refused_exchange_is_entras_failure_whatever_was_called() {
        for failure in [
            AzureFailure::key_vault(refused()),
            AzureFailure::cosmos(
                CosmosError::builder()
                    .with_status(azure_data_cosmos::CosmosStatus::new(
                        StatusCode::Unauthorized,
                    ))
                    .with_message("token acquisition failed")
                    .with_source(refused())
                    .build(),
            ),
        ] {
            assert_eq!(failure.service, Service::EntraId);
            assert_eq!(failure.code.as_deref(), Some("AADSTS700213"));
            assert_eq!(failure.status, Some(400));
            assert_eq!(failure.message, WORDS);
            assert_eq!(failure.refusal(), None);
            assert!(!failure.is_transient());
        }
    }

    #[test]
    fn a_lost_connection_is_transient_and_tells_its_cause() {
        let failure = AzureFailure::key_vault(azure_core::Error::with_error(
            ErrorKind::Io,
            std::io::Error::other("invalid peer certificate: UnknownIssuer"),
            "failed to execute `reqwest` request",
        ));

        assert!(failure.is_transient());
        assert_eq!(failure.to_string(), "Key Vault did not answer");
        assert_eq!(
            failure.chain,
            "failed to execute `reqwest` request: invalid peer certificate: UnknownIssuer"
        );
    }
}
