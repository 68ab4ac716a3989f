use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::faults::{Name, Switch};
use crate::keys::SigningKey;
use crate::testing::Fixture;

const VAULT: &str = "https://vault.azure.net";
const GET_SECRET: Permission =
    Permission::DataAction("Microsoft.KeyVault/vaults/secrets/getSecret/action");

fn get_secret(path: &str) -> Operation {
    Operation::at("GetSecret", GET_SECRET, Scope::new(path.split('/')))
}

/// Authenticates against Key Vault a token made from a valid one.
fn refusal(change: impl FnOnce(&mut Value)) -> TokenRefusal {
    let fixture = Fixture::new();
    let mut claims = valid_claims(&fixture);
    change(&mut claims);
    let key = fixture.keys.current();
    let token = key.sign(&json!({ "alg": "RS256", "kid": key.kid() }), &claims);
    fixture
        .gate
        .authenticate(Some(&token), &Audience::key_vault())
        .expect_err("the token is refused")
}

fn valid_claims(fixture: &Fixture) -> Value {
    let now = fixture.clock.unix_now();
    json!({
        "iss": names::token_issuer(names::tenant_id()), "aud": VAULT, "oid": names::object_id("frontend"),
        "tid": names::tenant_id(),
        "nbf": now - 300, "iat": now - 300, "exp": now + 3600,
    })
}

#[test]
fn a_valid_token_authenticates_its_identity() {
    let fixture = Fixture::new();

    let caller = fixture
        .gate
        .authenticate(
            Some(&fixture.token("frontend", VAULT)),
            &Audience::key_vault(),
        )
        .expect("the token is valid");

    assert_eq!(caller.name, "frontend");
    assert_eq!(
        caller.subject.as_deref(),
        Some("system:serviceaccount:todolist:frontend")
    );
}

#[test]
fn a_signature_that_another_key_made_is_refused() {
    let fixture = Fixture::new();
    let stranger = SigningKey::generate();
    let published = fixture.keys.current();
    let header = json!({ "alg": "RS256", "kid": published.kid() });
    let token = stranger.sign(&header, &valid_claims(&fixture));

    let refused = fixture
        .gate
        .authenticate(Some(&token), &Audience::key_vault());

    assert_eq!(
        refused.expect_err("the key is a stranger's"),
        TokenRefusal::Signature
    );
}

#[test]
fn a_changed_payload_is_refused() {
    let fixture = Fixture::new();
    let (mine, other) = (
        fixture.token("worker", VAULT),
        fixture.token("frontend", VAULT),
    );
    let part = |token: &str, n: usize| token.split('.').nth(n).expect("three parts").to_owned();
    let forged = format!("{}.{}.{}", part(&mine, 0), part(&other, 1), part(&mine, 2));

    let refused = fixture
        .gate
        .authenticate(Some(&forged), &Audience::key_vault());

    assert_eq!(
        refused.expect_err("the payload is another's"),
        TokenRefusal::Signature
    );
}

#[test]
fn a_key_that_entra_has_not_published_is_refused() {
    let fixture = Fixture::new();
    let stranger = SigningKey::generate();
    let token = stranger.sign(
        &json!({ "alg": "RS256", "kid": stranger.kid() }),
        &valid_claims(&fixture),
    );

    let refused = fixture
        .gate
        .authenticate(Some(&token), &Audience::key_vault());

    assert_eq!(
        refused.expect_err("the key is unknown"),
        TokenRefusal::UnknownKey
    );
}

#[test]
fn another_algorithm_is_refused() {
    let fixture = Fixture::new();
    let key = fixture.keys.current();
    let token = key.sign(
        &json!({ "alg": "none", "kid": key.kid() }),
        &valid_claims(&fixture),
    );

    let refused = fixture
        .gate
        .authenticate(Some(&token), &Audience::key_vault());

    assert_eq!(
        refused.expect_err("none is no algorithm"),
        TokenRefusal::Algorithm("none".to_owned())
    );
}

#[test]
fn another_issuer_is_refused() {
    let found = "https://sts.windows.net/00000000-0000-0000-0000-000000000001/";
    assert_eq!(
        refusal(|claims| claims["iss"] = json!(found)),
        TokenRefusal::Issuer {
            found: found.to_owned()
        }
    );
}

#[test]
fn another_tenant_is_refused_though_the_issuer_is_ours() {
    for (tenant, found) in [
        (
            json!("00000000-0000-0000-0000-000000000001"),
            "https://sts.windows.net/00000000-0000-0000-0000-000000000001/",
        ),
        (Value::Null, "https://sts.windows.net//"),
    ] {
        assert_eq!(
            refusal(|claims| claims["tid"] = tenant),
            TokenRefusal::Issuer {
                found: found.to_owned()
            }
        );
    }
}

#[test]
fn a_token_for_another_resource_is_refused() {
    for found in [
        "https://storage.azure.com",
        "https://vault.azure.net.evil.test",
        "https://VAULT.azure.net",
        "",
    ] {
        assert_eq!(
            refusal(|claims| claims["aud"] = json!(found)),
            TokenRefusal::Audience {
                found: found.to_owned()
            }
        );
    }
}

#[test]
fn a_token_for_several_resources_is_refused() {
    assert_eq!(
        refusal(|claims| claims["aud"] = json!([VAULT, "https://storage.azure.com"])),
        TokenRefusal::Audience {
            found: String::new()
        }
    );
}

#[test]
fn a_token_without_its_times_is_refused() {
    for (name, why) in [("exp", "exp is missing"), ("nbf", "nbf is missing")] {
        assert_eq!(
            refusal(|claims| claims[name] = Value::Null),
            TokenRefusal::Malformed(why)
        );
    }
}

#[test]
fn an_expired_token_is_refused() {
    let fixture = Fixture::new();
    let token = fixture.token("frontend", VAULT);

    fixture.clock.advance(Duration::from_hours(24));
    let refused = fixture
        .gate
        .authenticate(Some(&token), &Audience::key_vault());

    assert_eq!(
        refused.expect_err("a day has passed"),
        TokenRefusal::Expired
    );
    let record = fixture
        .audit
        .after(0)
        .pop()
        .expect("the refusal is audited");
    assert_eq!(record.code.as_deref(), Some("TokenExpired"));
}

#[test]
fn a_token_that_is_not_yet_valid_is_refused() {
    assert_eq!(
        refusal(|claims| claims["nbf"] = json!(claims["exp"].as_i64().expect("a time") - 1)),
        TokenRefusal::NotYetValid
    );
}

#[test]
fn a_principal_that_does_not_exist_is_refused() {
    assert_eq!(
        refusal(|claims| claims["oid"] = json!(names::object_id("nobody"))),
        TokenRefusal::UnknownPrincipal
    );
}

#[test]
fn a_token_that_was_issued_in_the_future_is_refused() {
    assert_eq!(
        refusal(|claims| claims["iat"] = json!(claims["exp"].as_i64().expect("a time") - 1)),
        TokenRefusal::NotYetValid
    );
    assert_eq!(
        refusal(|claims| claims["iat"] = json!("now")),
        TokenRefusal::Malformed("iat is no time")
    );
}

async fn decide(
    fixture: &Fixture,
    identity: &str,
    operation: Operation,
) -> Result<Admitted, Denied> {
    let token = fixture.token(identity, VAULT);
    let caller = fixture
        .gate
        .authenticate(Some(&token), &Audience::key_vault())
        .expect("the token is valid");
    fixture.gate.admit(&caller, operation).await
}

#[tokio::test]
async fn a_role_admits_within_its_scope_and_not_beside_it() {
    let fixture = Fixture::new();

    let own = decide(
        &fixture,
        "frontend",
        get_secret("vault/secrets/session-key"),
    )
    .await;
    assert_eq!(
        own.expect("the role is at this secret").caller().name,
        "frontend"
    );
    for beside in ["vault/secrets/share-link-key", "vault"] {
        let denied = decide(&fixture, "frontend", get_secret(beside))
            .await
            .expect_err("the scope is another");
        assert_eq!(denied.scope.to_string(), beside);
    }
}

#[tokio::test]
async fn without_the_role_nothing_is_admitted() {
    let fixture = Fixture::new();

    let denied = decide(&fixture, "worker", get_secret("vault/secrets/session-key")).await;

    assert_eq!(
        denied.expect_err("the worker has no role here").permission,
        GET_SECRET
    );
    let record = fixture
        .audit
        .after(0)
        .pop()
        .expect("the decision is audited");
    assert_eq!(
        (
            record.identity.as_deref(),
            record.scope.as_str(),
            record.decision
        ),
        (
            Some("worker"),
            "vault/secrets/session-key",
            Decision::Denied
        )
    );
}

#[tokio::test]
async fn a_role_for_another_action_does_not_admit() {
    let fixture = Fixture::new();
    let set = Permission::DataAction("Microsoft.KeyVault/vaults/secrets/setSecret/action");
    let operation = Operation::at(
        "SetSecret",
        set,
        Scope::new(["vault", "secrets", "session-key"]),
    );

    let denied = decide(&fixture, "frontend", operation).await;

    assert_eq!(
        denied.expect_err("Secrets User may not set").permission,
        set
    );
}

#[tokio::test]
async fn a_revoked_grant_is_gone_at_once_and_can_come_back() {
    let fixture = Fixture::new();
    let grant = fixture.model.grants[0].clone();
    let secret = || get_secret("vault/secrets/session-key");

    assert!(fixture.gate.revoke(&grant));
    decide(&fixture, "frontend", secret())
        .await
        .expect_err("the grant is gone");
    assert!(!fixture.gate.revoke(&grant));
    fixture.gate.grant(grant).expect("the grant is valid");

    decide(&fixture, "frontend", secret())
        .await
        .expect("the grant is back");
}

#[tokio::test]
async fn a_role_that_has_not_arrived_does_not_count_and_is_explained_as_missing() {
    let fixture = Fixture::new();
    let fault = Switch::on(Name::RoleDelay);
    let delayed = Duration::from_mins(10);
    let grant = fixture.model.grants[0].clone();
    let get = || {
        decide(
            &fixture,
            "frontend",
            get_secret("vault/secrets/session-key"),
        )
    };
    fixture
        .gate
        .faults()
        .switch_on(fault)
        .expect("it makes sense");

    assert!(fixture.gate.revoke(&grant));
    get().await.expect("nobody has heard of it");
    fixture.clock.advance(delayed);
    fixture.gate.grant(grant).expect("the grant is valid");
    get().await.expect_err("nobody has heard that it is back");
    let last = fixture.audit.after(0).pop().expect("it is audited");
    let why = last
        .explanation
        .as_ref()
        .expect("it is explained")
        .to_string();
    assert!(why.contains("the assignment was taken away since"), "{why}");

    fixture.clock.advance(delayed);
    get().await.expect("it has arrived");
}

#[test]
fn only_what_a_model_could_hold_is_granted() {
    let fixture = Fixture::new();
    let grant = |identity: &str, role: &str, scope: &str| Grant {
        identity: identity.to_owned(),
        role: role.to_owned(),
        scope: Scope::new(scope.split('/')),
    };
    let refused = |grant: Grant| fixture.gate.grant(grant).expect_err("it cannot be");

    assert_eq!(
        refused(grant("nobody", "Key Vault Secrets User", "vault")),
        "there is no identity `nobody`"
    );
    assert!(refused(grant("worker", "Boss", "vault")).starts_with("unknown role `Boss`"));
    assert_eq!(
        refused(grant("worker", "Key Vault Secrets User", "safe")),
        "scope `safe` lies outside every declared resource"
    );
}

#[tokio::test]
async fn a_grant_below_the_scope_counts_only_where_that_is_the_rule() {
    let fixture = Fixture::new();
    let metadata =
        Permission::CosmosDataAction("Microsoft.DocumentDB/databaseAccounts/readMetadata");
    let open = Operation::at("ReadAccount", metadata, Scope::new(["cosmos"]));

    decide(&fixture, "frontend", open.clone())
        .await
        .expect_err("the role is at a container");
    let open = Operation {
        reach: Reach::AnywhereWithin,
        ..open
    };

    decide(&fixture, "frontend", open)
        .await
        .expect("the role is within the account");
}
