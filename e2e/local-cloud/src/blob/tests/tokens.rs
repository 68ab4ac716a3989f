//! Credentials that are not taken, each refused with its code.

use super::*;
use crate::names;

/// The observed form: azure-sdk-for-js' recordings.
#[tokio::test]
async fn a_token_for_another_resource_is_refused_with_a_challenge() {
    let setup = Setup::new();
    let token = format!(
        "Bearer {}",
        setup.fixture.token(FRONTEND, "https://vault.azure.net")
    );
    let headers = [
        ("authorization", token.as_str()),
        ("x-ms-version", "2026-04-06"),
    ];

    let answer = setup.send_raw("GET /attachments/a", &headers, "").await;

    assert_eq!(answer.refusal(), (401, "InvalidAuthenticationInfo"));
    let expected = format!(
        "Bearer authorization_uri=https://login.microsoftonline.com/{}/oauth2/authorize resource_id=https://storage.azure.com",
        names::tenant_id()
    );
    assert_eq!(answer.header("www-authenticate"), expected);
    assert_eq!(
        answer.element("AuthenticationErrorDetail"),
        "Audience validation failed. Audience did not match."
    );
    assert!(
        answer
            .text()
            .starts_with(r#"<?xml version="1.0" encoding="utf-8"?><Error><Code>"#)
    );
}

#[tokio::test]
async fn credentials_that_are_no_token_are_refused_each_with_its_code() {
    let setup = Setup::new();
    let good = setup.authorization(FRONTEND);
    let forged = format!("{}x", &good[..good.len() - 1]);
    for (headers, expected) in [
        (
            &[("x-ms-version", "2026-04-06")][..],
            (401, "NoAuthenticationInformation"),
        ),
        (
            &[("authorization", good.as_str())],
            (403, "AuthenticationFailed"),
        ),
        (
            &[
                ("authorization", good.as_str()),
                ("x-ms-version", "2015-02-21"),
            ],
            (403, "AuthenticationFailed"),
        ),
        (
            &[("authorization", good.as_str()), ("x-ms-version", "latest")],
            (400, "InvalidHeaderValue"),
        ),
        (
            &[
                ("authorization", forged.as_str()),
                ("x-ms-version", "2026-04-06"),
            ],
            (401, "InvalidAuthenticationInfo"),
        ),
        (
            &[
                ("authorization", "SharedKey a:b"),
                ("x-ms-version", "2026-04-06"),
            ],
            (403, "KeyBasedAuthenticationNotPermitted"),
        ),
    ] {
        let answer = setup.send_raw("GET /attachments/a", headers, "").await;

        assert_eq!(answer.refusal(), expected);
        if expected.1 == "AuthenticationFailed" {
            let detail = answer.element("AuthenticationErrorDetail");
            assert_eq!(
                detail,
                "Authentication scheme Bearer is not supported in this version."
            );
        }
    }
}

#[tokio::test]
async fn a_signature_made_with_the_accounts_key_is_refused_before_anything_else() {
    let setup = Setup::new();
    let token = setup.authorization(FRONTEND);
    let version = ("x-ms-version", "2026-04-06");
    // Of one blob, of the whole account, in capitals, and beside a good token.
    for (query, headers) in [
        ("sv=2026-04-06&sr=b&sp=r&se=2030-01-01&sig=c2ln", &[][..]),
        ("sv=2026-04-06&ss=b&srt=sco&sp=r&sig=c2ln", &[version][..]),
        ("SV=2026-04-06&SIG=c2ln", &[version][..]),
        (
            "sv=2026-04-06&sig=c2ln",
            &[("authorization", token.as_str()), version][..],
        ),
    ] {
        for path in ["/attachments/a", "/attachments", "/"] {
            let line = format!("GET {path}?{query}");
            let answer = setup.send_raw(&line, headers, "").await;
            let expected = (403, "KeyBasedAuthenticationNotPermitted");
            assert_eq!(answer.refusal(), expected, "{line}");
        }
    }
}

#[tokio::test]
async fn an_expired_token_is_refused_with_its_detail() {
    let setup = Setup::new();
    let token = setup.authorization(FRONTEND);
    setup
        .fixture
        .clock
        .advance(std::time::Duration::from_hours(25));
    let headers = [
        ("authorization", token.as_str()),
        ("x-ms-version", "2026-04-06"),
    ];

    let answer = setup.send_raw("GET /attachments/a", &headers, "").await;

    assert_eq!(answer.refusal(), (401, "InvalidAuthenticationInfo"));
    let detail = answer.element("AuthenticationErrorDetail");
    assert_eq!(detail, "Lifetime validation failed. The token is expired.");
}
