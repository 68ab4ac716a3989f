//! Microsoft Graph: a token is not yet a permission.

use local_cloud::names;
use serde_json::Value;

use crate::cloud::{Answer, Cloud, GRAPH, KEY_VAULT};

/// Asks for the backend's service principal, with this token.
async fn ask(cloud: &Cloud, token: Option<&str>) -> Answer {
    let app_id = names::client_id("backend");
    let url = format!("{GRAPH}/v1.0/servicePrincipals(appId='{app_id}')");
    let mut request = cloud.http.get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    Answer::to(request).await
}

fn error_of(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.json()["error"]["code"].clone())
}

#[tokio::test]
async fn without_the_application_role_the_token_is_issued_and_the_call_refused() {
    let cloud = Cloud::shared().await;
    let token = cloud.access_token("frontend", GRAPH).await;
    let before = cloud.audited().await;

    let answer = ask(&cloud, Some(&token)).await;

    assert_eq!(
        error_of(&answer),
        (403, "Authorization_RequestDenied".into())
    );
    let message = "Insufficient privileges to complete the operation.";
    assert_eq!(answer.json()["error"]["message"], message);
    assert_eq!(answer.header("request-id").len(), 36);
    let denied = cloud
        .one_denial_since(before, "graph", "NoRoleAssignment", Some(&token))
        .await;
    assert_eq!(denied.identity.as_deref(), Some("frontend"));
    assert_eq!(denied.operation, "GetServicePrincipal");
}

#[tokio::test]
async fn with_it_the_service_principal_is_shown() {
    let cloud = Cloud::shared().await;
    let token = cloud.access_token("worker", GRAPH).await;

    let answer = ask(&cloud, Some(&token)).await;

    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["displayName"], "backend");
    let id = names::object_id("backend").to_string();
    assert_eq!(answer.json()["id"], id);
}

#[tokio::test]
async fn a_token_for_another_resource_is_no_token_here() {
    let cloud = Cloud::shared().await;
    let elsewhere = cloud.access_token("worker", KEY_VAULT).await;

    let answer = ask(&cloud, Some(&elsewhere)).await;
    assert_eq!(
        error_of(&answer),
        (401, "InvalidAuthenticationToken".into())
    );
    let message = "Access token validation failure. Invalid audience.";
    assert_eq!(answer.json()["error"]["message"], message);

    let answer = ask(&cloud, None).await;
    assert_eq!(
        error_of(&answer),
        (401, "InvalidAuthenticationToken".into())
    );
    assert!(answer.header("www-authenticate").starts_with("Bearer "));
}
