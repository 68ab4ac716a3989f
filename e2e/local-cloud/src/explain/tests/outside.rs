//! What a text from outside may not bring along into an explanation.

use super::*;

/// Every form in which a token may come in. Neither its signature nor what comes
/// before it may go out, as text or as JSON.
#[test]
fn no_signature_leaves_in_whatever_form_it_came() {
    let good = service_account_token("system:serviceaccount:todolist:frontend");
    let access = access_token("frontend", "https://vault.azure.net");
    let nested =
        token(&json!({ "iss": "x", "sub": "y", "aud": "z", "act": good, "list": [access] }));
    let pieces = good.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let broken = pieces.collect::<Vec<_>>().join("\n");
    let log =
        json!({ "level": "WARN", "error": format!("AADSTS700213: subject 'x', sent {good}") });
    let record = json!({
        "sequence": 1, "at": "2026-11-28T12:00:00Z", "by": "entra", "operation": "TokenExchange", "identity": null,
        "subject": good, "action": good, "scope": good, "decision": "denied", "code": "AADSTS700213", "why": good,
    });
    let gate = json!({
        "sequence": 1, "at": "2026-11-28T12:00:00Z", "by": "key vault", "operation": "authenticate", "identity": null,
        "subject": null, "action": "authenticate", "scope": "https://vault.azure.net", "decision": "denied",
        "code": "TokenAudience", "why": format!("the token's audience is `{good}`"),
    });
    let role = json!({
        "sequence": 1, "at": "2026-11-28T12:00:00Z", "by": "key vault", "operation": "GetSecret",
        "identity": "frontend", "subject": null, "action": good, "scope": format!("vault/secrets/{good}"),
        "decision": "denied", "code": "NoRoleAssignment", "why": good,
    });
    let no_role_has_it = json!({
        "sequence": 1, "at": "2026-11-28T12:00:00Z", "by": "cosmos", "operation": "ReadItem",
        "identity": "frontend", "subject": null, "action": format!("Microsoft.DocumentDB/{good}"),
        "scope": "cosmos", "decision": "denied", "code": "NoRoleAssignment", "why": good,
    });
    let inputs = [
        good.clone(),
        format!("  Bearer {good}\n"),
        broken,
        nested,
        token(&json!({ "iss": good, "sub": "y", good.as_str(): "z" })),
        service_account_token(&format!("system:serviceaccount:{good}")),
        access_token("frontend", &good),
        format!("authorization: Bearer {access}"),
        format!("type%3Daad%26ver%3D1.0%26sig%3D{access}"),
        format!("grant_type=client_credentials&client_assertion={good}&scope=x"),
        json!({ "access_token": access, "token_type": "Bearer" }).to_string(),
        json!({ "type": "about:blank", "status": 503, "detail": format!("403 ForbiddenByRbac {access}") }).to_string(),
        log.to_string(),
        record.to_string(),
        gate.to_string(),
        role.to_string(),
        no_role_has_it.to_string(),
        format!("AADSTS700213: No match for presented assertion subject '{good}'."),
        format!("AADSTS700211: No match for presented assertion issuer '{good}'."),
        format!("AADSTS700016: Application with identifier '{good}' was not found"),
        format!("AADSTS90002: Tenant '{good}' not found"),
        format!("AADSTS500011: The resource principal named {good} was not found"),
        format!("AADSTS7000272: The certificate with identifier {good} used to sign"),
        format!("AKV10022: Invalid audience. Expected x, found: {good}"),
        format!("AKV10022: Invalid audience. Expected {good}, found: x"),
        format!("token expiration {good} not valid. Expected value to be between 3600 and 86400"),
        format!("error looking up service account todolist/{good}: not found"),
        format!("error looking up service account {good}/frontend: not found"),
    ];
    // A pod's refusal comes from the cluster too, whatever its text is.
    let account = ServiceAccount {
        namespace: "todolist".to_owned(),
        name: "frontend".to_owned(),
    };
    let admission = admission::explain(&format!("it is invalid: {good}"), &account, &[]);
    let read = inputs.map(|input| (read(&input), input));
    let told = (vec![Finding::Refusal(admission)], good.clone());
    for (findings, input) in read.into_iter().chain([told]) {
        assert!(!findings.is_empty(), "nothing was found in {input}");
        let json = serde_json::to_string(&findings).expect("JSON");
        for shown in [text_of(&findings), json] {
            assert!(!shown.contains(&PLANTED[..16]), "{input}\n{shown}");
            assert!(!shown.contains("eyJ"), "{input}\n{shown}");
        }
    }
}

#[test]
fn what_comes_from_outside_is_cut_and_made_visible() {
    let subject = format!(
        "system:serviceaccount:todolist:\u{7}\u{202e}{}",
        "x".repeat(900)
    );
    let explanation = refusal(&format!(
        "AADSTS700213: presented assertion subject '{subject}'."
    ));

    let text = explanation.to_string();

    assert!(!text.contains(['\u{7}', '\u{202e}']), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() < 800),
        "{text}"
    );
}
