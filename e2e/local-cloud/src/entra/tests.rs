//! The token endpoint, asked as a pod asks it, with one thing wrong at a time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::audit::Decision;
use crate::faults::Faults;
use crate::holds::Holds;
use crate::keys::SigningKey;
use crate::names;
use crate::roles::Roles;

mod assertions;
mod external;
mod flood;
mod kinds;
mod rules;
mod wire;

const SUBJECT: &str = "system:serviceaccount:todolist:frontend";

// Making a key takes a tenth of a second or more; the tests share three.
static ENTRA_KEYS: LazyLock<KeyRing> = LazyLock::new(KeyRing::generate);
static CLUSTER_KEYS: LazyLock<KeyRing> = LazyLock::new(KeyRing::generate);
static STRANGER: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

fn tenant_of(model: &Model, clock: &Clock, audit: &Audit, client: reqwest::Client) -> Entra {
    let keys = ENTRA_KEYS.clone();
    let gate = Gate::new(
        model.clone(),
        Roles::built_in(),
        keys.clone(),
        clock.clone(),
        audit.clone(),
        Holds::default(),
    );
    let issuers = Issuers::new(client, [names::ISSUER_HOST.to_owned()]);
    Entra::new(model, gate, keys, issuers, clock.clone(), audit.clone())
}

/// A tenant, and the issuer that it trusts, served over TLS under its real name.
struct Tenant {
    entra: Arc<Entra>,
    cluster_keys: KeyRing,
    clock: Clock,
    audit: Audit,
    issuer_client: reqwest::Client,
    _issuer: tokio_util::task::AbortOnDropHandle<()>,
}

impl Tenant {
    async fn start() -> Self {
        Self::with_cluster_keys(CLUSTER_KEYS.clone()).await
    }

    async fn with_cluster_keys(cluster_keys: KeyRing) -> Self {
        Self::recording(cluster_keys, Audit::new).await
    }

    async fn recording(cluster_keys: KeyRing, audit: impl FnOnce(Clock) -> Audit) -> Self {
        let model = Model::parse(
            include_str!("../../../../infra/access.json"),
            &Roles::built_in(),
        )
        .expect("valid");
        let clock = Clock::system();
        let audit = audit(clock.clone());
        let (client, issuer) = serve_issuer(crate::cluster::issuer::router(
            &cluster_keys,
            &clock,
            &Faults::new(clock.clone()),
        ))
        .await;
        let entra = tenant_of(&model, &clock, &audit, client.clone());
        Self {
            entra: Arc::new(entra),
            cluster_keys,
            clock,
            audit,
            issuer_client: client,
            _issuer: issuer,
        }
    }

    fn claims(&self) -> Value {
        let now = self.clock.unix_now();
        json!({
            "iss": names::cluster_issuer(), "sub": SUBJECT, "aud": [EXCHANGE_AUDIENCE],
            "iat": now, "nbf": now, "exp": now + 3600,
        })
    }

    fn assertion(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.claims();
        change(&mut claims);
        let key = self.cluster_keys.current();
        key.sign(&json!({ "alg": "RS256", "kid": key.kid() }), &claims)
    }

    fn form(&self) -> Form {
        Form::new(self.assertion(|_| {}))
    }

    async fn ask(&self, form: &Form) -> Result<Value, (u16, &'static str, u32)> {
        self.ask_tenant(&names::tenant_id().to_string(), form).await
    }

    async fn ask_tenant(
        &self,
        tenant: &str,
        form: &Form,
    ) -> Result<Value, (u16, &'static str, u32)> {
        let before = self.audit.newest();
        let outcome = self.entra.exchange(tenant, form.body().as_bytes()).await;
        let records = self.audit.after(before);
        let [record] = &records[..] else {
            panic!("an exchange is audited once: {records:#?}");
        };
        match outcome {
            Ok(token) => {
                assert_eq!(record.decision, Decision::Allowed);
                Ok(token)
            }
            Err(refusal) => {
                assert_eq!(record.code, Some(format!("AADSTS{}", refusal.code)));
                Err((refusal.status.as_u16(), refusal.error, refusal.code))
            }
        }
    }

    async fn refuses_claims(&self, change: impl FnOnce(&mut Value)) -> (u16, &'static str, u32) {
        let form = Form::new(self.assertion(change));
        self.ask(&form).await.expect_err("the assertion is refused")
    }
}

#[derive(Clone)]
struct Form(Vec<(&'static str, String)>);

impl Form {
    fn new(assertion: String) -> Self {
        Self(vec![
            ("client_assertion", assertion),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
            ),
            ("client_id", names::client_id("frontend").to_string()),
            ("grant_type", "client_credentials".to_owned()),
            ("scope", "https://vault.azure.net/.default".to_owned()),
        ])
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.retain(|(own, _)| *own != name);
        self.0.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(own, _)| *own != name);
        self
    }

    fn body(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }
}

/// Serves what an issuer publishes under its real name; a client for it.
pub(super) async fn serve_issuer(
    router: Router,
) -> (reqwest::Client, tokio_util::task::AbortOnDropHandle<()>) {
    let tls = crate::tls::issue(&[names::ISSUER_HOST.to_owned()]).expect("a certificate");
    let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let serving = tokio::spawn(crate::front_door::serve_tls(
        listener,
        Arc::clone(&tls.server),
        crate::front_door::Routes::all_to(router),
    ));
    let listener = crate::network::loopback().await.expect("a port");
    let proxy = crate::proxy::start(listener, [names::ISSUER_HOST.to_owned()], port);
    let client = crate::proxy::client(&tls.ca_pem, proxy.address).expect("a client");
    let both = tokio::spawn(async move {
        let _proxy = proxy;
        let _ended = serving.await;
    });
    (client, tokio_util::task::AbortOnDropHandle::new(both))
}

fn claims_of(token: &Value) -> Value {
    let token = token["access_token"].as_str().expect("a token");
    let payload = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

#[tokio::test]
async fn a_trusted_assertion_is_exchanged_for_a_token_of_the_identity_for_the_resource() {
    let tenant = Tenant::start().await;

    let answer = tenant.ask(&tenant.form()).await.expect("the trust holds");

    let claims = claims_of(&answer);
    assert_eq!(claims["aud"], "https://vault.azure.net");
    assert_eq!(claims["oid"], json!(names::object_id("frontend")));
    assert_eq!(claims["appid"], json!(names::client_id("frontend")));
    assert_eq!(
        claims["iss"],
        json!(names::token_issuer(names::tenant_id()))
    );
    assert_eq!(answer["expires_in"], 86_399);
}

#[tokio::test]
async fn the_token_of_one_identity_is_refused_for_another() {
    let tenant = Tenant::start().await;
    let form = tenant
        .form()
        .with("client_id", &names::client_id("backend").to_string());

    assert_eq!(
        tenant.ask(&form).await.expect_err("not its subject"),
        (401, "invalid_client", 700_213)
    );
}

#[tokio::test]
async fn an_identity_without_credentials_is_told_so() {
    let roles = Roles::built_in();
    let text = r#"{ "resources": {}, "identities": { "frontend": { "serviceAccounts": [] } }, "grants": [], "calls": [] }"#;
    let mut tenant = Tenant::start().await;
    let form = tenant.form();
    let model = Model::parse(text, &roles).expect("valid");
    let entra = tenant_of(&model, &tenant.clock, &tenant.audit, reqwest::Client::new());
    tenant.entra = Arc::new(entra);

    assert_eq!(
        tenant.ask(&form).await.expect_err("nothing is trusted"),
        (401, "invalid_client", 70025)
    );
}

#[tokio::test]
async fn tenant_and_client_have_to_exist() {
    let tenant = Tenant::start().await;
    for (name, code) in [
        ("00000000-0000-0000-0000-000000000001", 90002),
        ("contoso.example", 90002),
        ("no-tenant", 900_023),
        ("common", 900_191),
    ] {
        let refused = tenant
            .ask_tenant(name, &tenant.form())
            .await
            .expect_err(name);
        assert_eq!(refused, (400, "invalid_request", code), "{name}");
    }
    let form = tenant
        .form()
        .with("client_id", "00000000-0000-0000-0000-000000000001");
    assert_eq!(
        tenant.ask(&form).await.expect_err("no such client"),
        (400, "unauthorized_client", 700_016)
    );
}

#[tokio::test]
async fn a_missing_parameter_is_named() {
    let tenant = Tenant::start().await;
    for name in ["grant_type", "client_id", "scope", "client_assertion_type"] {
        let refused = tenant
            .ask(&tenant.form().without(name))
            .await
            .expect_err(name);
        assert_eq!(refused, (400, "invalid_request", 900_144), "{name}");
    }
    let refused = tenant.ask(&tenant.form().without("client_assertion")).await;
    assert_eq!(
        refused.expect_err("no assertion"),
        (401, "invalid_client", 7_000_216)
    );
    let refused = tenant.ask(&tenant.form().with("grant_type", "magic")).await;
    assert_eq!(
        refused.expect_err("no such grant"),
        (400, "unsupported_grant_type", 70003)
    );
}

#[tokio::test]
async fn an_assertion_of_another_type_is_refused() {
    let tenant = Tenant::start().await;
    let form = tenant.form().with(
        "client_assertion_type",
        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
    );

    assert_eq!(
        tenant.ask(&form).await.expect_err("no such type"),
        (400, "invalid_request", 50027)
    );
}

#[tokio::test]
async fn whatever_else_is_asked_of_entra_is_refused_with_501_naming_it() {
    use tower::ServiceExt as _;
    let tenant = Tenant::start().await;
    let path = format!("/{}/oauth2/v2.0/devicecode", names::tenant_id());
    let request = http::Request::post(&path)
        .body(Body::empty())
        .expect("a request");

    let answer = Arc::clone(&tenant.entra).router().oneshot(request).await;

    let answer = answer.expect("a router does not fail");
    assert_eq!(answer.status(), StatusCode::NOT_IMPLEMENTED);
    let body = to_bytes(answer.into_body(), usize::MAX).await;
    let body: Value = serde_json::from_slice(&body.expect("a body")).expect("JSON");
    assert_eq!(
        body["error_description"],
        format!("the local cloud does not implement POST {path} of Entra ID")
    );
}

#[tokio::test]
async fn the_scope_has_to_name_one_known_resource() {
    let tenant = Tenant::start().await;
    for (scope, error, code) in [
        ("https://vault.azure.net", "invalid_scope", 1_002_012),
        (
            "https://vault.azure.net/.default https://storage.azure.com/.default",
            "invalid_scope",
            70011,
        ),
        (
            "https://unknown.example/.default",
            "invalid_resource",
            500_011,
        ),
        (
            "https://localcosmos.documents.azure.com/.default",
            "invalid_resource",
            500_011,
        ),
    ] {
        let refused = tenant
            .ask(&tenant.form().with("scope", scope))
            .await
            .expect_err(scope);
        assert_eq!(refused, (400, error, code), "{scope}");
    }
}

#[tokio::test]
async fn the_double_slash_of_some_clients_stays_in_the_audience() {
    let tenant = Tenant::start().await;
    let form = tenant
        .form()
        .with("scope", "https://servicebus.azure.net//.default");

    let answer = tenant
        .ask(&form)
        .await
        .expect("Python and JavaScript ask so");

    assert_eq!(claims_of(&answer)["aud"], "https://servicebus.azure.net/");
}
