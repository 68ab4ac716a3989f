//! What people get wrong, with the official credential: each mistake is told by
//! the code that Entra ID has for it.

use std::path::PathBuf;
use std::sync::Arc;

use azure_core::credentials::TokenCredential as _;
use azure_identity::{WorkloadIdentityCredential, WorkloadIdentityCredentialOptions};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libtest_mimic::Trial;
use local_cloud::keys::SigningKey;
use local_cloud::{EXCHANGE_AUDIENCE, TokenRequest, names};
use platform::settings::Vars;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{refusal, trials, world};

const VAULT: &str = "https://vault.azure.net/.default";

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        without_a_mistake_there_is_a_token_for_each_resource,
        each_mistake_in_a_token_has_its_code,
        each_mistake_in_a_request_has_its_code,
    ]
}

async fn without_a_mistake_there_is_a_token_for_each_resource() {
    for resource in [
        "vault.azure.net",
        "storage.azure.com",
        "cosmos.azure.com",
        "servicebus.azure.net",
        "graph.microsoft.com",
    ] {
        let scope = format!("https://{resource}/.default");
        let token = world().credential().get_token(&[&scope], None).await;
        assert!(token.is_ok(), "{resource}: {token:?}");
    }
}

async fn each_mistake_in_a_token_has_its_code() {
    let issuer = names::cluster_issuer();
    let of = |service_account: &str, audience: &str, age_seconds| TokenRequest {
        namespace: "sdk".to_owned(),
        service_account: service_account.to_owned(),
        audience: audience.to_owned(),
        lifetime_seconds: 3600,
        age_seconds,
    };
    let signed = async |request| world().control.sign_token(&request).await.expect("signed");

    for (mistake, token, code) in [
        (
            "another account's token",
            signed(of("owner", EXCHANGE_AUDIENCE, 0)).await,
            "700213",
        ),
        (
            "an account that differs in case",
            signed(of("Mistaken", EXCHANGE_AUDIENCE, 0)).await,
            "7002138",
        ),
        (
            "a token for another audience",
            signed(of("mistaken", "api://AzureADTokenExchang", 0)).await,
            "700212",
        ),
        (
            "an issuer without its slash",
            token_of_another_issuer(issuer.trim_end_matches('/')),
            "700211",
        ),
        (
            "a key that the issuer has not published",
            token_of_another_issuer(&issuer),
            "7000272",
        ),
        (
            "an expired token",
            signed(of("mistaken", EXCHANGE_AUDIENCE, 3600)).await,
            "700024",
        ),
        ("no token at all", "nonsense".to_owned(), "50027"),
    ] {
        let found = Attempt::with_token(&token).code(VAULT).await;
        assert_eq!(found, code, "{mistake}");
    }
}

async fn each_mistake_in_a_request_has_its_code() {
    let right = Attempt::default;
    let of_client = |client_id: String| Attempt {
        client_id: Some(client_id),
        ..right()
    };
    let at_tenant = Attempt {
        tenant_id: Some("11111111-1111-1111-1111-111111111111".to_owned()),
        ..right()
    };

    for (mistake, attempt, scope, code) in [
        (
            "a client that is not there",
            of_client("22222222-2222-2222-2222-222222222222".to_owned()),
            VAULT,
            "700016",
        ),
        (
            "a client that trusts nobody",
            of_client(names::client_id("untrusting").to_string()),
            VAULT,
            "70025",
        ),
        ("a tenant that is not there", at_tenant, VAULT, "90002"),
        (
            "a resource that is not there",
            right(),
            "https://nothing.example/.default",
            "500011",
        ),
        (
            "a scope without /.default",
            right(),
            "https://vault.azure.net",
            "1002012",
        ),
    ] {
        assert_eq!(attempt.code(scope).await, code, "{mistake}");
    }
}

/// The credential as a pod makes it, all from the environment, but for what is
/// wrong in it.
#[derive(Default)]
struct Attempt {
    client_id: Option<String>,
    tenant_id: Option<String>,
    token: Option<(PathBuf, TempDir)>,
}

impl Attempt {
    fn with_token(token: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let file = directory.path().join("token");
        std::fs::write(&file, token).expect("written");
        Self {
            token: Some((file, directory)),
            ..Self::default()
        }
    }

    /// The code that the credential hands out when it asks for this scope.
    async fn code(self, scope: &str) -> String {
        let options = WorkloadIdentityCredentialOptions {
            client_id: self.client_id,
            tenant_id: self.tenant_id,
            token_file_path: self.token.as_ref().map(|(file, _)| file.clone()),
            ..WorkloadIdentityCredentialOptions::default()
        };
        let credential: Arc<_> =
            WorkloadIdentityCredential::new(Some(options)).expect("the identity's environment");
        let error = credential.get_token(&[scope], None).await;
        let error = error.map(drop).expect_err("it is refused");
        let answer = error
            .downcast_ref::<azure_core::Error>()
            .expect("the endpoint's answer");
        let (_status, code) = refusal(answer);
        assert!(
            error.to_string().contains(&format!("AADSTS{code}: ")),
            "{error}"
        );
        code
    }
}

/// Our own claims under another issuer's name, signed with a key of ours.
fn token_of_another_issuer(issuer: &str) -> String {
    let file = Vars::from_process().get("AZURE_FEDERATED_TOKEN_FILE");
    let file = file.expect("the identity's environment");
    let own = std::fs::read_to_string(file).expect("a projected token");
    let claims = own.split('.').nth(1).expect("a token has three parts");
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    let mut claims: Value = serde_json::from_slice(&claims).expect("JSON");
    claims["iss"] = issuer.into();
    let key = SigningKey::generate();
    key.sign(&json!({ "alg": "RS256", "kid": "ours" }), &claims)
}
