//! Entra ID's token endpoint: each way in which an exchange is refused, with
//! status, error and AADSTS code.

use local_cloud::{EXCHANGE_AUDIENCE, TokenRequest, names};

use crate::cloud::{Answer, Cloud, KEY_VAULT, TokenCall, UNTRUSTED, service_account_token};
use crate::forge;

const INVALID_CLIENT: (u16, &str) = (401, "invalid_client");
const INVALID_REQUEST: (u16, &str) = (400, "invalid_request");

/// Sends a request; it has to be refused with this status, error and code, and
/// the audit has to show it. Returns the text without what follows it.
async fn refused(cloud: &Cloud, call: &TokenCall, expected: (u16, &str), code: u64) -> String {
    let before = cloud.audited().await;

    let answer = call.send(cloud).await;

    let text = assert_refusal(&answer, expected, code);
    let audit_code = format!("AADSTS{code}");
    let denial = cloud
        .one_denial_since(before, "entra", &audit_code, call.assertion())
        .await;
    assert_eq!(denial.operation, "TokenExchange");
    assert_eq!(denial.why, text);
    text
}

fn assert_refusal(answer: &Answer, (status, error): (u16, &str), code: u64) -> String {
    let body = answer.json();
    assert_eq!(answer.status, status, "{body:#}");
    assert_eq!(body["error"], error, "{body:#}");
    assert_eq!(body["error_codes"], serde_json::json!([code]), "{body:#}");
    assert!(body.get("access_token").is_none(), "{body:#}");
    assert_eq!(answer.header("cache-control"), "no-store, no-cache");
    assert_eq!(
        answer.header("content-type"),
        "application/json; charset=utf-8"
    );
    let description = body["error_description"].as_str().expect("a description");
    let text = description
        .strip_prefix(&format!("AADSTS{code}: "))
        .unwrap_or_else(|| panic!("{description}"));
    let field = |name: &str| body[name].as_str().expect("an id").to_owned();
    let (text, tail) = text.split_once(" Trace ID: ").expect("a trace id");
    assert_eq!(
        tail,
        format!(
            "{} Correlation ID: {} Timestamp: {}",
            field("trace_id"),
            field("correlation_id"),
            field("timestamp")
        )
    );
    text.to_owned()
}

/// The frontend asks for Key Vault, with this assertion.
fn with_assertion(assertion: &str) -> TokenCall {
    TokenCall::of("frontend", KEY_VAULT, assertion)
}

async fn right_call(cloud: &Cloud) -> TokenCall {
    with_assertion(&cloud.assertion("frontend").await)
}

/// The text of a trust that does not match.
fn no_match(what: &str, presented: &str) -> String {
    format!(
        "No matching federated identity record found for presented assertion {what} '{presented}'. \
         Check your federated identity credential Subject, Audience and Issuer against the presented \
         assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
    )
}

#[tokio::test]
async fn a_trusted_assertion_is_exchanged() {
    let cloud = Cloud::shared().await;

    let answer = right_call(&cloud).await.send(&cloud).await;

    let body = answer.json();
    assert_eq!(answer.status, 200, "{}", body["error_description"]);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 86_399);
    assert!(body.get("error").is_none());
    assert_eq!(answer.header("cache-control"), "no-store, no-cache");
}

#[tokio::test]
async fn an_issuer_that_is_not_trusted_is_refused() {
    let cloud = Cloud::shared().await;
    let good = cloud.assertion("frontend").await;
    let issuer = names::cluster_issuer();
    let without_slash = issuer.trim_end_matches('/').to_owned();

    for other in [
        "https://evil.example/".to_owned(),
        without_slash,
        issuer.to_uppercase(),
    ] {
        let forged = forge::signed_by_another_key(&good, None, |claims| {
            claims["iss"] = other.as_str().into();
        });
        let call = with_assertion(&forged);
        let text = refused(&cloud, &call, INVALID_CLIENT, 700_211).await;
        assert_eq!(text, no_match("issuer", &other));
    }
}

#[tokio::test]
async fn the_service_account_of_another_identity_is_refused() {
    let cloud = Cloud::shared().await;
    let call = with_assertion(&cloud.assertion("worker").await);

    let text = refused(&cloud, &call, INVALID_CLIENT, 700_213).await;

    let subject = "system:serviceaccount:todolist:worker";
    assert_eq!(text, no_match("subject", subject));
}

#[tokio::test]
async fn a_service_account_of_the_same_name_elsewhere_is_refused() {
    let cloud = Cloud::shared().await;
    let elsewhere = TokenRequest {
        namespace: "todolist-2".to_owned(),
        ..service_account_token("frontend", EXCHANGE_AUDIENCE)
    };
    let call = with_assertion(&cloud.sign(&elsewhere).await);

    let text = refused(&cloud, &call, INVALID_CLIENT, 700_213).await;

    let subject = "system:serviceaccount:todolist-2:frontend";
    assert_eq!(text, no_match("subject", subject));
}

#[tokio::test]
async fn a_subject_that_differs_in_case_is_refused_with_that_hint() {
    let cloud = Cloud::shared().await;
    let call = with_assertion(&cloud.assertion("Frontend").await);

    let text = refused(&cloud, &call, INVALID_CLIENT, 7_002_138).await;

    let hint = "The subject matches with case-insensitive comparison, but not with case-sensitive comparison.";
    assert!(text.contains(hint), "{text}");
}

#[tokio::test]
async fn the_frontends_token_for_the_backend_is_refused() {
    let cloud = Cloud::shared().await;
    let for_backend = service_account_token("frontend", "todolist-backend");
    let call = with_assertion(&cloud.sign(&for_backend).await);

    let text = refused(&cloud, &call, INVALID_CLIENT, 700_212).await;

    assert_eq!(text, no_match("audience", "todolist-backend"));
}

#[tokio::test]
async fn a_tenant_that_is_not_there_is_refused() {
    let cloud = Cloud::shared().await;
    let call = right_call(&cloud).await;

    for (tenant, code, start) in [
        (
            "11111111-1111-1111-1111-111111111111",
            90_002,
            "Tenant '11111111-1111-1111-1111-111111111111' not found.",
        ),
        (
            "contoso.example",
            90_002,
            "Tenant 'contoso.example' not found.",
        ),
        (
            "nonsense",
            900_023,
            "Specified tenant identifier 'nonsense' is neither a valid DNS name, nor a valid external domain.",
        ),
        (
            "common",
            900_191,
            "The 'client_credentials' grant type requires a tenant to be specified.",
        ),
    ] {
        let call = call.clone().at_tenant(tenant);
        let text = refused(&cloud, &call, INVALID_REQUEST, code).await;
        assert!(text.starts_with(start), "{text}");
    }
}

#[tokio::test]
async fn a_client_that_is_not_there_is_refused() {
    let cloud = Cloud::shared().await;
    let nobody = "22222222-2222-2222-2222-222222222222";
    let call = right_call(&cloud).await.with("client_id", nobody);

    let text = refused(&cloud, &call, (400, "unauthorized_client"), 700_016).await;

    let start = format!("Application with identifier '{nobody}' was not found in the directory");
    assert!(text.starts_with(&start), "{text}");
}

#[tokio::test]
async fn an_identity_that_trusts_nobody_is_refused() {
    let cloud = Cloud::shared().await;
    let assertion = cloud.assertion("frontend").await;
    let call = TokenCall::of(UNTRUSTED, KEY_VAULT, &assertion);

    let text = refused(&cloud, &call, INVALID_CLIENT, 70_025).await;

    let client = names::client_id(UNTRUSTED);
    assert_eq!(
        text,
        format!(
            "The client '{client}'({UNTRUSTED}) has no configured federated identity credentials."
        )
    );
}

#[tokio::test]
async fn an_assertion_outside_its_time_is_refused() {
    let cloud = Cloud::shared().await;
    let aged = |age_seconds| TokenRequest {
        age_seconds,
        ..service_account_token("frontend", EXCHANGE_AUDIENCE)
    };

    for (what, age_seconds) in [("expired", 3600), ("not yet valid", -60)] {
        let call = with_assertion(&cloud.sign(&aged(age_seconds)).await);
        let text = refused(&cloud, &call, INVALID_CLIENT, 700_024).await;
        let start = "Client assertion is not within its valid time range. Current time: ";
        assert!(text.starts_with(start), "{what}: {text}");
    }
}

#[tokio::test]
async fn a_changed_payload_is_refused() {
    let cloud = Cloud::shared().await;
    // The worker's token, with the frontend's name in it.
    let worker = cloud.assertion("worker").await;
    let forged = forge::tampered(&worker, |claims| {
        claims["sub"] = "system:serviceaccount:todolist:frontend".into();
    });

    let text = refused(&cloud, &with_assertion(&forged), INVALID_CLIENT, 700_027).await;

    assert_eq!(text, "Client assertion failed signature validation.");
}

#[tokio::test]
async fn a_key_of_ones_own_under_the_issuers_key_id_is_refused() {
    let cloud = Cloud::shared().await;
    let good = cloud.assertion("frontend").await;
    let key = cloud.cluster_key().await;
    let forged = forge::signed_by_another_key(&good, Some(&key["kid"]), |_| {});

    let text = refused(&cloud, &with_assertion(&forged), INVALID_CLIENT, 700_027).await;

    assert_eq!(text, "Client assertion failed signature validation.");
}

#[tokio::test]
async fn a_key_that_the_issuer_does_not_publish_is_refused() {
    let cloud = Cloud::shared().await;
    let good = cloud.assertion("frontend").await;
    let kid = "../../etc/passwd".into();
    let forged = forge::signed_by_another_key(&good, Some(&kid), |_| {});

    let text = refused(&cloud, &with_assertion(&forged), INVALID_CLIENT, 7_000_272).await;

    let start = format!(
        "The certificate with identifier ../../etc/passwd used to sign the federated credential could \
         not be found in the metadata of identity provider {}.",
        names::cluster_issuer()
    );
    assert!(text.starts_with(&start), "{text}");
}

#[tokio::test]
async fn an_unsigned_assertion_is_refused() {
    let cloud = Cloud::shared().await;
    let forged = forge::unsigned(&cloud.assertion("frontend").await);

    let text = refused(&cloud, &with_assertion(&forged), INVALID_REQUEST, 900_385).await;

    assert_eq!(text, "JWT token must be signed.");
}

#[tokio::test]
async fn an_assertion_signed_with_the_public_key_as_a_secret_is_refused() {
    let cloud = Cloud::shared().await;
    let key = cloud.cluster_key().await;
    let good = cloud.assertion("frontend").await;
    let forged = forge::signed_with_the_public_key(&good, &key);

    let text = refused(&cloud, &with_assertion(&forged), INVALID_REQUEST, 5_002_730).await;

    let expected = "Invalid JWT token. Unsupported key for the signing algorithm.";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_token_of_entra_itself_is_no_assertion() {
    let cloud = Cloud::shared().await;
    let own = cloud.access_token("frontend", KEY_VAULT).await;

    let text = refused(&cloud, &with_assertion(&own), INVALID_CLIENT, 700_222).await;

    let expected = "AAD-issued tokens may not be used for federated identity flows.";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let cloud = Cloud::shared().await;
    let good = cloud.assertion("frontend").await;
    let no_issuer = forge::tampered(&good, |claims| claims["iss"] = serde_json::Value::Null);
    let two_audiences = forge::tampered(&good, |claims| {
        claims["aud"] = serde_json::json!([EXCHANGE_AUDIENCE, "todolist-backend"]);
    });

    for broken in [
        "nonsense",
        "a.b.c",
        no_issuer.as_str(),
        two_audiences.as_str(),
    ] {
        let text = refused(&cloud, &with_assertion(broken), INVALID_REQUEST, 50_027).await;
        assert_eq!(text, "JWT token is invalid or malformed.");
    }
}

#[tokio::test]
async fn a_missing_parameter_is_named() {
    let cloud = Cloud::shared().await;
    let call = right_call(&cloud).await;

    for name in ["grant_type", "client_id", "scope", "client_assertion_type"] {
        let call = call.clone().without(name);
        let text = refused(&cloud, &call, INVALID_REQUEST, 900_144).await;
        let expected = format!("The request body must contain the following parameter: '{name}'.");
        assert_eq!(text, expected);
    }
}

#[tokio::test]
async fn a_request_without_any_credential_is_refused() {
    let cloud = Cloud::shared().await;
    let call = right_call(&cloud).await.without("client_assertion");

    let text = refused(&cloud, &call, INVALID_CLIENT, 7_000_216).await;

    assert_eq!(
        text,
        "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."
    );
}

#[tokio::test]
async fn another_grant_is_refused() {
    let cloud = Cloud::shared().await;
    let call = right_call(&cloud).await.with("grant_type", "magic");

    let text = refused(&cloud, &call, (400, "unsupported_grant_type"), 70_003).await;

    let expected = "The app requested an unsupported grant type 'magic'.";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_managed_identity_signs_nobody_in() {
    let cloud = Cloud::shared().await;
    let call = right_call(&cloud).await.with("grant_type", "password");

    let text = refused(&cloud, &call, INVALID_REQUEST, 900_058).await;

    let start = "Server cannot satisfy the request. MSIs do not support user-based flows";
    assert!(text.starts_with(start), "{text}");
}

#[tokio::test]
async fn only_a_post_is_taken() {
    let cloud = Cloud::shared().await;
    let (host, tenant) = (names::LOGIN_HOST, names::tenant_id());
    let url = format!("https://{host}/{tenant}/oauth2/v2.0/token");

    let answer = Answer::to(cloud.http.get(url)).await;

    let text = assert_refusal(&answer, (405, "invalid_request"), 900_561);
    assert_eq!(
        text,
        "The endpoint only accepts POST requests. Received a GET request."
    );
}

#[tokio::test]
async fn a_scope_has_to_ask_for_one_resource_as_a_whole() {
    let cloud = Cloud::shared().await;
    let call = right_call(&cloud).await;
    let invalid_scope = (400, "invalid_scope");

    let bare = call.clone().with("scope", KEY_VAULT);
    let text = refused(&cloud, &bare, invalid_scope, 1_002_012).await;
    let start = format!("The provided value for scope {KEY_VAULT} is not valid.");
    assert!(text.starts_with(&start), "{text}");

    let two = format!("{KEY_VAULT}/.default https://storage.azure.com/.default");
    let text = refused(&cloud, &call.with("scope", &two), invalid_scope, 70_011).await;
    assert!(
        text.ends_with(&format!("The scope {two} is not valid.")),
        "{text}"
    );
}

#[tokio::test]
async fn a_resource_that_is_not_there_is_refused() {
    let cloud = Cloud::shared().await;
    let call = right_call(&cloud).await;

    // The account's own name is no resource: Cosmos DB's other clients count on it.
    for resource in [
        "https://example.com",
        "https://localcosmos.documents.azure.com",
    ] {
        let call = call.clone().with("scope", format!("{resource}/.default"));
        let text = refused(&cloud, &call, (400, "invalid_resource"), 500_011).await;
        let start =
            format!("The resource principal named {resource} was not found in the tenant named");
        assert!(text.starts_with(&start), "{text}");
    }
}

#[tokio::test]
async fn trust_is_checked_before_the_signature_and_both_before_the_scope() {
    let cloud = Cloud::shared().await;
    let good = cloud.assertion("frontend").await;
    let all_wrong = forge::signed_by_another_key(&good, None, |claims| {
        claims["sub"] = "system:serviceaccount:todolist:worker".into();
        claims["exp"] = 1.into();
    });
    let call = with_assertion(&all_wrong).with("scope", "https://example.com/.default");
    refused(&cloud, &call, INVALID_CLIENT, 700_213).await;

    let wrong_key = forge::signed_by_another_key(&good, None, |claims| claims["exp"] = 1.into());
    let call = with_assertion(&wrong_key).with("scope", "https://example.com/.default");
    refused(&cloud, &call, INVALID_CLIENT, 7_000_272).await;
}

#[tokio::test]
async fn a_refusal_bears_the_callers_correlation_id() {
    let cloud = Cloud::shared().await;
    let id = "33333333-3333-3333-3333-333333333333";
    let call = right_call(&cloud).await.without("scope");

    let answer = Answer::to(call.request(&cloud).header("client-request-id", id)).await;

    assert_refusal(&answer, INVALID_REQUEST, 900_144);
    assert_eq!(answer.json()["correlation_id"], id);
}
