use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::audit::Decision;
use crate::model::{Grant, Resource, Scope};
use crate::names;
use crate::testing::Fixture;

mod refusals;

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
            None,
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
