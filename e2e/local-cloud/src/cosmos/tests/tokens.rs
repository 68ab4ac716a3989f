//! What is taken as a token, and the code of each refusal.

use std::time::Duration;

use super::*;
use crate::audit::Decision;

impl Account {
    /// Reads the account with this `Authorization` header.
    async fn read_with(&self, authorization: &str) -> Answer {
        let headers = [("authorization", authorization)];
        self.send(Method::GET, "/", &headers, Body::empty()).await
    }

    async fn read_with_token(&self, token: &str) -> Answer {
        self.read_with(&format!("type=aad&ver=1.0&sig={token}"))
            .await
    }
}

#[tokio::test]
async fn the_token_is_taken_raw_and_form_encoded() {
    let account = Account::new();
    let token = account.token("worker");

    let raw = account.read_with_token(&token).await;
    let encoded = account
        .read_with(&format!("type%3Daad%26ver%3D1.0%26sig%3D{token}"))
        .await;

    assert_eq!(raw.status, StatusCode::OK);
    assert_eq!(encoded.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_token_of_entra_id_is_refused_with_its_own_code() {
    let account = Account::new();
    let missing = account.send(Method::GET, "/", &[], Body::empty()).await;
    assert_eq!(missing.code(), "401/5000");
    assert_eq!(missing.body["code"], "Unauthorized");
    assert_eq!(
        missing.message(),
        "Required Header authorization is missing. Ensure a valid Authorization token is passed."
    );

    for (authorization, expected) in [
        ("Bearer a.b.c", "401/5001"),
        ("type=aad&ver=2.0&sig=a.b.c", "401/5001"),
        ("type%3Daad%26ver%3D1.0%26sig", "401/5001"),
        ("type=aad&ver=1.0&sig=", "401/5003"),
        ("type=aad&ver=1.0&sig=a.b.c", "401/5003"),
        ("type%3Dmaster%26ver%3D1.0%26sig%3DAAAA", "401/5202"),
        ("type=resource&ver=1&sig=AAAA", "401/5202"),
    ] {
        let refused = account.read_with(authorization).await;
        assert_eq!(refused.code(), expected, "{authorization}");
    }
    let records = account.fixture.audit.after(0);
    assert!(
        records
            .iter()
            .all(|record| record.decision == Decision::Denied)
    );
    assert_eq!(records.len(), 8);
}

#[tokio::test]
async fn account_keys_are_switched_off() {
    let refused = Account::new()
        .read_with("type=master&ver=1.0&sig=AAAA")
        .await;

    assert_eq!(
        refused.message(),
        "Local Authorization is disabled. Use an AAD token to authorize all requests."
    );
}

#[tokio::test]
async fn a_tampered_token_is_refused() {
    let account = Account::new();
    let token = account.token("worker");
    let (signed, _) = token.rsplit_once('.').expect("three parts");
    let (_, signature) = account
        .token("frontend")
        .rsplit_once('.')
        .map(|(signed, signature)| (signed.to_owned(), signature.to_owned()))
        .expect("three parts");

    let refused = account
        .read_with_token(&format!("{signed}.{signature}"))
        .await;

    assert_eq!(refused.code(), "401/5004");
}

#[tokio::test]
async fn a_token_for_another_resource_is_refused() {
    let account = Account::new();
    let token = account.fixture.token("worker", "https://vault.azure.net");

    let refused = account.read_with_token(&token).await;

    assert_eq!(refused.code(), "401/5008");
    assert!(refused.message().contains("[https://vault.azure.net]"));
}

#[tokio::test]
async fn an_expired_token_is_refused_with_both_times() {
    let account = Account::new();
    let token = account.token("worker");
    account.fixture.clock.advance(Duration::from_hours(25));

    let refused = account.read_with_token(&token).await;

    assert_eq!(refused.code(), "401/5006");
    let message = refused.message();
    assert!(
        message.starts_with(
            "Request blocked by Auth localcosmos : Provided AAD token has been expired since ["
        ) && message.ends_with("M (UTC)]. Please refresh the AAD token."),
        "{message}"
    );
}

#[test]
fn each_refusal_of_the_gate_has_its_substatus() {
    use crate::gate::TokenRefusal as Token;
    let now = time::macros::datetime!(2026-07-17 17:09:09 UTC);
    let issuer = "https://sts.windows.net/other/".to_owned();

    for (refusal, expected) in [
        (Token::Missing, 5000),
        (Token::Malformed("x"), 5003),
        (Token::Algorithm("none".to_owned()), 5004),
        (Token::Signature, 5004),
        (Token::NotYetValid, 5005),
        (Token::Expired, 5006),
        (Token::Issuer { found: issuer }, 5007),
        (
            Token::Audience {
                found: "a".to_owned(),
            },
            5008,
        ),
        (Token::UnknownPrincipal, 5011),
        (Token::UnknownKey, 5200),
    ] {
        let Refusal::Unauthorized {
            substatus, message, ..
        } = Refusal::of_token(&refusal, "a.b.c", now)
        else {
            panic!("{refusal:?} is no 401");
        };
        assert_eq!(substatus, expected, "{refusal:?}");
        match substatus {
            5006 => assert!(
                message.contains("since [7/17/2026 5:09:09 PM (UTC)]"),
                "{message}"
            ),
            5007 => assert!(
                message.contains("by the authority [other] which"),
                "{message}"
            ),
            _ => {}
        }
    }
}
