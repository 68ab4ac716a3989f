//! The finer rules of the exchange, and which of several mistakes is told.

use super::*;
use crate::directory::CredentialText;

impl Tenant {
    /// Writes a federated credential of an identity.
    async fn trust(&self, identity: &str, name: &str, issuer: &str, subject: &str, audience: &str) {
        let text = CredentialText {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audiences: vec![audience.to_owned()],
        };
        let written = self
            .entra
            .directory
            .put_credential(identity, name, text)
            .await;
        written.expect("its form is right");
    }

    async fn refusal(&self, form: &Form) -> AadError {
        let tenant = names::tenant_id().to_string();
        let outcome = self.entra.exchange(&tenant, form.body().as_bytes()).await;
        outcome.expect_err("it is refused")
    }
}

#[tokio::test]
async fn a_subject_that_differs_in_case_alone_is_told_so_at_length() {
    let tenant = Tenant::start().await;
    let form = Form::new(tenant.assertion(|claims| {
        claims["sub"] = json!("system:serviceaccount:todolist:Frontend");
    }));

    let refusal = tenant.refusal(&form).await;

    assert_eq!(
        refusal.text,
        "No matching federated identity record found for presented assertion subject \
         'system:serviceaccount:todolist:Frontend'. The subject matches with case-insensitive comparison, but not \
         with case-sensitive comparison. Check your federated identity credential Subject, Audience and Issuer \
         against the presented assertion. See documentation at: \
         https://learn.microsoft.com/entra/workload-id/workload-identity-federation. See breaking change \
         notification and remediation at: \
         https://learn.microsoft.com/en-us/entra/identity-platform/reference-breaking-changes#august-2024."
    );
}

#[tokio::test]
async fn a_wrong_credential_is_written_without_a_word_and_fails_at_the_exchange_until_it_is_healed()
{
    let tenant = Tenant::start().await;
    let (issuer, name) = (names::cluster_issuer(), "todolist-frontend");
    let without_slash = issuer.trim_end_matches('/').to_owned();
    let blank = format!("{issuer} ");
    for (issuer, subject, audience, code) in [
        (
            issuer.as_str(),
            "system:serviceaccount:todolist:frontent",
            EXCHANGE_AUDIENCE,
            700_213,
        ),
        (&without_slash, SUBJECT, EXCHANGE_AUDIENCE, 700_211),
        (&blank, SUBJECT, EXCHANGE_AUDIENCE, 700_211),
        (&issuer, SUBJECT, "api://AzureADTokenExchang", 700_212),
    ] {
        tenant
            .trust("frontend", name, issuer, subject, audience)
            .await;
        let refused = tenant.ask(&tenant.form()).await;
        assert_eq!(
            refused.expect_err("not trusted"),
            (401, "invalid_client", code)
        );
    }

    tenant
        .trust("frontend", name, &issuer, SUBJECT, EXCHANGE_AUDIENCE)
        .await;
    tenant.ask(&tenant.form()).await.expect("it is healed");

    let deleted = tenant
        .entra
        .directory
        .delete_credential("frontend", name)
        .await;
    deleted.expect("it is there");
    let refused = tenant.ask(&tenant.form()).await;
    assert_eq!(
        refused.expect_err("none is left"),
        (401, "invalid_client", 70025)
    );
}

#[tokio::test]
async fn an_issuer_that_no_issuer_can_be_is_refused_though_it_is_trusted() {
    let tenant = Tenant::start().await;
    for issuer in [
        "http://issuer.example/",
        "https://127.0.0.1:6443",
        "https://issuer.example/?a=1",
    ] {
        tenant
            .trust("frontend", "more", issuer, SUBJECT, EXCHANGE_AUDIENCE)
            .await;
        let form = Form::new(tenant.assertion(|claims| claims["iss"] = json!(issuer)));

        let refusal = tenant.refusal(&form).await;

        assert_eq!(refusal.code, 70022);
        assert_eq!(
            refusal.text,
            format!(
                "Federated Identity Credential issuer must use HTTPS scheme, must not be loopback address, and may \
                 not include a query-string or fragment. Token issuer: {issuer}."
            )
        );
    }
}

#[tokio::test]
async fn an_assertion_lives_25_hours_at_most() {
    let tenant = Tenant::start().await;
    let now = tenant.clock.unix_now();
    let for_seconds = |lifetime: i64| {
        Form::new(tenant.assertion(|claims| {
            // All three, as the clock may be a second further by now.
            for (name, at) in [("iat", now), ("nbf", now), ("exp", now + lifetime)] {
                claims[name] = json!(at);
            }
        }))
    };

    let longest = tenant.ask(&for_seconds(25 * 60 * 60)).await;
    longest.expect("25 hours are not too long");
    let refusal = tenant.refusal(&for_seconds(25 * 60 * 60 + 1)).await;

    assert_eq!(
        (refusal.code, refusal.status.as_u16(), refusal.error),
        (70023, 401, "invalid_client")
    );
    assert_eq!(
        refusal.text,
        format!(
            "External OIDC Provider token must have a lifetime of less than or equal to 1.01:00:00. Token issued at \
             {now}. Token expires on {}.",
            now + 25 * 60 * 60 + 1
        )
    );
}

#[tokio::test]
async fn a_managed_identity_signs_nobody_in() {
    let tenant = Tenant::start().await;
    for grant in ["password", "authorization_code", "refresh_token"] {
        let form = tenant.form().with("grant_type", grant);
        let refused = tenant.ask(&form).await.expect_err(grant);
        assert_eq!(refused, (400, "invalid_request", 900_058), "{grant}");
        let unknown = form.with("client_id", "nobody");
        let refused = tenant.ask(&unknown).await.expect_err(grant);
        assert_eq!(refused, (400, "unsupported_grant_type", 70003), "{grant}");
    }
}

#[tokio::test]
async fn a_tenant_of_zeros_is_no_tenant() {
    let tenant = Tenant::start().await;
    let refused = tenant
        .ask_tenant("00000000-0000-0000-0000-000000000000", &tenant.form())
        .await;
    assert_eq!(
        refused.expect_err("it is empty"),
        (400, "invalid_request", 900_021)
    );
}

/// Everything is wrong at first; what is told is mended, and the next thing is told.
#[tokio::test]
async fn of_several_mistakes_the_first_in_order_is_told() {
    let tenant = Tenant::start().await;
    let stranger = &*STRANGER;
    let mut claims = tenant.claims();
    claims["iss"] = json!("https://evil.test/");
    claims["sub"] = json!("system:serviceaccount:evil:evil");
    claims["aud"] = json!(["evil", "api"]);
    claims["exp"] = json!(tenant.clock.unix_now() - 1);
    let sign = |key: &SigningKey, claims: &Value| {
        key.sign(&json!({ "alg": "RS256", "kid": key.kid() }), claims)
    };
    let mut form = Form::new("no.token".to_owned())
        .with("client_id", "nobody")
        .with("scope", "nothing")
        .with("grant_type", "magic");

    let told = async |form: &Form| tenant.ask(form).await.expect_err("something is wrong").2;
    assert_eq!(told(&form).await, 70003);
    form = form.with("grant_type", "client_credentials");
    assert_eq!(told(&form).await, 700_016);
    form = form.with("client_id", &names::client_id("frontend").to_string());
    assert_eq!(told(&form).await, 50027, "no token");
    form = form.with("client_assertion", &sign(stranger, &claims));
    assert_eq!(told(&form).await, 50027, "several audiences");
    for (claim, value, wrong) in [
        ("aud", json!(["evil"]), 700_211),
        ("iss", json!(names::cluster_issuer()), 700_213),
        ("sub", json!(SUBJECT), 700_212),
        ("aud", json!([EXCHANGE_AUDIENCE]), 7_000_272),
    ] {
        claims[claim] = value;
        form = form.with("client_assertion", &sign(stranger, &claims));
        assert_eq!(told(&form).await, wrong, "after {claim}");
    }
    let key = tenant.cluster_keys.current();
    form = form.with("client_assertion", &sign(&key, &claims));
    assert_eq!(told(&form).await, 700_024);
    form = form.with("client_assertion", &sign(&key, &tenant.claims()));
    assert_eq!(told(&form).await, 1_002_012);
    form = form.with("scope", "https://vault.azure.net/.default");
    tenant.ask(&form).await.expect("nothing is wrong any more");
}
