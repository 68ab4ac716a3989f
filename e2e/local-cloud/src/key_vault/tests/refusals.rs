//! Each refusal with its exact code.

use super::*;

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
