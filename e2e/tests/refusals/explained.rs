//! Each of the main mistakes, made at a running cloud: the audit holds its
//! explanation, with the character at which it parts from what is trusted, and
//! with the line of the access model that mends it.

mod mistakes;

use local_cloud::audit::{Decision, Record};
use local_cloud::control::GrantBody;
use local_cloud::explain::{Difference, Explanation};
use local_cloud::{EXCHANGE_AUDIENCE, TokenRequest};
use serde_json::{Value, json};

use crate::cloud::{Answer, COSMOS, Cloud, KEY_VAULT, SERVICE_BUS, TokenCall, model};
use crate::forge;
use mistakes::{Explained, exchanges, resources};

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

fn vault(secret: &str) -> String {
    format!("https://localvault.vault.azure.net/secrets/{secret}?api-version={API}")
}

fn cosmos(path: &str) -> String {
    format!("https://localcosmos.documents.azure.com/dbs/todolist/colls/{path}")
}

fn blob(path: &str) -> String {
    format!("https://localstorage.blob.core.windows.net/{path}")
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
