//! Tokens, set against what the access model trusts and grants.

use super::*;

#[track_caller]
fn report(token: &str) -> TokenReport {
    match &read(token)[..] {
        [Finding::Token(report)] => report.clone(),
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_service_accounts_token_is_set_against_every_credential() {
    let report = report(&service_account_token(
        "system:serviceaccount:todolist:backend",
    ));

    assert_eq!(
        report.summary,
        "A service account's token of system:serviceaccount:todolist:backend, valid for another 50 minutes."
    );
    let expiry = report
        .claims
        .iter()
        .find(|claim| claim.name == "exp")
        .expect("it is there");
    assert_eq!(expiry.value, "2026-11-28 12:50:00 UTC, in 50 minutes");
    let verdicts: Vec<_> = report
        .trusts
        .iter()
        .map(|one| (one.identity.as_str(), one.trusts))
        .collect();
    assert_eq!(
        verdicts,
        [("backend", true), ("frontend", false), ("worker", false)]
    );
    assert_eq!(report.trusts[1].same, ["issuer", "audience"]);
    assert_eq!(
        report.trusts[1].differences[0]
            .parting
            .as_ref()
            .map(|p| p.position),
        Some(32)
    );
    assert!(line_of(report.trusts[0].line).contains("\"name\": \"backend\""));
}

#[test]
fn an_access_token_is_told_with_what_its_principal_is_granted() {
    let report = report(&access_token("worker", "https://vault.azure.net"));

    assert_eq!(
        report.summary,
        "An access token of Entra ID for Key Vault, expired 1 minute ago."
    );
    assert_eq!(report.grants.len(), 5);
    assert!(report.grants.iter().all(|grant| !grant.of_this_audience));
    let told = report.notes.join("\n");
    assert!(told.contains("`worker` has no role at Key Vault"), "{told}");
}

#[test]
fn a_token_of_the_inner_hop_is_known_as_one() {
    let now = now().unix_timestamp();
    let hop = token(&json!({
        "iss": names::cluster_issuer(), "sub": "system:serviceaccount:todolist:frontend", "aud": ["todolist-backend"],
        "iat": now, "nbf": now, "exp": now + 600,
    }));

    let told = text_of(&read(&hop));

    assert!(
        told.contains("It is for the call from frontend to backend"),
        "{told}"
    );
    assert!(
        told.contains("No identity of the access model trusts it."),
        "{told}"
    );
}

#[test]
fn a_token_beside_an_error_tells_what_the_text_leaves_out() {
    let token = service_account_token("system:serviceaccount:todolist:nobody");
    let text = format!(
        "client_assertion={token}&scope=x was refused: AADSTS700213: No matching federated identity record found"
    );

    let explanation = refusal(&text);

    assert_eq!(explanation.same, ["issuer", "audience"]);
    assert_eq!(explanation.differences[0].field, "subject");
}
