use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::audit::Decision;
use crate::model::{Grant, Resource, Scope};
use crate::names;
use crate::testing::Fixture;

const HOST: &str = "localvault.vault.azure.net";
const VAULT: &str = "https://vault.azure.net";
const ZEROS: &str = "00000000000000000000000000000000";

struct Setup {
    fixture: Fixture,
    vault: Arc<KeyVault>,
}

struct Answer {
    status: StatusCode,
    challenge: Option<String>,
    body: Value,
}

impl Answer {
    /// Status, code, inner code.
    fn refusal(&self) -> (u16, &str, &str) {
        let error = &self.body["error"];
        (
            self.status.as_u16(),
            error["code"].as_str().unwrap_or_default(),
            error["innererror"]["code"].as_str().unwrap_or_default(),
        )
    }

    fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    fn value(&self) -> &str {
        self.body["value"].as_str().expect("there is a value")
    }

    /// The version that the secret's id ends with.
    fn version(&self) -> &str {
        let id = self.body["id"].as_str().expect("there is an id");
        id.rsplit('/').next().expect("an id has segments")
    }

    fn ids(&self) -> Vec<&str> {
        let items = self.body["value"].as_array().expect("there is a list");
        items
            .iter()
            .map(|item| item["id"].as_str().expect("an item has an id"))
            .collect()
    }
}

impl Setup {
    fn new() -> Self {
        let fixture = Fixture::new();
        let Resource::KeyVault(spec) = fixture.resource("vault") else {
            panic!("the model's `vault` is a key vault");
        };
        let vault = KeyVault::new(
            "vault",
            HOST.to_owned(),
            spec,
            fixture.gate.clone(),
            fixture.clock.clone(),
        );
        Self { fixture, vault }
    }

    /// A vault whose `backend` may do anything in it.
    fn with_officer() -> Self {
        let setup = Self::new();
        setup.grant("backend", "Key Vault Secrets Officer", "vault");
        setup
    }

    fn grant(&self, identity: &str, role: &str, scope: &str) {
        let grant = Grant {
            identity: identity.to_owned(),
            role: role.to_owned(),
            scope: Scope::new(scope.split('/')),
        };
        self.fixture.gate.grant(grant).expect("the grant is valid");
    }

    /// Sends `METHOD /path` with a token of the identity.
    async fn send(&self, identity: &str, line: &str, body: &Value) -> Answer {
        let token = self.fixture.token(identity, VAULT);
        self.send_raw(Some(&format!("Bearer {token}")), line, body.to_string())
            .await
    }

    async fn get(&self, identity: &str, path: &str) -> Answer {
        self.send(identity, &format!("GET {path}"), &Value::Null)
            .await
    }

    async fn send_raw(&self, authorization: Option<&str>, line: &str, body: String) -> Answer {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let request = request
            .body(Body::from(body))
            .expect("the request is valid");
        let router = Arc::clone(&self.vault).router();
        let response = router
            .oneshot(request)
            .await
            .expect("a router does not fail");
        let status = response.status();
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge.map(|value| value.to_str().expect("it is text").to_owned());
        let bytes = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("the body is whole");
        Answer {
            status,
            challenge,
            body: serde_json::from_slice(&bytes).expect("Key Vault answers in JSON"),
        }
    }
}

/// Key Vault REST, *Authentication, requests and responses*; the official
/// clients send every first request without token and body.
#[tokio::test]
async fn a_request_without_token_is_challenged_and_changes_nothing() {
    let setup = Setup::with_officer();
    let before = setup.vault.digest();

    for line in [
        "GET /secrets/session-key/?api-version=7.6",
        "PUT /secrets/new?api-version=7.6",
        "GET /secrets",
    ] {
        let answer = setup.send_raw(None, line, String::new()).await;

        assert_eq!(answer.refusal(), (401, "Unauthorized", ""), "{line}");
        assert_eq!(
            answer.message(),
            "AKV10000: Request is missing a Bearer or PoP token."
        );
        let expected = format!(
            r#"Bearer authorization="https://login.microsoftonline.com/{}", resource="https://vault.azure.net""#,
            names::tenant_id()
        );
        assert_eq!(answer.challenge.as_deref(), Some(expected.as_str()));
    }

    assert_eq!(setup.vault.digest(), before);
    assert_eq!(
        setup.fixture.audit.after(0).len(),
        0,
        "a challenge is no decision"
    );
}

#[tokio::test]
async fn a_token_for_another_resource_is_refused_with_akv10022() {
    let setup = Setup::new();
    let token = setup.fixture.token("frontend", "https://storage.azure.com");

    let answer = setup
        .send_raw(
            Some(&format!("Bearer {token}")),
            "GET /secrets/session-key/?api-version=7.6",
            String::new(),
        )
        .await;

    assert_eq!(answer.refusal(), (401, "Unauthorized", ""));
    assert_eq!(
        answer.message(),
        "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://storage.azure.com."
    );
    assert!(
        answer.challenge.is_some(),
        "a client may ask for another token"
    );
}

#[test]
fn each_refused_token_is_answered_with_key_vaults_own_text() {
    use crate::gate::TokenRefusal;
    let tenant = names::tenant_id();
    let issuer = "https://sts.windows.net/other/".to_owned();
    for (refusal, expected) in [
        (
            TokenRefusal::Issuer { found: issuer },
            format!(
                "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{tenant}/, found https://sts.windows.net/other/."
            ),
        ),
        (
            TokenRefusal::UnknownKey,
            "AKV10046: Unable to resolve the key used for signature validation.".to_owned(),
        ),
        (
            TokenRefusal::Expired,
            "[TokenExpired] Error validating token: 'S2S12086'.".to_owned(),
        ),
        (
            TokenRefusal::Signature,
            "[AggregatedAuthenticationFailure] Error validating token: 'S2S17001'.".to_owned(),
        ),
    ] {
        assert_eq!(refusal::token_message(&refusal), expected);
    }
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let setup = Setup::new();
    let token = setup.fixture.token("frontend", VAULT);
    setup
        .fixture
        .clock
        .advance(std::time::Duration::from_hours(25));

    let answer = setup
        .send_raw(
            Some(&format!("Bearer {token}")),
            "GET /secrets/session-key/?api-version=7.6",
            String::new(),
        )
        .await;

    assert_eq!(answer.refusal(), (401, "Unauthorized", ""));
    assert_eq!(
        answer.message(),
        "[TokenExpired] Error validating token: 'S2S12086'."
    );
}

#[tokio::test]
async fn a_granted_secret_is_read_by_name_and_by_version() {
    let setup = Setup::new();

    let latest = setup
        .get("frontend", "/secrets/session-key/?api%2Dversion=2025-07-01")
        .await;

    assert_eq!(latest.status, StatusCode::OK);
    assert_eq!(latest.value().len(), 44, "32 bytes as base64");
    assert_eq!(latest.version().len(), 32);
    assert!(
        latest.body["id"]
            .as_str()
            .expect("text")
            .starts_with(&format!("https://{HOST}/secrets/session-key/"))
    );
    assert_eq!(latest.body["attributes"]["enabled"], true);
    let path = format!("/secrets/session-key/{}?api-version=7.6", latest.version());
    assert_eq!(setup.get("frontend", &path).await.body, latest.body);
    let audit = setup.fixture.audit.after(0);
    assert_eq!(
        (audit[0].operation.as_str(), audit[0].decision),
        ("GetSecret", Decision::Allowed)
    );
    assert_eq!(audit[0].scope, "vault/secrets/session-key");
}

/// Microsoft Learn, *About keys, secrets and certificates*: identifiers do not
/// depend on case.
#[tokio::test]
async fn another_spelling_of_a_name_is_the_same_secret() {
    let setup = Setup::new();

    let answer = setup
        .get("frontend", "/secrets/Session-KEY?api-version=7.6")
        .await;

    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_caller_without_a_role_is_refused_by_rbac() {
    let setup = Setup::new();
    let before = setup.vault.digest();
    let set = json!({ "value": "x" });
    for (identity, line, action) in [
        (
            "frontend",
            "GET /secrets/share-link-key/?api-version=7.6",
            "getSecret",
        ),
        (
            "frontend",
            "GET /secrets/unheard-of/?api-version=7.6",
            "getSecret",
        ),
        ("frontend", "GET /secrets?api-version=7.6", "readMetadata"),
        (
            "worker",
            "GET /secrets/session-key/versions?api-version=7.6",
            "readMetadata",
        ),
        (
            "frontend",
            "PUT /secrets/session-key?api-version=7.6",
            "setSecret",
        ),
        (
            "frontend",
            &format!("PATCH /secrets/session-key/{ZEROS}?api-version=7.6"),
            "update",
        ),
    ] {
        let answer = setup.send(identity, line, &set).await;

        assert_eq!(
            answer.refusal(),
            (403, "Forbidden", "ForbiddenByRbac"),
            "{identity} {line}"
        );
        let action = format!("Action: 'Microsoft.KeyVault/vaults/secrets/{action}/action'");
        assert!(answer.message().contains(&action), "{}", answer.message());
    }
    assert_eq!(setup.vault.digest(), before);
}

/// terraform-provider-azurerm#27817.
#[tokio::test]
async fn the_refusal_says_who_what_and_where_in_key_vaults_lines() {
    let setup = Setup::new();

    let answer = setup
        .get("worker", "/secrets/session-key/?api-version=7.6")
        .await;

    let tenant = names::tenant_id();
    let lines: Vec<&str> = answer.message().split("\r\n").collect();
    assert_eq!(
        lines,
        [
            "Caller is not authorized to perform action on resource.",
            "If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.",
            &format!(
                "Caller: appid={};oid={};iss=https://sts.windows.net/{tenant}/",
                names::client_id("worker"),
                names::object_id("worker")
            ),
            "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'",
            &format!(
                "Resource: '/subscriptions/{}/resourcegroups/rg-local-cloud/providers/microsoft.keyvault/vaults/localvault/secrets/session-key'",
                names::subscription_id()
            ),
            "Assignment: (not found)",
            "DenyAssignmentId: null",
            "DecisionReason: 'DeniedWithNoValidRBAC'",
            "Vault: localvault;location=eastus",
        ]
    );
}

#[tokio::test]
async fn what_is_not_there_is_answered_with_secret_not_found() {
    let setup = Setup::with_officer();
    for (line, what) in [
        (
            "GET /secrets/unheard-of/?api-version=7.6".to_owned(),
            "unheard-of".to_owned(),
        ),
        (
            format!("GET /secrets/session-key/{ZEROS}?api-version=7.6"),
            format!("session-key/{ZEROS}"),
        ),
        (
            format!("PATCH /secrets/session-key/{ZEROS}?api-version=7.6"),
            format!("session-key/{ZEROS}"),
        ),
        (
            "GET /secrets/unheard-of/versions?api-version=7.6".to_owned(),
            "unheard-of".to_owned(),
        ),
    ] {
        let answer = setup
            .send("backend", &line, &json!({ "attributes": {} }))
            .await;

        assert_eq!(answer.refusal(), (404, "SecretNotFound", ""), "{line}");
        let expected = format!("A secret with (name/id) {what} was not found in this key vault. ");
        assert!(
            answer.message().starts_with(&expected),
            "{}",
            answer.message()
        );
    }
}

#[tokio::test]
async fn malformed_requests_are_refused_with_bad_parameter() {
    let setup = Setup::with_officer();
    let long = "v".repeat(25 * 1024 + 1);
    for (line, body, message) in [
        ("GET /secrets", json!({}), "api-version must be specified"),
        (
            "GET /secrets/a_b?api-version=7.6",
            json!({}),
            "The request URI contains an invalid name: a_b",
        ),
        (
            "GET /secrets?api-version=7.6&maxresults=26",
            json!({}),
            "maxresults must be between 1 and 25: 26",
        ),
        (
            "GET /secrets?api-version=7.6&maxresults=0",
            json!({}),
            "maxresults must be between 1 and 25: 0",
        ),
        (
            "PUT /secrets/new?api-version=7.6",
            json!({}),
            "The parameter value is missing or null",
        ),
        (
            "PUT /secrets/new?api-version=7.6",
            json!({ "value": long }),
            "The secret's value is longer than 25600 bytes",
        ),
        (
            "PUT /secrets/new?api-version=7.6",
            json!("not an object"),
            "The body is not the expected JSON",
        ),
    ] {
        let answer = setup.send("backend", line, &body).await;

        assert_eq!(answer.refusal(), (400, "BadParameter", ""), "{line}");
        assert_eq!(answer.message(), message);
    }
}

#[tokio::test]
async fn a_secret_that_is_set_gets_a_new_version_and_keeps_the_old_ones() {
    let setup = Setup::with_officer();
    let first = setup
        .get("backend", "/secrets/session-key/?api-version=7.6")
        .await;
    let body = json!({ "value": "second", "contentType": "text/plain", "tags": { "a": "b" } });

    let second = setup
        .send("backend", "PUT /secrets/session-key?api-version=7.6", &body)
        .await;

    assert_eq!(second.status, StatusCode::OK);
    assert_ne!(second.version(), first.version());
    let latest = setup
        .get("backend", "/secrets/session-key/?api-version=7.6")
        .await;
    assert_eq!(latest.value(), "second");
    assert_eq!(latest.body["contentType"], "text/plain");
    assert_eq!(latest.body["tags"], json!({ "a": "b" }));
    let path = format!("/secrets/session-key/{}?api-version=7.6", first.version());
    assert_eq!(setup.get("backend", &path).await.value(), first.value());
}

/// azure-powershell#14740: no older version is given instead.
#[tokio::test]
async fn a_disabled_version_is_refused_with_secret_disabled_even_as_the_latest() {
    let setup = Setup::with_officer();
    let old = setup
        .get("backend", "/secrets/session-key/?api-version=7.6")
        .await;
    let new = setup
        .vault
        .add_version("session-key")
        .expect("the secret exists");
    let disable = json!({ "attributes": { "enabled": false } });
    let update = format!("PATCH /secrets/session-key/{new}?api-version=7.6");

    let disabled = setup.send("backend", &update, &disable).await;

    assert_eq!(disabled.status, StatusCode::OK);
    assert_eq!(disabled.body["attributes"]["enabled"], false);
    assert_eq!(
        disabled.body["value"],
        Value::Null,
        "an update does not give the value"
    );
    for path in [
        format!("/secrets/session-key/{new}?api-version=7.6"),
        "/secrets/session-key/?api-version=7.6".to_owned(),
    ] {
        let answer = setup.get("frontend", &path).await;
        assert_eq!(
            answer.refusal(),
            (403, "Forbidden", "SecretDisabled"),
            "{path}"
        );
        assert_eq!(
            answer.message(),
            "Operation get is not allowed on a disabled secret."
        );
    }
    let path = format!("/secrets/session-key/{}?api-version=7.6", old.version());
    assert_eq!(setup.get("frontend", &path).await.value(), old.value());
    assert!(setup.vault.set_enabled("session-key", &new, true));
    assert_eq!(
        setup
            .get("frontend", "/secrets/session-key/?api-version=7.6")
            .await
            .version(),
        new
    );
}

#[tokio::test]
async fn a_list_names_secrets_without_values_page_by_page() {
    let setup = Setup::with_officer();

    let first = setup
        .get("backend", "/secrets?api-version=7.6&maxresults=1")
        .await;

    assert_eq!(first.ids(), [format!("https://{HOST}/secrets/session-key")]);
    assert_eq!(first.body["value"][0]["value"], Value::Null);
    let link = first.body["nextLink"]
        .as_str()
        .expect("there is a second page");
    let path = link
        .strip_prefix(&format!("https://{HOST}"))
        .expect("the link stays in the vault");
    let second = setup.get("backend", path).await;
    assert_eq!(
        second.ids(),
        [format!("https://{HOST}/secrets/share-link-key")]
    );
    assert_eq!(second.body["nextLink"], Value::Null);
}

#[tokio::test]
async fn a_list_of_versions_has_them_all_in_order_of_id() {
    let setup = Setup::with_officer();
    for _ in 0..3 {
        setup
            .vault
            .add_version("session-key")
            .expect("the secret exists");
    }

    let answer = setup
        .get("frontend", "/secrets/session-key/versions?api-version=7.6")
        .await;

    let ids = answer.ids();
    assert_eq!(ids.len(), 4);
    assert!(ids.is_sorted(), "{ids:?}");
}

#[tokio::test]
async fn whatever_else_is_refused_with_501_naming_it() {
    let setup = Setup::with_officer();
    for (line, body, named) in [
        (
            "DELETE /secrets/session-key?api-version=7.6",
            json!({}),
            "DELETE /secrets/session-key",
        ),
        (
            "POST /secrets/session-key/backup?api-version=7.6",
            json!({}),
            "POST /secrets/session-key/backup",
        ),
        ("GET /keys?api-version=7.6", json!({}), "GET /keys"),
        (
            "PUT /secrets/new?api-version=7.6",
            json!({ "value": "x", "attributes": { "exp": 1 } }),
            "the property exp of SetSecret",
        ),
        (
            "PUT /secrets/new?api-version=7.6",
            json!({ "value": "x", "kid": 1 }),
            "the property kid of SetSecret",
        ),
    ] {
        let answer = setup.send("backend", line, &body).await;

        assert_eq!(answer.refusal(), (501, "NotImplemented", ""), "{line}");
        assert_eq!(
            answer.message(),
            format!("The local cloud, which is not Azure, does not play {named}.")
        );
    }
}

#[tokio::test]
async fn an_administrator_changes_only_what_is_there() {
    let setup = Setup::new();

    assert_eq!(setup.vault.add_version("unheard-of"), None);
    assert!(!setup.vault.set_enabled("session-key", ZEROS, false));
    assert!(!setup.vault.set_enabled("unheard-of", ZEROS, false));
}

#[tokio::test]
async fn neither_digest_nor_debug_shows_a_value() {
    let setup = Setup::new();
    let answer = setup
        .get("frontend", "/secrets/session-key/?api-version=7.6")
        .await;

    let shown = format!("{} {:?}", setup.vault.digest(), setup.vault.engine());

    assert!(shown.contains(answer.version()));
    assert!(!shown.contains(answer.value()));
}
