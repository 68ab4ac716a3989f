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

mod outside;
mod tokens;

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
fn line_of(line: Option<usize>) -> &'static str {
    let line = line.expect("a line");
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
        line_of(fix.line).contains("\"name\": \"worker\""),
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
        line_of(explanation.fixes[0].line).contains("\"backend\""),
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
