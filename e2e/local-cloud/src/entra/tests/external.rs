//! Issuers outside of the local cloud: a second one, with a CA of its own.

use super::*;

const ISSUER: &str = "https://issuer.other.test";

const MODEL: &str = r#"{
    "resources": {},
    "identities": { "frontend": { "federatedCredentials": [{
        "issuer": "https://issuer.other.test",
        "subject": "system:serviceaccount:other:worker",
        "audience": "api://AzureADTokenExchange" }] } },
    "grants": [], "calls": [] }"#;

/// An issuer that signs and publishes with its own key, at an address of its own.
struct Other {
    key: &'static SigningKey,
    ca: String,
    address: SocketAddr,
    _serving: tokio_util::task::AbortOnDropHandle<()>,
}

impl Other {
    async fn start() -> Self {
        let key = &*STRANGER;
        let discovery = json!({ "issuer": ISSUER, "jwks_uri": format!("{ISSUER}/keys") });
        let keys = crate::keys::jwks(&[key.jwk()]);
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(|| async { Json(discovery) }),
            )
            .route("/keys", get(|| async { Json(keys) }));
        let tls = crate::tls::issue(&["issuer.other.test".to_owned()]).expect("a certificate");
        let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let all = crate::front_door::Routes::all_to(router);
        let serving = crate::front_door::serve_tls(listener, Arc::clone(&tls.server), all);
        Self {
            key,
            ca: tls.ca_pem,
            address,
            _serving: tokio_util::task::AbortOnDropHandle::new(tokio::spawn(serving)),
        }
    }

    fn declaration(&self) -> ExternalIssuer {
        ExternalIssuer {
            issuer: ISSUER.to_owned(),
            ca: Some(self.ca.clone()),
            address: Some(self.address),
        }
    }

    /// The token that a pod of that cluster sends.
    fn form(&self, now: i64) -> Form {
        let claims = json!({
            "iss": ISSUER, "sub": "system:serviceaccount:other:worker", "aud": [EXCHANGE_AUDIENCE],
            "iat": now, "nbf": now, "exp": now + 3600,
        });
        Form::new(
            self.key
                .sign(&json!({ "alg": "RS256", "kid": self.key.kid() }), &claims),
        )
    }
}

async fn trusting_tenant() -> Tenant {
    let model = Model::parse(MODEL, &Roles::built_in()).expect("valid");
    let tenant = Tenant::start().await;
    let client = tenant.issuer_client.clone();
    let entra = tenant_of(&model, &tenant.clock, &tenant.audit, client);
    Tenant {
        entra: Arc::new(entra),
        ..tenant
    }
}

#[tokio::test]
async fn the_token_of_a_declared_and_trusted_issuer_is_exchanged() {
    let (tenant, other) = (trusting_tenant().await, Other::start().await);
    let declared = tenant.entra.declare_issuer(other.declaration());
    declared.expect("it makes sense");

    let answer = tenant.ask(&other.form(tenant.clock.unix_now())).await;

    let claims = claims_of(&answer.expect("it is trusted"));
    assert_eq!(claims["oid"], json!(names::object_id("frontend")));
    let last = tenant.audit.after(0).pop().expect("it is audited");
    assert_eq!(
        last.subject.as_deref(),
        Some("system:serviceaccount:other:worker")
    );
}

#[tokio::test]
async fn a_declared_issuer_is_trusted_by_nobody_who_does_not_name_it() {
    let (tenant, other) = (Tenant::start().await, Other::start().await);
    let declared = tenant.entra.declare_issuer(other.declaration());
    declared.expect("it makes sense");

    let refused = tenant.ask(&other.form(tenant.clock.unix_now())).await;

    assert_eq!(
        refused.expect_err("no credential names it"),
        (401, "invalid_client", 700_211)
    );
}

#[tokio::test]
async fn a_server_that_another_ca_vouches_for_is_not_believed() {
    let (tenant, other) = (trusting_tenant().await, Other::start().await);
    let elsewhere = crate::tls::issue(&["issuer.other.test".to_owned()]).expect("a certificate");
    for ca in [Some(elsewhere.ca_pem), None] {
        let declaration = ExternalIssuer {
            ca,
            ..other.declaration()
        };
        let declared = tenant.entra.declare_issuer(declaration);
        declared.expect("it makes sense");

        let refused = tenant.ask(&other.form(tenant.clock.unix_now())).await;

        assert_eq!(
            refused.expect_err("who knows who that is"),
            (400, "invalid_request", 50166)
        );
    }
    let declared = tenant.entra.declare_issuer(other.declaration());
    declared.expect("it makes sense");
    let answer = tenant.ask(&other.form(tenant.clock.unix_now())).await;
    answer.expect("declared anew it is asked anew");
}
