//! Microsoft Graph, asked as an application asks it.

use std::sync::LazyLock;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use tower::ServiceExt as _;

use super::*;
use crate::audit::{Audit, Decision};
use crate::entra::access_token;
use crate::faults::{Name, Switch};
use crate::holds::Holds;
use crate::keys::KeyRing;
use crate::model::{Grant, Model};
use crate::roles::Roles;

const AUDIENCE: &str = "https://graph.microsoft.com";

const MODEL: &str = r#"{
    "resources": { "graph": { "type": "graph" } },
    "identities": {
        "reader": { "serviceAccounts": [] },
        "other": { "serviceAccounts": [] },
        "app": { "type": "application", "serviceAccounts": [] },
        "build": { "type": "systemAssigned", "resource": "Microsoft.Compute/virtualMachines/build" } },
    "grants": [
        { "identity": "reader", "role": "Application.Read.All", "scope": "graph" },
        { "identity": "other", "role": "User.Read.All", "scope": "graph" } ],
    "calls": [] }"#;

// Making a key takes a tenth of a second or more; the tests share one.
static KEYS: LazyLock<KeyRing> = LazyLock::new(KeyRing::generate);

struct Tenant {
    graph: Arc<Graph>,
    gate: Gate,
    keys: KeyRing,
    clock: Clock,
    audit: Audit,
}

impl Tenant {
    fn new() -> Self {
        let roles = Roles::built_in();
        let model = Model::parse(MODEL, &roles).expect("valid");
        let (keys, clock) = (KEYS.clone(), Clock::system());
        let audit = Audit::new(clock.clone());
        let gate = Gate::new(
            model,
            roles,
            keys.clone(),
            clock.clone(),
            audit.clone(),
            Holds::default(),
        );
        Self {
            graph: Graph::new("graph", gate.clone(), clock.clone()),
            gate,
            keys,
            clock,
            audit,
        }
    }

    fn identity(&self, name: &str) -> Identity {
        self.gate.directory().named(name).expect("in the model")
    }

    /// A token as Entra ID issues it now.
    fn token(&self, identity: &str, audience: &str) -> String {
        let roles = self.gate.app_roles(identity);
        let identity = self.identity(identity);
        let key = self.keys.current();
        access_token::issue(&key, &identity, audience, &roles, self.clock.now()).token
    }

    async fn ask(&self, path: &str, token: Option<&str>) -> (StatusCode, HeaderMap, Value) {
        self.ask_by(Method::GET, path, token).await
    }

    async fn ask_by(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
    ) -> (StatusCode, HeaderMap, Value) {
        let request = Request::builder().method(method).uri(path);
        let mut request = request.header("client-request-id", CLIENT_REQUEST);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).expect("a request");
        let answer = Arc::clone(&self.graph).router().oneshot(request).await;
        let (parts, body) = answer.expect("a router does not fail").into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        let body = serde_json::from_slice(&body).expect("JSON");
        (parts.status, parts.headers, body)
    }

    /// Asks for an identity's service principal.
    async fn ask_for(&self, name: &str, token: Option<&str>) -> (StatusCode, HeaderMap, Value) {
        let path = path_of(&self.identity(name).client_id.to_string());
        self.ask(&path, token).await
    }
}

const CLIENT_REQUEST: &str = "7c7a5bd1-5d1c-4d8f-8a29-15a7b9aef1b7";

fn path_of(app_id: &str) -> String {
    format!("/v1.0/servicePrincipals(appId='{app_id}')")
}

fn error_of(body: &Value) -> (&str, &str) {
    let text = |name: &str| body["error"][name].as_str().expect("a text");
    (text("code"), text("message"))
}

#[tokio::test]
async fn with_the_application_role_a_service_principal_is_shown() {
    let tenant = Tenant::new();
    let token = tenant.token("reader", AUDIENCE);
    for (name, kind) in [
        ("other", "ManagedIdentity"),
        ("build", "ManagedIdentity"),
        ("app", "Application"),
    ] {
        let (status, headers, body) = tenant.ask_for(name, Some(&token)).await;

        assert_eq!(status, StatusCode::OK, "{body}");
        let identity = tenant.identity(name);
        assert_eq!(body["id"], json!(identity.object_id));
        assert_eq!(body["appId"], json!(identity.client_id));
        assert_eq!(body["displayName"], name);
        assert_eq!(body["servicePrincipalType"], kind);
        assert_eq!(headers["client-request-id"], CLIENT_REQUEST);
    }
    let last = tenant.audit.after(0).pop().expect("it is audited");
    assert_eq!(last.decision, Decision::Allowed);
    assert_eq!((last.by.as_str(), last.scope.as_str()), ("graph", "graph"));
    assert_eq!(last.why, "role `Application.Read.All` at `graph`");
}

#[tokio::test]
async fn without_the_role_a_good_token_is_refused() {
    let tenant = Tenant::new();
    for name in ["other", "app"] {
        let token = tenant.token(name, AUDIENCE);

        let (status, _, body) = tenant.ask_for("reader", Some(&token)).await;

        assert_eq!(status, StatusCode::FORBIDDEN);
        assert_eq!(
            error_of(&body),
            (
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation."
            )
        );
        assert_eq!(
            body["error"]["innerError"]["client-request-id"],
            CLIENT_REQUEST
        );
        let last = tenant.audit.after(0).pop().expect("it is audited");
        assert_eq!(last.decision, Decision::Denied);
        assert_eq!(last.identity.as_deref(), Some(name));
    }
}

#[tokio::test]
async fn the_roles_are_those_of_the_token_and_so_a_change_waits_for_the_next_one() {
    let tenant = Tenant::new();
    let (before, denied) = (
        tenant.token("reader", AUDIENCE),
        tenant.token("app", AUDIENCE),
    );
    let role = |identity: &str| Grant {
        identity: identity.to_owned(),
        role: "Application.Read.All".to_owned(),
        scope: Scope::new(["graph"]),
    };
    assert!(tenant.gate.revoke(&role("reader")));
    tenant.gate.grant(role("app")).expect("it makes sense");

    let status = async |token: &str| tenant.ask_for("other", Some(token)).await.0;
    assert_eq!(status(&before).await, StatusCode::OK);
    assert_eq!(status(&denied).await, StatusCode::FORBIDDEN);
    let (after, granted) = (
        tenant.token("reader", AUDIENCE),
        tenant.token("app", AUDIENCE),
    );
    assert_eq!(status(&after).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&granted).await, StatusCode::OK);
}

#[tokio::test]
async fn a_role_that_has_not_arrived_is_not_in_a_token() {
    let tenant = Tenant::new();
    let fault = Switch::on(Name::RoleDelay);
    tenant
        .gate
        .faults()
        .switch_on(fault)
        .expect("it makes sense");
    let role = Grant {
        identity: "app".to_owned(),
        role: "Application.Read.All".to_owned(),
        scope: Scope::new(["graph"]),
    };
    tenant.gate.grant(role).expect("it makes sense");

    let status = async || {
        let token = tenant.token("app", AUDIENCE);
        tenant.ask_for("other", Some(&token)).await.0
    };
    assert_eq!(status().await, StatusCode::FORBIDDEN);
    tenant.clock.advance(Duration::from_mins(10));
    assert_eq!(status().await, StatusCode::OK);
}

#[tokio::test]
async fn a_bad_token_is_told_what_is_wrong_with_it() {
    let tenant = Tenant::new();
    let elsewhere = tenant.token("reader", "https://vault.azure.net");
    let expired = tenant.token("reader", AUDIENCE);
    tenant.clock.advance(Duration::from_hours(25));
    let good = tenant.token("reader", AUDIENCE);
    let (message, _) = good.rsplit_once('.').expect("three parts");
    let unsigned = format!("{message}.");

    for (token, message) in [
        (None, "Access token is empty."),
        (Some("no token"), "IDX14100: JWT is not well formed."),
        (
            Some(elsewhere.as_str()),
            "Access token validation failure. Invalid audience.",
        ),
        (
            Some(&expired),
            "Lifetime validation failed, the token is expired.",
        ),
        (Some(&unsigned), "Signature is invalid."),
    ] {
        let (status, headers, body) = tenant.ask_for("other", token).await;

        assert_eq!(status, StatusCode::UNAUTHORIZED, "{message}");
        assert_eq!(error_of(&body), ("InvalidAuthenticationToken", message));
        assert_eq!(
            headers["www-authenticate"],
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
             client_id=\"00000003-0000-0000-c000-000000000000\""
        );
    }
    let by_id = tenant.token("reader", APPLICATION_ID);
    let (status, ..) = tenant.ask_for("other", Some(&by_id)).await;
    assert_eq!(status, StatusCode::OK, "the audience may be Graph's id");
}

#[tokio::test]
async fn who_does_not_exist_is_not_found_by_whom_may_look() {
    let tenant = Tenant::new();
    let nobody = "00000000-0000-0000-0000-000000000001";
    let (reader, other) = (
        tenant.token("reader", AUDIENCE),
        tenant.token("other", AUDIENCE),
    );

    let (status, _, body) = tenant.ask(&path_of(nobody), Some(&reader)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(
        error_of(&body),
        (
            "Request_ResourceNotFound",
            "Resource '00000000-0000-0000-0000-000000000001' does not exist or one of its queried \
             reference-property objects are not present."
        )
    );
    let (status, ..) = tenant.ask(&path_of(nobody), Some(&other)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn whatever_else_is_refused_with_501_naming_it() {
    let tenant = Tenant::new();
    let token = tenant.token("reader", AUDIENCE);
    for (method, path) in [
        (Method::GET, "/v1.0/users"),
        (Method::GET, "/v1.0/servicePrincipals"),
        (Method::GET, "/beta/servicePrincipals(appId='1')"),
        (Method::GET, "/v1.0/servicePrincipals(appId='1')/owners"),
        (Method::GET, "/v1.0/servicePrincipals(appId='1')/x(y='2')"),
        (Method::GET, "/v1.0/servicePrincipals(appId='1')?$select=id"),
        (Method::DELETE, "/v1.0/servicePrincipals(appId='1')"),
    ] {
        let (status, _, body) = tenant.ask_by(method.clone(), path, Some(&token)).await;

        assert_eq!(status, StatusCode::NOT_IMPLEMENTED, "{method} {path}");
        let message =
            format!("the local cloud does not implement {method} {path} of Microsoft Graph");
        assert_eq!(error_of(&body), ("NotImplemented", message.as_str()));
    }
}
