//! Each of the main mistakes, made at a running cloud: the audit holds its
//! explanation, with the character at which it parts from what is trusted, and
//! with the line of the access model that mends it.

use local_cloud::audit::{Decision, Record};
use local_cloud::control::GrantBody;
use local_cloud::explain::{Difference, Explanation};
use local_cloud::{EXCHANGE_AUDIENCE, TokenRequest, names};
use serde_json::{Value, json};

use crate::cloud::{
    Answer, COSMOS, Cloud, KEY_VAULT, SERVICE_BUS, STORAGE, TokenCall, UNTRUSTED, model,
};
use crate::forge;

const API: &str = "2025-07-01";

/// What somebody does wrong.
enum Mistake {
    /// Claims of the frontend's assertion.
    Claims(fn(&mut Value)),
    /// A parameter of the frontend's request.
    Parameter(&'static str, String),
    /// The tenant in the address.
    Tenant(&'static str),
    /// A token that was issued two hours ago, for one.
    Expired,
    /// A GET with a token of the frontend for this resource.
    Get(&'static str, String),
    /// An item written where the frontend may only read.
    Write,
    /// A token of the frontend for this resource, put for a queue, and a link to
    /// send to it.
    Send(&'static str, &'static str),
    /// A pod with this service account and this annotation.
    Pod(&'static str, &'static str),
}

/// What its explanation has to say.
struct Explained {
    code: &'static str,
    step: u8,
    field: &'static str,
    /// The place, and the two characters there; none where things differ as a whole.
    parting: Option<(usize, Option<char>, Option<char>)>,
    /// Words in it.
    words: &'static str,
    /// Texts of the line of the access model that one of the fixes names.
    line: &'static [&'static str],
    /// A part of the command of one of the fixes.
    az: &'static str,
}

impl Default for Explained {
    fn default() -> Self {
        Self {
            code: "",
            step: 5,
            field: "",
            parting: None,
            words: "",
            line: &[],
            az: "",
        }
    }
}

fn vault(secret: &str) -> String {
    format!("https://localvault.vault.azure.net/secrets/{secret}?api-version={API}")
}

fn cosmos(path: &str) -> String {
    format!("https://localcosmos.documents.azure.com/dbs/todolist/colls/{path}")
}

fn blob(path: &str) -> String {
    format!("https://localstorage.blob.core.windows.net/{path}")
}

/// The mistakes of the exchange: steps 2 to 4.
#[expect(clippy::too_many_lines, reason = "a table")]
fn exchanges() -> Vec<(&'static str, Mistake, Explained)> {
    let issuer_length = names::cluster_issuer().chars().count();
    let frontend = names::client_id("frontend").to_string();
    let slipped = format!("{}x", &frontend[..35]);
    let last = frontend.chars().last();
    let trusts_frontend: &[&str] = &["\"namespace\": \"todolist\", \"name\": \"frontend\""];
    vec![
        (
            "another service account",
            Mistake::Claims(|claims| {
                claims["sub"] = "system:serviceaccount:todolist:worker".into();
            }),
            Explained {
                code: "AADSTS700213",
                step: 3,
                field: "subject",
                parting: Some((32, Some('w'), Some('f'))),
                words: "`worker` instead of `frontend`",
                line: trusts_frontend,
                az: "az identity federated-credential create --resource-group rg-local-cloud --identity-name frontend ",
            },
        ),
        (
            "a namespace with a slip",
            Mistake::Claims(|claims| {
                claims["sub"] = "system:serviceaccount:todo-list:frontend".into();
            }),
            Explained {
                code: "AADSTS700213",
                step: 3,
                field: "subject",
                parting: Some((27, Some('-'), Some('l'))),
                words: "`-` should not be there",
                line: trusts_frontend,
                az: "--subject system:serviceaccount:todo-list:frontend ",
            },
        ),
        (
            "a capital letter",
            Mistake::Claims(|claims| {
                claims["sub"] = "system:serviceaccount:todolist:Frontend".into();
            }),
            Explained {
                code: "AADSTS7002138",
                step: 3,
                field: "subject",
                parting: Some((32, Some('F'), Some('f'))),
                words: "only the case differs",
                line: trusts_frontend,
                ..Explained::default()
            },
        ),
        (
            "a blank at the end of the subject",
            Mistake::Claims(|claims| {
                claims["sub"] = "system:serviceaccount:todolist:frontend ".into();
            }),
            Explained {
                code: "AADSTS700213",
                step: 3,
                field: "subject",
                parting: Some((40, Some(' '), None)),
                words: "a blank (U+0020) at the end should not be there",
                line: trusts_frontend,
                ..Explained::default()
            },
        ),
        (
            "an issuer without its slash",
            Mistake::Claims(|claims| {
                let issuer = claims["iss"]
                    .as_str()
                    .expect("an issuer")
                    .trim_end_matches('/');
                claims["iss"] = issuer.to_owned().into();
            }),
            Explained {
                code: "AADSTS700211",
                step: 3,
                field: "issuer",
                parting: Some((issuer_length, None, Some('/'))),
                words: "lacks the slash `/` at the end",
                line: trusts_frontend,
                az: "az identity federated-credential update --resource-group rg-local-cloud --identity-name frontend --name todolist-frontend ",
            },
        ),
        (
            "another audience",
            Mistake::Claims(|claims| claims["aud"] = json!(["api://AzureADTokenExchanges"])),
            Explained {
                code: "AADSTS700212",
                step: 3,
                field: "audience",
                parting: Some((27, Some('s'), None)),
                words: "`s` at the end should not be there",
                line: trusts_frontend,
                ..Explained::default()
            },
        ),
        (
            "a client id with a slip",
            Mistake::Parameter("client_id", slipped),
            Explained {
                code: "AADSTS700016",
                step: 2,
                field: "client id",
                parting: Some((36, Some('x'), last)),
                words: "`x` instead of",
                line: &["\"frontend\": {"],
                az: "az identity show --resource-group rg-local-cloud --name frontend --query clientId ",
            },
        ),
        (
            "the object id for the client id",
            Mistake::Parameter("client_id", names::object_id("frontend").to_string()),
            Explained {
                code: "AADSTS700016",
                step: 2,
                field: "client id",
                parting: parting(&names::object_id("frontend").to_string(), &frontend),
                line: &["\"frontend\": {"],
                ..Explained::default()
            },
        ),
        (
            "an identity without a federated credential",
            Mistake::Parameter("client_id", names::client_id(UNTRUSTED).to_string()),
            Explained {
                code: "AADSTS70025",
                step: 3,
                field: "federated credential",
                words: "has no federated credential",
                line: &["\"untrusted\": {"],
                az: "az identity federated-credential create --resource-group rg-local-cloud --identity-name untrusted --name todolist-frontend ",
                ..Explained::default()
            },
        ),
        (
            "an expired token",
            Mistake::Expired,
            Explained {
                code: "AADSTS700024",
                step: 3,
                field: "expiry",
                words: "it expired 1 hour",
                ..Explained::default()
            },
        ),
        (
            "another tenant",
            Mistake::Tenant("11111111-2222-3333-4444-555555555555"),
            Explained {
                code: "AADSTS90002",
                step: 2,
                field: "tenant",
                parting: parting(
                    "11111111-2222-3333-4444-555555555555",
                    &names::tenant_id().to_string(),
                ),
                az: "az account show --query tenantId",
                ..Explained::default()
            },
        ),
        (
            "a resource with a slip",
            Mistake::Parameter("scope", "https://vault.azure.com/.default".to_owned()),
            Explained {
                code: "AADSTS500011",
                step: 4,
                field: "resource",
                parting: Some((21, Some('c'), Some('n'))),
                words: "`com` instead of `net`",
                ..Explained::default()
            },
        ),
        (
            "a scope without its end",
            Mistake::Parameter("scope", KEY_VAULT.to_owned()),
            Explained {
                code: "AADSTS1002012",
                step: 4,
                field: "scope",
                parting: Some((24, None, Some('/'))),
                words: "lacks `/.default` at the end",
                ..Explained::default()
            },
        ),
    ]
}

/// The mistakes at a resource: step 5.
#[expect(clippy::too_many_lines, reason = "a table")]
fn resources() -> Vec<(&'static str, Mistake, Explained)> {
    vec![
        (
            "a role at another secret",
            Mistake::Get(KEY_VAULT, vault("share-link-key")),
            Explained {
                code: "ForbiddenByRbac",
                field: "scope",
                parting: Some((16, Some('h'), Some('e'))),
                words: "role `Key Vault Secrets User` stands there",
                line: &["\"identity\": \"frontend\"", "bus/queues/attachment-jobs"],
                az: "az role assignment create --role 'Key Vault Secrets User' --assignee-object-id \"$(az identity show --resource-group rg-local-cloud --name frontend --query principalId --output tsv)\" --assignee-principal-type ServicePrincipal --scope ",
                ..Explained::default()
            },
        ),
        (
            "a secret with a slip",
            Mistake::Get(KEY_VAULT, vault("sesion-key")),
            Explained {
                code: "ForbiddenByRbac",
                field: "name",
                parting: Some((18, Some('i'), Some('s'))),
                words: "lacks `s`",
                ..Explained::default()
            },
        ),
        (
            "a role at another container of Cosmos DB",
            Mistake::Get(COSMOS, cosmos("todos")),
            Explained {
                code: "403/5301",
                field: "scope",
                parting: Some((38, Some('t'), Some('a'))),
                words: "role `Cosmos DB Built-in Data Reader` stands there",
                line: &["\"identity\": \"frontend\"", "bus/queues/attachment-jobs"],
                az: "--scope /dbs/todolist/colls/todos",
                ..Explained::default()
            },
        ),
        (
            "a role that only reads",
            Mistake::Write,
            Explained {
                code: "403/5302",
                field: "action",
                words: "role `Cosmos DB Built-in Data Reader` stands at cosmos/databases/todolist/containers/activity, and does not have this action",
                az: "--role-definition-id 00000000-0000-0000-0000-000000000002 ",
                ..Explained::default()
            },
        ),
        (
            "a role at a container where the account is asked",
            Mistake::Get(STORAGE, blob("?comp=list")),
            Explained {
                code: "AuthorizationPermissionMismatch",
                field: "scope",
                parting: Some((8, None, Some('/'))),
                words: "lacks `/containers/attachments` at the end",
                line: &["\"identity\": \"frontend\"", "bus/queues/attachment-jobs"],
                az: "/providers/Microsoft.Storage/storageAccounts/localstorage",
                ..Explained::default()
            },
        ),
        (
            "a role at another queue",
            Mistake::Send(SERVICE_BUS, "todo-events"),
            Explained {
                code: "amqp:unauthorized-access",
                field: "scope",
                parting: Some((12, Some('t'), Some('a'))),
                words: "role `Azure Service Bus Data Sender` stands there",
                line: &["\"identity\": \"backend\"", "bus/queues/todo-events"],
                az: "/namespaces/localbus/queues/todo-events",
                ..Explained::default()
            },
        ),
        (
            "a token of Storage at Key Vault",
            Mistake::Get(STORAGE, vault("session-key")),
            Explained {
                code: "AKV10022",
                field: "audience",
                parting: Some((9, Some('s'), Some('v'))),
                words: "`storage.azure.com` instead of `vault.azure.net`",
                ..Explained::default()
            },
        ),
        (
            "a token of Key Vault at Cosmos DB",
            Mistake::Get(KEY_VAULT, cosmos("activity")),
            Explained {
                code: "401/5008",
                field: "audience",
                parting: Some((9, Some('v'), Some('c'))),
                ..Explained::default()
            },
        ),
        (
            "a token of Key Vault at Storage",
            Mistake::Get(KEY_VAULT, blob("attachments/none")),
            Explained {
                code: "InvalidAuthenticationInfo",
                field: "audience",
                parting: Some((9, Some('v'), Some('s'))),
                ..Explained::default()
            },
        ),
        (
            "a token of Key Vault at Service Bus",
            Mistake::Send(KEY_VAULT, "attachment-jobs"),
            Explained {
                code: "InvalidAudience",
                field: "audience",
                parting: Some((9, Some('v'), Some('s'))),
                ..Explained::default()
            },
        ),
        (
            "a service account that is not there",
            Mistake::Pod("fronted", "3600"),
            Explained {
                code: "AdmissionServiceAccount",
                step: 1,
                field: "service account",
                parting: Some((16, Some('d'), Some('n'))),
                words: "lacks `n`",
                ..Explained::default()
            },
        ),
        (
            "a token's lifetime out of bounds",
            Mistake::Pod("frontend", "60"),
            Explained {
                code: "AdmissionTokenExpiration",
                step: 1,
                field: "service-account-token-expiration",
                words: "it is 3540 too small",
                ..Explained::default()
            },
        ),
    ]
}

fn parting(presented: &str, trusted: &str) -> Option<(usize, Option<char>, Option<char>)> {
    let mut pairs = presented.chars().zip(trusted.chars()).enumerate();
    let (at, (one, other)) = pairs.find(|(_, (one, other))| one != other)?;
    Some((at + 1, Some(one), Some(other)))
}

async fn make(cloud: &Cloud, mistake: &Mistake) {
    let call = async |assertion: &str| TokenCall::of("frontend", KEY_VAULT, assertion);
    let good = cloud.assertion("frontend").await;
    match mistake {
        Mistake::Claims(change) => {
            let forged = forge::signed_by_another_key(&good, None, change);
            call(&forged).await.send(cloud).await;
        }
        Mistake::Parameter(name, value) => {
            call(&good)
                .await
                .with(name, value.clone())
                .send(cloud)
                .await;
        }
        Mistake::Tenant(tenant) => {
            call(&good).await.at_tenant(tenant).send(cloud).await;
        }
        Mistake::Expired => {
            let token = TokenRequest {
                namespace: "todolist".to_owned(),
                service_account: "frontend".to_owned(),
                audience: EXCHANGE_AUDIENCE.to_owned(),
                lifetime_seconds: 3600,
                age_seconds: 7200,
            };
            call(&cloud.sign(&token).await).await.send(cloud).await;
        }
        Mistake::Get(resource, url) => {
            let token = cloud.access_token("frontend", resource).await;
            Answer::to(authorized(cloud.http.get(url), url, &token)).await;
        }
        Mistake::Write => {
            let token = cloud.access_token("frontend", COSMOS).await;
            let url = cosmos("activity/docs");
            let request = cloud
                .http
                .post(&url)
                .header("x-ms-documentdb-partitionkey", "[\"l\"]");
            let item = json!({ "id": "i", "listId": "l" }).to_string();
            Answer::to(authorized(request.body(item), &url, &token)).await;
        }
        Mistake::Send(resource, queue) => {
            let token = cloud.access_token("frontend", resource).await;
            let mut bus = cloud.bus().await;
            bus.put_token("jwt", &token, queue).await;
            if *resource == SERVICE_BUS {
                bus.attach_sender(queue).await.expect_err("no role");
            }
        }
        Mistake::Pod(account, expiration) => {
            let known = json!({ "metadata": { "namespace": "todolist", "name": "frontend" } });
            let known = serde_json::from_value(known).expect("an account");
            cloud.control.apply(&known).await.expect("applied");
            let pod = json!({
                "metadata": {
                    "namespace": "todolist", "name": "p",
                    "labels": { "azure.workload.identity/use": "true" },
                    "annotations": { "azure.workload.identity/service-account-token-expiration": expiration },
                },
                "spec": { "serviceAccountName": account, "containers": [{ "name": "c" }] },
            });
            let pod = serde_json::from_value(pod).expect("a pod");
            cloud
                .control
                .create_pod(&pod)
                .await
                .expect_err("not admitted");
        }
    }
}

fn authorized(request: reqwest::RequestBuilder, url: &str, token: &str) -> reqwest::RequestBuilder {
    if url.contains("documents.azure.com") {
        let authorization = format!("type%3Daad%26ver%3D1.0%26sig%3D{token}");
        return request
            .header("x-ms-version", "2020-07-15")
            .header("authorization", authorization);
    }
    request
        .header("x-ms-version", "2026-04-06")
        .bearer_auth(token)
}

/// The one denial since, and its explanation.
async fn denied(cloud: &Cloud, before: u64) -> (Record, Explanation) {
    let records = cloud.control.audit(before).await.expect("the audit");
    let denials = records
        .into_iter()
        .filter(|record| record.decision == Decision::Denied);
    let denials: Vec<_> = denials.collect();
    let [record] = &denials[..] else {
        panic!("there should be one denial: {denials:#?}");
    };
    let explanation = record
        .explanation
        .as_deref()
        .expect("an explanation")
        .clone();
    (record.clone(), explanation)
}

fn check(name: &str, explanation: &Explanation, expected: &Explained) {
    let story = format!("{name}:\n{explanation}");
    assert_eq!(
        (explanation.code.as_str(), explanation.step),
        (expected.code, expected.step),
        "{story}"
    );
    let named = |difference: &&Difference| difference.field == expected.field;
    let difference = explanation.differences.iter().find(named);
    let difference =
        difference.unwrap_or_else(|| panic!("no difference of {}: {story}", expected.field));
    let parting = difference.parting.as_ref();
    let parting = parting.map(|parting| (parting.position, parting.presented, parting.trusted));
    assert_eq!(parting, expected.parting, "{story}");
    assert!(difference.words.contains(expected.words), "{story}");
    assert!(!explanation.fixes.is_empty(), "{story}");
    let az = explanation.fixes.iter().filter_map(|fix| fix.az.as_deref());
    assert!(
        expected.az.is_empty() || az.clone().any(|az| az.contains(expected.az)),
        "{story}"
    );
    if expected.line.is_empty() {
        return;
    }
    let model = model();
    let lines: Vec<&str> = model.lines().collect();
    let named = explanation.fixes.iter().filter_map(|fix| {
        let line = lines.get(fix.line?.checked_sub(1)?)?;
        fix.file
            .as_deref()?
            .ends_with("access.json")
            .then_some(*line)
    });
    let found = named
        .clone()
        .any(|line| expected.line.iter().all(|text| line.contains(text)));
    assert!(
        found,
        "no fix names the line of {:?}: {:?}\n{story}",
        expected.line,
        named.collect::<Vec<_>>()
    );
}

async fn each_is_explained(mistakes: Vec<(&'static str, Mistake, Explained)>) {
    let cloud = Cloud::shared().await;
    for (name, mistake, expected) in mistakes {
        let before = cloud.audited().await;
        make(&cloud, &mistake).await;
        let (record, explanation) = denied(&cloud, before).await;
        check(name, &explanation, &expected);
        // What the audit says in its own words tells the same, to who only has that.
        assert!(record.code.is_some(), "{name}");
    }
}

#[tokio::test]
async fn each_mistake_of_an_exchange_is_explained_to_the_character() {
    each_is_explained(exchanges()).await;
}

#[tokio::test]
async fn each_mistake_at_a_resource_and_at_admission_is_explained_to_the_character() {
    each_is_explained(resources()).await;
}

#[tokio::test]
async fn a_role_that_was_taken_away_is_told_from_one_that_never_was() {
    let cloud = Cloud::shared().await;
    let grant = GrantBody {
        identity: "frontend".to_owned(),
        role: "Key Vault Secrets User".to_owned(),
        scope: "vault/secrets/session-key".to_owned(),
    };
    cloud.control.revoke(&grant).await.expect("revoked");
    let before = cloud.audited().await;

    make(&cloud, &Mistake::Get(KEY_VAULT, vault("session-key"))).await;

    let (_, explanation) = denied(&cloud, before).await;
    cloud.control.grant(&grant).await.expect("granted again");
    let expected = Explained {
        code: "ForbiddenByRbac",
        field: "role assignment",
        words: "it was revoked while the cloud runs",
        line: &["\"identity\": \"frontend\"", "vault/secrets/session-key"],
        az: "/vaults/localvault/secrets/session-key",
        ..Explained::default()
    };
    check("a revoked role", &explanation, &expected);
}
