//! Who the pod is: its projected service-account token, exchanged at Microsoft
//! Entra ID for access tokens.
//!
//! The credential is chosen explicitly (`WorkloadIdentityCredential` of
//! `azure_identity`, never `DefaultAzureCredential`: a pod that falls back to
//! another identity hides a broken one) and its retries are bounded, because the
//! defaults can block a caller for 80 seconds.
//!
//! Azure: *Use Microsoft Entra Workload ID with AKS*; the variables are set by
//! the mutating webhook of workload identity.

mod exchange;
mod no_token;
mod projected;
pub(crate) mod steps;
mod token_view;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_identity::{
    ClientAssertionCredentialOptions, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use url::Url;

use crate::azure::pipeline;
use crate::settings::{Reader, Value};

pub use exchange::{Exchange, ExchangeOutcome};
pub(crate) use no_token::NoToken;
pub use projected::ProjectedToken;
pub use token_view::TokenView;

use exchange::ExchangeLog;

/// Where Entra ID is when the webhook does not say.
const PUBLIC_AUTHORITY: &str = "https://login.microsoftonline.com/";

/// What the webhook of workload identity tells a pod about its identity.
#[derive(Debug, Clone)]
pub struct IdentitySettings {
    /// `AZURE_CLIENT_ID`: the application id of the user-assigned identity.
    pub client_id: String,
    /// `AZURE_TENANT_ID`.
    pub tenant_id: String,
    /// `AZURE_FEDERATED_TOKEN_FILE`: the projected service-account token.
    pub token_file: PathBuf,
    /// `AZURE_AUTHORITY_HOST`, by default Entra ID of the public cloud.
    pub authority: Url,
}

impl IdentitySettings {
    /// Reads the webhook's variables. When any is missing there is one problem,
    /// because there is one cause: the webhook did not see the pod.
    pub fn read(reader: &mut Reader) -> Value<Self> {
        let missing: Vec<&str> = [
            "AZURE_CLIENT_ID",
            "AZURE_TENANT_ID",
            "AZURE_FEDERATED_TOKEN_FILE",
        ]
        .into_iter()
        .filter(|name| reader.peek(name).is_none())
        .collect();
        if !missing.is_empty() {
            let (verb, them) = match missing.len() {
                1 => ("is", "it"),
                _ => ("are", "them"),
            };
            return reader.problem(format!(
                "{} {verb} not set (the webhook of workload identity sets {them}: is the pod labelled \
                 azure.workload.identity/use: \"true\", and does its service account have the \
                 annotation azure.workload.identity/client-id?)",
                missing.join(", ")
            ));
        }
        let client_id = reader.required("AZURE_CLIENT_ID", "the identity's client id");
        let tenant_id = reader.required("AZURE_TENANT_ID", "the identity's tenant");
        let token_file = reader.file("AZURE_FEDERATED_TOKEN_FILE", "the projected token");
        let authority = match reader.peek("AZURE_AUTHORITY_HOST") {
            Some(_) => reader.url("AZURE_AUTHORITY_HOST", "address of Entra ID"),
            None => reader.parsed_or("AZURE_AUTHORITY_HOST", public_authority(), |_| {
                Ok(public_authority())
            }),
        };
        reader.group(|| Self {
            client_id: client_id.get(),
            tenant_id: tenant_id.get(),
            token_file: token_file.get(),
            authority: authority.get(),
        })
    }

    /// Where the token is sent to: one request per access token.
    pub fn token_endpoint(&self) -> String {
        format!("{}{}/oauth2/v2.0/token", self.authority, self.tenant_id)
    }
}

/// The identity of this pod. A cheap handle; clones share the tokens.
#[derive(Clone)]
pub struct WorkloadIdentity {
    settings: Arc<IdentitySettings>,
    credential: Arc<Measured>,
}

impl WorkloadIdentity {
    /// Sets the identity up. Reads the token file, and asks Entra ID for nothing
    /// yet.
    pub fn connect(settings: IdentitySettings) -> Result<Self, IdentityError> {
        let log = ExchangeLog::new(settings.client_id.clone());
        let authority = settings.authority.to_string();
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = authority;
        let client_options = azure_core::http::ClientOptions {
            cloud: Some(Arc::new(cloud.into())),
            ..pipeline::options(&pipeline::TOKEN, vec![log.policy()])
        };
        let inner = WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
            credential_options: ClientAssertionCredentialOptions { client_options },
            client_id: Some(settings.client_id.clone()),
            tenant_id: Some(settings.tenant_id.clone()),
            token_file_path: Some(settings.token_file.clone()),
        }))
        .map_err(IdentityError::Credential)?;
        Ok(Self {
            settings: Arc::new(settings),
            credential: Arc::new(Measured { inner, log }),
        })
    }

    /// What the clients of Azure ask for tokens. It keeps them until five
    /// minutes before they expire.
    pub fn credential(&self) -> Arc<dyn TokenCredential> {
        Arc::<Measured>::clone(&self.credential)
    }

    /// What the webhook told the pod.
    pub fn settings(&self) -> &IdentitySettings {
        &self.settings
    }

    /// The projected token as it is in its file now, decoded, without its
    /// signature.
    pub async fn service_account_token(&self) -> Result<TokenView, IdentityError> {
        let path = &self.settings.token_file;
        let text = read_token_file(path).await?;
        TokenView::decode(&text).ok_or_else(|| IdentityError::NotAToken(path.clone()))
    }

    /// The last exchange for each resource, the oldest first.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.credential.log.exchanges()
    }
}

impl fmt::Debug for WorkloadIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkloadIdentity")
            .field("client_id", &self.settings.client_id)
            .finish_non_exhaustive()
    }
}

/// The credential, with every real exchange written down.
#[derive(Debug)]
struct Measured {
    inner: Arc<WorkloadIdentityCredential>,
    log: ExchangeLog,
}

#[async_trait::async_trait]
impl TokenCredential for Measured {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        self.log
            .observe(scopes, self.inner.get_token(scopes, options))
            .await
    }
}

/// Why the pod has no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The credential could not be set up.
    #[error("cannot set up the workload identity credential")]
    Credential(#[source] azure_core::Error),
    /// The token file could not be read.
    #[error("cannot read the service-account token in {}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The token file holds something else.
    #[error("what is in {} is not a JSON Web Token", .0.display())]
    NotAToken(PathBuf),
}

/// A token file as it is now. The kubelet replaces it when 80 percent of the
/// token's life are over, so it is read each time and never kept.
pub(crate) async fn read_token_file(path: &Path) -> Result<String, IdentityError> {
    match tokio::fs::read_to_string(path).await {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(source) => Err(IdentityError::TokenFile {
            path: path.to_owned(),
            source,
        }),
    }
}

fn public_authority() -> Url {
    Url::parse(PUBLIC_AUTHORITY).expect("the constant is a URL")
}

#[cfg(test)]
pub(crate) use no_token::tests as no_token_tests;
#[cfg(test)]
pub(crate) use token_view::tests as token_view_tests;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::settings::Vars;
    use std::io::Write as _;

    /// A file with a token that has the given claims.
    pub(crate) fn token_file(claims: &serde_json::Value) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(token_view::tests::unsigned(claims).as_bytes())
            .expect("the token is written");
        file
    }

    /// An identity whose token file is there.
    pub(crate) fn settings(token_file: &Path) -> IdentitySettings {
        IdentitySettings {
            client_id: "6977c771-7ec5-5c54-9864-189d96bd2654".to_owned(),
            tenant_id: "0dd17ccc-1660-5815-893b-e60e4270e70b".to_owned(),
            token_file: token_file.to_owned(),
            authority: public_authority(),
        }
    }

    #[test]
    fn a_pod_that_the_webhook_did_not_see_is_asked_for_its_label() {
        let mut reader = Reader::new(&Vars::from_pairs([("AZURE_TENANT_ID", "t")]));
        let identity = IdentitySettings::read(&mut reader);

        let error = reader
            .finish(|| identity.get())
            .expect_err("no client id")
            .to_string();

        assert_eq!(
            error,
            "AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE are not set (the webhook of workload \
             identity sets them: is the pod labelled azure.workload.identity/use: \"true\", and does \
             its service account have the annotation azure.workload.identity/client-id?)"
        );
    }

    #[test]
    fn the_public_cloud_is_the_authority_unless_another_is_named() {
        let file = token_file(&serde_json::json!({}));
        let path = file.path().to_str().expect("a UTF-8 path");
        let mut reader = Reader::new(&Vars::from_pairs([
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_FEDERATED_TOKEN_FILE", path),
        ]));
        let identity = IdentitySettings::read(&mut reader);

        let settings = reader.finish(|| identity.get()).expect("all are set");

        assert_eq!(
            settings.token_endpoint(),
            "https://login.microsoftonline.com/t/oauth2/v2.0/token"
        );
    }

    #[tokio::test]
    async fn the_token_is_read_again_each_time_because_the_kubelet_rotates_it() {
        let file = token_file(&serde_json::json!({ "sub": "first" }));
        let identity = WorkloadIdentity::connect(settings(file.path())).expect("a credential");
        std::fs::write(
            file.path(),
            token_view::tests::unsigned(&serde_json::json!({ "sub": "second" })),
        )
        .expect("the kubelet's rotation");

        let view = identity.service_account_token().await.expect("a token");

        assert_eq!(view.claims["sub"], "second");
    }

    #[tokio::test]
    async fn a_token_file_that_holds_something_else_is_named() {
        let file = token_file(&serde_json::json!({}));
        let identity = WorkloadIdentity::connect(settings(file.path())).expect("a credential");
        std::fs::write(file.path(), "nonsense").expect("a broken file");

        let error = identity
            .service_account_token()
            .await
            .expect_err("not a token");

        assert_eq!(
            error.to_string(),
            format!(
                "what is in {} is not a JSON Web Token",
                file.path().display()
            )
        );
    }
}
