//! Registered applications, and the identity that a resource has of its own.

use super::*;
use crate::gate::{Audience, TokenRefusal};

const MODEL: &str = r#"{
    "resources": { "graph": { "type": "graph" } },
    "identities": {
        "frontend": { "type": "application", "serviceAccounts": [{ "namespace": "todolist", "name": "frontend" }] },
        "build": { "type": "systemAssigned", "resource": "Microsoft.Compute/virtualMachines/build" } },
    "grants": [{ "identity": "frontend", "role": "Application.Read.All", "scope": "graph" }],
    "calls": [] }"#;

const BUILD: &str = "Microsoft.Compute/virtualMachines/build";

impl Tenant {
    /// The tenant of this file's model, with the issuer of the other.
    async fn of_kinds() -> Self {
        let model = Model::parse(MODEL, &Roles::built_in()).expect("valid");
        let tenant = Self::start().await;
        let client = tenant.issuer_client.clone();
        let entra = tenant_of(&model, &tenant.clock, &tenant.audit, client);
        Self {
            entra: Arc::new(entra),
            ..tenant
        }
    }
}

#[tokio::test]
async fn an_applications_token_lives_60_to_90_minutes_and_names_no_resource() {
    let tenant = Tenant::of_kinds().await;
    let now = tenant.clock.unix_now();

    let answer = tenant.ask(&tenant.form()).await.expect("it is trusted");

    let claims = claims_of(&answer);
    let number = |value: &Value| value.as_i64().expect("a number");
    let lifetime = number(&claims["exp"]) - now;
    assert!((3600..=5401).contains(&lifetime), "{lifetime}");
    assert_eq!(
        number(&claims["exp"]) - number(&claims["iat"]),
        number(&answer["expires_in"]) + 301
    );
    assert_eq!(claims["appidacr"], "2");
    assert_eq!(claims["idtyp"], "app");
    assert_eq!(claims["xms_mirid"], Value::Null);
    assert_eq!(claims["oid"], json!(names::object_id("frontend")));
    assert_eq!(claims["appid"], json!(names::client_id("frontend")));
}

#[tokio::test]
async fn the_lifetimes_of_applications_tokens_differ() {
    let tenant = Tenant::of_kinds().await;
    let mut lifetimes = std::collections::BTreeSet::new();
    for _ in 0..10 {
        let answer = tenant.ask(&tenant.form()).await.expect("it is trusted");
        lifetimes.insert(answer["expires_in"].as_i64());
    }
    assert!(lifetimes.len() > 1, "{lifetimes:?}");
}

#[tokio::test]
async fn a_token_for_microsoft_graph_names_its_roles_and_no_other_does() {
    let tenant = Tenant::of_kinds().await;
    for scope in [
        "https://graph.microsoft.com/.default",
        "00000003-0000-0000-c000-000000000000/.default",
    ] {
        let answer = tenant.ask(&tenant.form().with("scope", scope)).await;
        let claims = claims_of(&answer.expect("it is trusted"));
        assert_eq!(claims["roles"], json!(["Application.Read.All"]), "{scope}");
        assert_eq!(claims["aud"], scope.trim_end_matches("/.default"));
    }
    let answer = tenant.ask(&tenant.form()).await.expect("it is trusted");
    assert_eq!(claims_of(&answer)["roles"], Value::Null);
}

#[tokio::test]
async fn where_the_model_has_no_microsoft_graph_there_is_no_token_for_it() {
    let tenant = Tenant::start().await;
    let form = tenant
        .form()
        .with("scope", "https://graph.microsoft.com/.default");
    let refused = tenant.ask(&form).await;
    assert_eq!(
        refused.expect_err("it is unknown"),
        (400, "invalid_resource", 500_011)
    );
}

#[tokio::test]
async fn an_application_is_no_managed_identity_and_may_know_other_flows() {
    let tenant = Tenant::of_kinds().await;
    let form = tenant.form().with("grant_type", "password");
    let refused = tenant.ask(&form).await;
    assert_eq!(
        refused.expect_err("not played"),
        (400, "unsupported_grant_type", 70003)
    );
}

#[tokio::test]
async fn only_the_resource_itself_gets_a_token_of_its_identity() {
    let tenant = Tenant::of_kinds().await;
    let form = tenant
        .form()
        .with("client_id", &names::client_id("build").to_string());
    let refused = tenant.ask(&form).await;
    assert_eq!(
        refused.expect_err("a pod is not it"),
        (401, "invalid_client", 70025)
    );

    let answer = tenant
        .entra
        .issue_to_resource(BUILD, "https://vault.azure.net");

    let answer = answer.expect("it asks for itself");
    let claims = claims_of(&answer);
    assert_eq!(claims["oid"], json!(names::object_id("build")));
    let resource = claims["xms_mirid"].as_str().expect("a resource");
    assert!(
        resource.ends_with(&format!("/providers/{BUILD}")),
        "{resource}"
    );
    let elsewhere = tenant.entra.issue_to_resource(
        "Microsoft.Compute/virtualMachines/other",
        "https://vault.azure.net",
    );
    assert!(elsewhere.is_err(), "there is no such resource");
    let user_assigned = tenant
        .entra
        .issue_to_resource("frontend", "https://vault.azure.net");
    assert!(user_assigned.is_err(), "it is no resource's own");
}

#[tokio::test]
async fn with_its_resource_an_identity_is_gone_for_good() {
    let tenant = Tenant::of_kinds().await;
    let directory = &tenant.entra.directory;
    let answer = tenant
        .entra
        .issue_to_resource(BUILD, "https://vault.azure.net");
    let token = answer.expect("it is there")["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let authenticate = || {
        tenant
            .entra
            .gate
            .authenticate(Some(&token), &Audience::key_vault())
    };
    assert_eq!(authenticate().expect("it is there").name, "build");

    directory.delete_resource(BUILD).expect("it is there");

    assert_eq!(
        authenticate().expect_err("it is gone"),
        TokenRefusal::UnknownPrincipal
    );
    assert!(
        tenant
            .entra
            .issue_to_resource(BUILD, "https://vault.azure.net")
            .is_err()
    );
    let form = tenant
        .form()
        .with("client_id", &names::client_id("build").to_string());
    let refused = tenant.ask(&form).await;
    assert_eq!(
        refused.expect_err("it is gone"),
        (400, "unauthorized_client", 700_016)
    );

    directory.create_resource(BUILD).expect("its name is free");
    assert_eq!(
        authenticate().expect_err("the new one is another"),
        TokenRefusal::UnknownPrincipal
    );
}
