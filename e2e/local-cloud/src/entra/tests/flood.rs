//! Whoever may ask may ask without end, and with what he likes: what is kept of it
//! is bounded.

use super::*;

/// A request that is wrong in one of many ways, and new each time.
async fn garbage(tenant: &Tenant, number: u32) {
    let own = names::tenant_id().to_string();
    let good = tenant.claims();
    let key = json!({ "alg": "RS256", "kid": format!("key-{number}") });
    let unsigned = |claims: &Value| {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        Form::new(format!("{}.{}.c2ln", encode(&key), encode(claims)))
    };
    let with = |name: &str, value: String| {
        let mut claims = good.clone();
        claims[name] = Value::from(value);
        unsigned(&claims)
    };
    let long = "x".repeat(4000);
    let (path, form) = match number % 7 {
        0 => (format!("{long}{number}"), tenant.form()),
        1 => (
            own,
            tenant.form().with("client_id", &format!("{long}{number}")),
        ),
        2 => (own, tenant.form().with("scope", &format!("{long}{number}"))),
        3 => (own, with("iss", format!("https://{number}.example/{long}"))),
        4 => (own, with("sub", format!("{long}{number}"))),
        // The issuer is trusted, and has no such key.
        5 => (own, unsigned(&good)),
        _ => (own, Form::new(format!("{long}{number}"))),
    };
    let refused = tenant.entra.exchange(&path, form.body().as_bytes()).await;
    refused.expect_err("it is garbage");
}

#[tokio::test]
async fn whatever_is_thrown_at_the_token_endpoint_what_it_keeps_is_bounded() {
    const KEPT: usize = 100;
    let tenant = Tenant::recording(CLUSTER_KEYS.clone(), |clock| Audit::keeping(KEPT, clock)).await;

    for number in 0..1400 {
        garbage(&tenant, number).await;
    }

    let extent = tenant.audit.extent();
    assert_eq!(extent.records, KEPT);
    assert_eq!(extent.dropped, 1400 - KEPT as u64);
    // No record has all of what was sent.
    assert!(extent.bytes < KEPT * 8 * 1024, "{extent:?}");
    // The only issuer that was ever asked is the one that is trusted.
    assert_eq!(tenant.entra.issuer_keys.count(), 1);
    tenant.ask(&tenant.form()).await.expect("it serves on");
}
