//! Texts that people keep, explained by the repository's own access model.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;
use crate::entra::EXCHANGE_AUDIENCE;
use crate::model::{Model, ServiceAccount};
use crate::names;
use crate::roles::Roles;

const MODEL: &str = include_str!("../../../../infra/access.json");

/// A signature that must appear nowhere.
const PLANTED: &str = "UExBTlRFRC1TSUdOQVRVUkUtdGhhdC1tdXN0LWFwcGVhci1ub3doZXJl";

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_867_200).expect("a time")
}

fn explainer() -> Explainer {
    let roles = Roles::built_in();
    let model = Model::parse(MODEL, &roles).expect("the model is valid");
    Explainer::new(model.in_file("infra/access.json"), roles)
}

fn read(text: &str) -> Vec<Finding> {
    explainer().read(text, now())
}

#[track_caller]
fn refusal(text: &str) -> Explanation {
    match &read(text)[..] {
        [Finding::Refusal(explanation)] => explanation.clone(),
        other => panic!("{text}: {other:#?}"),
    }
}

fn token(claims: &Value) -> String {
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = json!({ "alg": "RS256", "kid": "the-key", "typ": "JWT" });
    format!("{}.{}.{PLANTED}", part(&header), part(claims))
}

fn service_account_token(subject: &str) -> String {
    let now = now().unix_timestamp();
    token(&json!({
        "iss": names::cluster_issuer(), "sub": subject, "aud": [EXCHANGE_AUDIENCE],
        "iat": now - 600, "nbf": now - 600, "exp": now + 3000,
    }))
}

fn access_token(identity: &str, audience: &str) -> String {
    let now = now().unix_timestamp();
    token(&json!({
        "iss": names::token_issuer(names::tenant_id()), "aud": audience, "oid": names::object_id(identity),
        "appid": names::client_id(identity), "nbf": now - 7200, "exp": now - 60,
    }))
}

fn text_of(findings: &[Finding]) -> String {
    let lines = findings.iter().flat_map(Finding::lines);
    let lines: Vec<String> = lines.map(|line| line.to_string()).collect();
    lines.join("\n")
}

#[track_caller]
fn line_of(fix: &Fix) -> &'static str {
    let line = fix.line.expect("a line");
    MODEL.lines().nth(line - 1).expect("the file has that line")
}

#[test]
fn the_text_of_a_subject_that_is_not_trusted_names_the_character_and_the_line() {
    let explanation = refusal(
        "ClientAssertionCredential authentication failed. AADSTS7002138: No matching federated identity record \
         found for presented assertion subject 'system:serviceaccount:todolist:Worker'. The subject matches with \
         case-insensitive comparison, but not with case-sensitive comparison.",
    );

    assert_eq!(
        (explanation.code.as_str(), explanation.step),
        ("AADSTS7002138", 3)
    );
    let [difference] = &explanation.differences[..] else {
        panic!("{explanation}");
    };
    let parting = difference.parting.as_ref().expect("they part");
    assert_eq!(
        (parting.position, parting.presented, parting.trusted),
        (32, Some('W'), Some('w'))
    );
    assert!(
        explanation.summary.contains("identity `worker`"),
        "{explanation}"
    );
    let fix = explanation
        .fixes
        .iter()
        .find(|fix| fix.line.is_some())
        .expect("a line");
    assert!(
        line_of(fix).contains("\"name\": \"worker\""),
        "{explanation}"
    );
    let shown = explanation.to_string();
    let lines: Vec<&str> = shown.lines().collect();
    let presented = lines
        .iter()
        .position(|line| line.contains("presented  "))
        .expect("it is shown");
    let mark = lines[presented + 2].find('^').expect("a mark");
    assert_eq!(lines[presented].chars().nth(mark), Some('W'), "{shown}");
    assert_eq!(lines[presented + 1].chars().nth(mark), Some('w'), "{shown}");
}

#[test]
fn a_json_error_of_the_token_endpoint_is_known_by_its_text() {
    let body = json!({
        "error": "unauthorized_client",
        "error_description": format!(
            "AADSTS700016: Application with identifier '{}' was not found in the directory 'x'. Trace ID: y",
            names::object_id("backend")
        ),
        "error_codes": [700_016],
    });

    let explanation = refusal(&body.to_string());

    assert!(
        explanation.summary.contains("the object id of `backend`"),
        "{explanation}"
    );
    assert_eq!(
        explanation.differences[0].trusted,
        Some(names::client_id("backend").to_string())
    );
}

#[test]
fn a_missing_role_at_key_vault_is_told_by_the_vaults_own_text() {
    let message = format!(
        "Caller is not authorized to perform action on resource.\r\nCaller: appid={};oid={};iss=https://x/\r\n\
         Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\n\
         Resource: '/subscriptions/s/resourcegroups/g/providers/microsoft.keyvault/vaults/anyname/secrets/session-key'\r\n\
         Assignment: (not found)",
        names::client_id("backend"),
        names::object_id("backend")
    );
    let body = json!({ "error": { "code": "Forbidden", "message": message, "innererror": { "code": "ForbiddenByRbac" } } });

    let explanation = refusal(&body.to_string());

    assert_eq!(explanation.differences[0].field, "scope");
    assert_eq!(
        explanation.differences[0].presented.as_deref(),
        Some("vault/secrets/session-key")
    );
    assert!(
        line_of(&explanation.fixes[0]).contains("\"backend\""),
        "{explanation}"
    );
    let other = explanation.fixes[1].what.as_str();
    assert!(
        other.contains("It is `frontend` that may do this"),
        "{explanation}"
    );
}

#[test]
fn the_texts_of_every_service_lead_to_the_identity_and_the_scope() {
    let oid = names::object_id("frontend");
    let write = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/replace";
    let cosmos = format!(
        "Request blocked by Auth localcosmos : Request is blocked because principal [{oid}] does not have required RBAC \
         permissions to perform action [{write}] on resource [dbs/todolist/colls/activity]."
    );
    let explanation = refusal(&cosmos);
    assert_eq!(explanation.code, "403/5302");
    assert_eq!(explanation.differences[0].field, "action", "{explanation}");

    // Service Bus names nobody, so no more than the meaning can be told.
    let bus = "Unauthorized access. 'Send' claim(s) are required to perform this operation. \
               Resource: 'sb://localbus.servicebus.windows.net/todo-events'. TrackingId:1_G22";
    let explanation = refusal(bus);
    assert_eq!(explanation.code, "amqp:unauthorized-access");
    assert!(explanation.differences.is_empty() && !explanation.causes.is_empty());

    let audience = "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://storage.azure.com.";
    let explanation = refusal(audience);
    assert_eq!(
        explanation.differences[0].presented.as_deref(),
        Some("https://storage.azure.com")
    );
    assert_eq!(
        explanation.differences[0]
            .parting
            .as_ref()
            .map(|p| p.position),
        Some(9)
    );

    let blob = "<Error><Code>AuthorizationPermissionMismatch</Code><Message>This request is not authorized</Message></Error>";
    assert_eq!(refusal(blob).code, "AuthorizationPermissionMismatch");

    let admission = "pods \"p\" is forbidden: error looking up service account todolist/worke: serviceaccount \"worke\" not found";
    let explanation = refusal(admission);
    assert_eq!(
        explanation.differences[0].trusted.as_deref(),
        Some("todolist/worker")
    );
}

#[test]
fn a_time_range_is_told_in_words() {
    let explanation = refusal(
        "AADSTS700024: Client assertion is not within its valid time range. Current time: 2026-11-28T12:00:00.0000000Z, \
         assertion valid from 2026-11-28T10:15:00.0000000Z, expiry time of assertion 2026-11-28T11:15:00.0000000Z. \
         Review the documentation",
    );

    assert_eq!(explanation.differences[0].field, "expiry");
    assert_eq!(
        explanation.differences[0].words,
        "it expired 45 minutes before it was presented"
    );
}

#[test]
fn a_code_alone_is_explained_by_what_is_known_of_it() {
    for known in codes::all() {
        let explanation = refusal(&format!("something said {} and no more", known.code));
        assert_eq!(explanation.code, known.code);
        assert_eq!(explanation.step, known.step);
        assert!(!explanation.fixes.is_empty() && !explanation.summary.is_empty());
    }
}

#[test]
fn a_variable_that_was_not_injected_leads_to_label_and_annotation() {
    let explanation =
        refusal(r#"{"level":"ERROR","cause":"AZURE_FEDERATED_TOKEN_FILE is not set"}"#);

    assert_eq!(
        (explanation.code.as_str(), explanation.step),
        ("NotInjected", 1)
    );
}

#[test]
fn lines_of_a_log_are_each_explained_and_none_twice() {
    let denied = json!({
        "sequence": 1, "at": "2026-11-28T12:00:00Z", "by": "key vault", "operation": "GetSecret", "identity": "worker",
        "subject": null, "action": "Microsoft.KeyVault/vaults/secrets/getSecret/action", "scope": "vault/secrets/session-key",
        "decision": "denied", "code": "NoRoleAssignment", "why": "no role",
    });
    let allowed = json!({
        "sequence": 2, "at": "2026-11-28T12:00:00Z", "by": "entra", "operation": "TokenExchange", "identity": "worker",
        "subject": null, "action": "a", "scope": "t", "decision": "allowed", "code": null, "why": "AADSTS700213 is none",
    });
    let log = format!(
        "{denied}\n{allowed}\nstarting\n{}\n{denied}\n",
        json!({ "level": "WARN", "error": "AADSTS70025: The client 'x'(y) has no configured federated identity credentials." })
    );

    let codes: Vec<String> = read(&log)
        .into_iter()
        .map(|finding| match finding {
            Finding::Refusal(explanation) => explanation.code,
            Finding::Token(report) => report.summary,
        })
        .collect();

    assert_eq!(codes, ["ForbiddenByRbac", "AADSTS70025"]);
}

#[test]
fn a_line_of_the_clouds_log_is_read_through_its_colours() {
    let line = "2026-11-28T12:00:00Z \u{1b}[32m INFO\u{1b}[0m local_cloud::audit: audit \u{1b}[3mby\u{1b}[0m\u{1b}[2m=\u{1b}[0m\"key vault\" \
                \u{1b}[3moperation\u{1b}[0m=\"GetSecret\" identity=\"worker\" scope=\"vault/secrets/session-key\" decision=Denied \
                code=\"NoRoleAssignment\" why=\"no role\" explanation=\"No role of `worker` grants \
                Microsoft.KeyVault/vaults/secrets/getSecret/action at vault/secrets/session-key or above.\"";

    let explanation = refusal(line);

    assert_eq!(explanation.code, "ForbiddenByRbac");
    assert!(
        explanation.fixes[0]
            .what
            .contains("\"identity\": \"worker\""),
        "{explanation}"
    );
}

#[test]
fn an_explanation_in_a_record_is_shown_as_it_was_made() {
    let made = refusal("AADSTS700222");
    let record = json!({ "sequence": 1, "explanation": made });

    assert_eq!(read(&record.to_string()), [Finding::Refusal(made)]);
}

#[test]
fn nothing_known_is_no_finding() {
    for text in [
        "",
        "all is well",
        "{}",
        "[1,2]",
        "eyJhbGciOiJub25lIn0",
        "AADSTS",
        "a.b.c",
        "Bearer x",
        "{\"a\":",
    ] {
        assert_eq!(read(text), [], "{text}");
    }
}

#[test]
fn a_service_accounts_token_is_set_against_every_credential() {
    let findings = read(&service_account_token(
        "system:serviceaccount:todolist:backend",
    ));
    let [Finding::Token(report)] = &findings[..] else {
        panic!("{findings:#?}");
    };

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
    let line = report.trusts[0].line.expect("a line");
    assert!(
        MODEL
            .lines()
            .nth(line - 1)
            .expect("it is there")
            .contains("\"name\": \"backend\"")
    );
}

#[test]
fn an_access_token_is_told_with_what_its_principal_is_granted() {
    let findings = read(&access_token("worker", "https://vault.azure.net"));
    let [Finding::Token(report)] = &findings[..] else {
        panic!("{findings:#?}");
    };

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
fn another_clusters_issuer_and_ids_may_take_the_local_ones_place() {
    let account = ServiceAccount {
        namespace: "todolist".to_owned(),
        name: "backend".to_owned(),
    };
    let real = "https://westeurope.oic.prod-aks.azure.com/t/c/";
    let client = "01234567-89ab-cdef-0123-456789abcdef";
    let explainer = explainer()
        .with_issuer(real)
        .with_client_id(&account, client);
    let text = format!(
        "AADSTS700211: No match for presented assertion issuer '{}'.",
        real.trim_end_matches('/')
    );

    let [Finding::Refusal(explanation)] = &explainer.read(&text, now())[..] else {
        panic!("a refusal");
    };
    assert_eq!(
        explanation.differences[0].words,
        "lacks the slash `/` at the end"
    );

    let text = format!(
        "AADSTS70025: The client '{client}'(x) has no configured federated identity credentials."
    );
    let [Finding::Refusal(explanation)] = &explainer.read(&text, now())[..] else {
        panic!("a refusal");
    };
    assert!(
        explanation.summary.starts_with("Identity `backend` has no"),
        "{explanation}"
    );
}

#[test]
fn a_fix_in_a_manifest_gets_its_place_from_who_knows_it() {
    let explanation = refusal(
        "AADSTS700213: presented assertion subject 'system:serviceaccount:todolist:backen'.",
    );

    let located = explanation.located(|spot| {
        (spot.kind == SpotKind::ServiceAccountName)
            .then(|| (format!("{}.yaml", spot.service_account), 18))
    });

    assert_eq!(located.fixes[0].file.as_deref(), Some("backend.yaml"));
    assert_eq!(located.fixes[0].line, Some(18));
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
