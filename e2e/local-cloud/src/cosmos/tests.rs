//! The account from outside, in plain JSON over HTTP, as any client could speak.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::audit::Decision;
use crate::holds::{Matcher, State as HoldState};
use crate::model::{Grant, Resource, Scope};
use crate::testing::Fixture;

const HOST: &str = "localcosmos.documents.azure.com";
const AUDIENCE: &str = "https://cosmos.azure.com";
const TODOS: &str = "/dbs/todolist/colls/todos";
const ACTIVITY: &str = "/dbs/todolist/colls/activity";
const IN_LIST: (&str, &str) = ("x-ms-documentdb-partitionkey", r#"["l"]"#);
const QUERY: (&str, &str) = ("x-ms-documentdb-isquery", "True");
const BATCH: (&str, &str) = ("x-ms-cosmos-is-batch-request", "True");

struct Account {
    fixture: Fixture,
    cosmos: Arc<Cosmos>,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("{self:?}"));
        value.to_str().expect("an ASCII header")
    }

    /// Status and sub-status, as the official clients print them.
    fn code(&self) -> String {
        let substatus = self.headers.get("x-ms-substatus");
        let substatus = substatus.map_or("", |value| value.to_str().expect("a number"));
        format!("{}/{substatus}", self.status.as_u16())
    }

    /// The message without the activity id at its end.
    fn message(&self) -> &str {
        let message = self.body["message"].as_str().unwrap_or_default();
        message.split("\r\nActivityId: ").next().expect("a text")
    }
}

impl Account {
    fn new() -> Self {
        let fixture = Fixture::new();
        let Resource::Cosmos(spec) = fixture.resource("cosmos") else {
            panic!("the model's `cosmos` is a Cosmos DB account");
        };
        let cosmos = Cosmos::new(
            "cosmos",
            HOST.to_owned(),
            spec,
            fixture.gate.clone(),
            fixture.clock.clone(),
            None,
        );
        Self { fixture, cosmos }
    }

    fn token(&self, identity: &str) -> String {
        self.fixture.token(identity, AUDIENCE)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = http::Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", HOST);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let response = Arc::clone(&self.cosmos)
            .router()
            .oneshot(request)
            .await
            .expect("a router does not fail");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    async fn call(
        &self,
        identity: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let authorization = format!("type=aad&ver=1.0&sig={}", self.token(identity));
        let mut headers = headers.to_vec();
        headers.push(("authorization", &authorization));
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        self.send(method, path, &headers, body).await
    }

    /// Reads the account with this `Authorization` header.
    async fn read_with(&self, authorization: &str) -> Answer {
        let headers = [("authorization", authorization)];
        self.send(Method::GET, "/", &headers, Body::empty()).await
    }

    async fn create(&self, container: &str, id: &str) -> Answer {
        let item = json!({ "id": id, "listId": "l", "done": false });
        let path = format!("{container}/docs");
        self.call("worker", Method::POST, &path, &[IN_LIST], item)
            .await
    }

    fn principal(identity: &str) -> String {
        names::object_id(identity).to_string()
    }
}

#[tokio::test]
async fn an_item_is_created_read_replaced_queried_and_deleted() {
    let account = Account::new();
    let docs = format!("{TODOS}/docs");
    let doc = format!("{TODOS}/docs/1");

    let created = account.create(TODOS, "1").await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let again = account.create(TODOS, "1").await;
    assert_eq!(again.status, StatusCode::CONFLICT);

    let read = account
        .call("worker", Method::GET, &doc, &[IN_LIST], Value::Null)
        .await;
    assert_eq!(read.status, StatusCode::OK);
    assert_eq!(read.body["done"], false);
    let etag = read.header("etag").to_owned();
    assert_eq!(read.body["_etag"], etag);

    let item = json!({ "id": "1", "listId": "l", "done": true });
    let if_match = ("if-match", etag.as_str());
    let replaced = account
        .call(
            "worker",
            Method::PUT,
            &doc,
            &[IN_LIST, if_match],
            item.clone(),
        )
        .await;
    assert_eq!(replaced.status, StatusCode::OK);
    let stale = account
        .call("worker", Method::PUT, &doc, &[IN_LIST, if_match], item)
        .await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);

    let query = json!({
        "query": "SELECT c.id FROM c WHERE c.listId = @l AND c.done = true",
        "parameters": [{ "name": "@l", "value": "l" }],
    });
    let found = account
        .call("worker", Method::POST, &docs, &[IN_LIST, QUERY], query)
        .await;
    assert_eq!(found.body["Documents"], json!([{ "id": "1" }]), "{found:?}");

    let deleted = account
        .call("worker", Method::DELETE, &doc, &[IN_LIST], Value::Null)
        .await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let gone = account
        .call("worker", Method::GET, &doc, &[IN_LIST], Value::Null)
        .await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_batch_happens_as_a_whole_or_not_at_all() {
    let account = Account::new();
    let docs = format!("{TODOS}/docs");
    let created = account.create(TODOS, "list").await;
    let etag = created.header("etag");
    let change = |etag: &str, id: &str| {
        json!([
            { "operationType": "Replace", "id": "list", "ifMatch": etag,
              "resourceBody": { "id": "list", "listId": "l", "sequence": 1 } },
            { "operationType": "Create", "resourceBody": { "id": id, "listId": "l" } },
        ])
    };

    let done = account
        .call(
            "worker",
            Method::POST,
            &docs,
            &[IN_LIST, BATCH],
            change(etag, "1"),
        )
        .await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    assert_eq!(done.body[0]["statusCode"], 200);
    assert_eq!(done.body[1]["statusCode"], 201);

    let before = account.cosmos.digest();
    let stale = account
        .call(
            "worker",
            Method::POST,
            &docs,
            &[IN_LIST, BATCH],
            change(etag, "2"),
        )
        .await;
    assert_eq!(stale.status, StatusCode::MULTI_STATUS, "{stale:?}");
    assert_eq!(stale.body[0]["statusCode"], 412);
    assert_eq!(stale.body[1]["statusCode"], 424);
    assert_eq!(account.cosmos.digest(), before);
}

#[tokio::test]
async fn a_batch_needs_the_action_of_each_of_its_operations() {
    let account = Account::new();
    let docs = format!("{ACTIVITY}/docs");
    account.create(ACTIVITY, "1").await;
    let read = json!({ "operationType": "Read", "id": "1" });
    let delete = json!({ "operationType": "Delete", "id": "1" });

    let reads = account
        .call(
            "frontend",
            Method::POST,
            &docs,
            &[IN_LIST, BATCH],
            json!([read]),
        )
        .await;
    assert_eq!(reads.status, StatusCode::OK, "{reads:?}");

    let deletes = account
        .call(
            "frontend",
            Method::POST,
            &docs,
            &[IN_LIST, BATCH],
            json!([read, delete]),
        )
        .await;
    assert_eq!(deletes.code(), "403/5302");
    assert!(
        deletes.message().contains("containers/items/delete]"),
        "{deletes:?}"
    );

    for (body, expected) in [
        (json!([]), "400/"),
        (json!({ "operationType": "Read" }), "400/"),
        (json!([{ "operationType": "Patch", "id": "1" }]), "501/"),
    ] {
        let refused = account
            .call("worker", Method::POST, &docs, &[IN_LIST, BATCH], body)
            .await;
        assert_eq!(refused.code(), expected, "{refused:?}");
    }
    let bulk = ("x-ms-cosmos-batch-atomic", "False");
    let refused = account
        .call(
            "worker",
            Method::POST,
            &docs,
            &[IN_LIST, BATCH, bulk],
            json!([read]),
        )
        .await;
    assert_eq!(refused.code(), "501/");
}

#[tokio::test]
async fn where_only_reading_is_granted_every_write_is_refused_with_its_action() {
    let account = Account::new();
    let docs = format!("{ACTIVITY}/docs");
    let doc = format!("{ACTIVITY}/docs/1");
    account.create(ACTIVITY, "1").await;
    let before = account.cosmos.digest();
    let item = json!({ "id": "1", "listId": "l" });
    let upsert = ("x-ms-documentdb-is-upsert", "True");

    for (method, path, headers, body, action) in [
        (
            Method::POST,
            &docs,
            &[IN_LIST][..],
            item.clone(),
            "items/create",
        ),
        (
            Method::POST,
            &docs,
            &[IN_LIST, upsert],
            item.clone(),
            "items/upsert",
        ),
        (Method::PUT, &doc, &[IN_LIST], item, "items/replace"),
        (
            Method::PATCH,
            &doc,
            &[IN_LIST],
            json!([{ "op": "remove", "path": "/a" }]),
            "items/replace",
        ),
        (
            Method::DELETE,
            &doc,
            &[IN_LIST],
            Value::Null,
            "items/delete",
        ),
    ] {
        let refused = account.call("frontend", method, path, headers, body).await;

        assert_eq!(refused.code(), "403/5302", "{action}");
        assert_eq!(refused.body["code"], "Forbidden");
        assert_eq!(
            refused.message(),
            format!(
                "Request blocked by Auth localcosmos : Request is blocked because principal [{}] does \
                 not have required RBAC permissions to perform action \
                 [Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/{action}] on resource \
                 [dbs/todolist/colls/activity]. Learn more: https://aka.ms/cosmos-native-rbac.",
                Account::principal("frontend"),
            )
        );
    }
    let read = account
        .call("frontend", Method::GET, &doc, &[IN_LIST], Value::Null)
        .await;
    assert_eq!(read.status, StatusCode::OK);
    let query = json!({ "query": "SELECT VALUE COUNT(1) FROM c" });
    let counted = account
        .call("frontend", Method::POST, &docs, &[IN_LIST, QUERY], query)
        .await;
    assert_eq!(counted.body["Documents"], json!([1]), "{counted:?}");
    assert_eq!(account.cosmos.digest(), before);
}

#[tokio::test]
async fn without_a_role_at_the_container_even_its_metadata_is_refused() {
    let account = Account::new();
    let docs = format!("{TODOS}/docs");
    let doc = format!("{TODOS}/docs/1");
    let item = json!({ "id": "1", "listId": "l" });
    let query = json!({ "query": "SELECT * FROM c" });

    for (method, path, headers, body) in [
        (Method::GET, TODOS.to_owned(), &[][..], Value::Null),
        (Method::GET, format!("{TODOS}/pkranges"), &[], Value::Null),
        (Method::GET, doc.clone(), &[IN_LIST], Value::Null),
        (Method::GET, docs.clone(), &[], Value::Null),
        (Method::POST, docs.clone(), &[IN_LIST, QUERY], query),
        (Method::POST, docs, &[IN_LIST], item.clone()),
        (Method::PUT, doc.clone(), &[IN_LIST], item),
        (Method::DELETE, doc, &[IN_LIST], Value::Null),
    ] {
        let refused = account.call("frontend", method, &path, headers, body).await;

        assert_eq!(refused.code(), "403/5301", "{path}");
        assert_eq!(
            refused.message(),
            format!(
                "Request blocked by Auth localcosmos : Request is blocked because principal [{}] does \
                 not have required RBAC permissions to perform action \
                 [Microsoft.DocumentDB/databaseAccounts/readMetadata] on resource \
                 [dbs/todolist/colls/todos]. Learn more: https://aka.ms/cosmos-native-rbac.",
                Account::principal("frontend"),
            )
        );
    }
}

#[tokio::test]
async fn a_role_anywhere_inside_opens_the_account_but_not_the_database() {
    let account = Account::new();
    let read = |path: &'static str| account.call("frontend", Method::GET, path, &[], Value::Null);

    assert_eq!(read("/").await.status, StatusCode::OK);
    assert_eq!(read(ACTIVITY).await.status, StatusCode::OK);
    for (path, resource) in [
        ("/dbs", "[/]"),
        ("/dbs/todolist", "[dbs/todolist]"),
        ("/dbs/todolist/colls", "[dbs/todolist]"),
    ] {
        let refused = read(path).await;
        assert_eq!(refused.code(), "403/5301", "{path}");
        assert!(refused.message().contains(resource), "{refused:?}");
    }

    let grant = account.fixture.gate.grant(Grant {
        identity: "frontend".to_owned(),
        role: "Cosmos DB Built-in Data Reader".to_owned(),
        scope: Scope::new(["cosmos"]),
    });
    assert_eq!(grant, Ok(()));
    for path in ["/dbs", "/dbs/todolist", "/dbs/todolist/colls", TODOS] {
        assert_eq!(read(path).await.status, StatusCode::OK, "{path}");
    }
    let missing = read("/dbs/other").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_caller_whose_last_role_is_gone_cannot_open_the_account() {
    let account = Account::new();
    let removed = account.fixture.gate.revoke(&Grant {
        identity: "frontend".to_owned(),
        role: "Cosmos DB Built-in Data Reader".to_owned(),
        scope: Scope::new(["cosmos", "databases", "todolist", "containers", "activity"]),
    });
    assert!(removed);

    let refused = account
        .call("frontend", Method::GET, "/", &[], Value::Null)
        .await;

    assert_eq!(refused.code(), "403/5301");
    assert!(
        refused.message().contains("readMetadata] on resource [/]"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_control_plane_is_refused_to_every_token_and_audited() {
    let account = Account::new();

    let refused = account
        .call("worker", Method::POST, "/dbs", &[], json!({ "id": "more" }))
        .await;

    assert_eq!(refused.code(), "403/5300");
    assert_eq!(
        refused.message(),
        "Request blocked by Auth localcosmos : The given request [POST /dbs] cannot be authorized \
         by AAD token in data plane. Learn more: https://aka.ms/cosmos-native-rbac."
    );
    let records = account.fixture.audit.after(0);
    let last = records.last().expect("a record");
    assert_eq!(
        (last.operation.as_str(), last.decision),
        ("ControlPlane", Decision::Denied)
    );
    let sproc = format!("{TODOS}/sprocs/s");
    let refused = account
        .call("worker", Method::POST, &sproc, &[], json!([]))
        .await;
    assert_eq!(refused.code(), "501/");
    assert_eq!(
        refused.message(),
        "local cloud, not Azure: Cosmos DB does not play POST /dbs/todolist/colls/todos/sprocs/s"
    );
}

#[tokio::test]
async fn the_token_is_taken_raw_and_form_encoded() {
    let account = Account::new();
    let token = account.token("worker");

    let raw = account
        .read_with(&format!("type=aad&ver=1.0&sig={token}"))
        .await;
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
        .read_with(&format!("type=aad&ver=1.0&sig={signed}.{signature}"))
        .await;

    assert_eq!(refused.code(), "401/5004");
}

#[tokio::test]
async fn a_token_for_another_resource_is_refused() {
    let account = Account::new();
    let token = account.fixture.token("worker", "https://vault.azure.net");

    let refused = account
        .read_with(&format!("type=aad&ver=1.0&sig={token}"))
        .await;

    assert_eq!(refused.code(), "401/5008");
    assert!(refused.message().contains("[https://vault.azure.net]"));
}

#[tokio::test]
async fn an_expired_token_is_refused_with_both_times() {
    let account = Account::new();
    let token = account.token("worker");
    account.fixture.clock.advance(Duration::from_hours(25));

    let refused = account
        .read_with(&format!("type=aad&ver=1.0&sig={token}"))
        .await;

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

#[tokio::test]
async fn the_account_names_the_address_by_which_it_was_reached() {
    let account = Account::new();
    for (host, expected) in [
        (HOST, "https://localcosmos.documents.azure.com/"),
        (
            "localcosmos.documents.azure.com:443",
            "https://localcosmos.documents.azure.com/",
        ),
        ("localhost:7003", "https://localhost:7003/"),
    ] {
        let document = account
            .call("worker", Method::GET, "/", &[("host", host)], Value::Null)
            .await
            .body;

        assert_eq!(document["id"], "localcosmos");
        for locations in ["readableLocations", "writableLocations"] {
            assert_eq!(
                document[locations],
                json!([{ "name": "East US", "databaseAccountEndpoint": expected }])
            );
        }
    }
}

#[tokio::test]
async fn a_failed_precondition_changes_nothing_and_a_write_changes_the_digest_of_its_container() {
    let account = Account::new();
    let empty = account.cosmos.digest();
    account.create(TODOS, "1").await;
    let one = account.cosmos.digest();
    assert_eq!(one["todolist/todos"]["items"], 1);
    assert_ne!(one["todolist/todos"], empty["todolist/todos"]);
    assert_eq!(one["todolist/activity"], empty["todolist/activity"]);

    let if_match = ("if-match", "\"0\"");
    for (id, expected) in [("1", "412/"), ("missing", "404/")] {
        let path = format!("{TODOS}/docs/{id}");
        let item = json!({ "id": id, "listId": "l" });
        let headers = [IN_LIST, if_match];
        let refused = account
            .call("worker", Method::PUT, &path, &headers, item)
            .await;
        assert!(refused.code().starts_with(expected), "{refused:?}");
        let refused = account
            .call("worker", Method::DELETE, &path, &headers, Value::Null)
            .await;
        assert!(refused.code().starts_with(expected), "{refused:?}");
    }

    assert_eq!(account.cosmos.digest(), one);
    let text = one.to_string();
    assert!(!text.contains("listId") && !text.contains("done"), "{text}");
}

#[tokio::test]
async fn a_patch_is_taken_as_an_object_and_as_a_bare_array() {
    let account = Account::new();
    account.create(TODOS, "1").await;
    let doc = format!("{TODOS}/docs/1");
    let operations = json!([{ "op": "set", "path": "/done", "value": true }]);

    for body in [operations.clone(), json!({ "operations": operations })] {
        let patched = account
            .call("worker", Method::PATCH, &doc, &[IN_LIST], body)
            .await;
        assert_eq!(patched.status, StatusCode::OK, "{patched:?}");
        assert_eq!(patched.body["done"], true);
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let account = Account::new();
    let docs = format!("{TODOS}/docs");
    for bytes in [3_000_000, 5_000_000] {
        let item = json!({ "id": "1", "listId": "l", "text": "x".repeat(bytes) });
        let refused = account
            .call("worker", Method::POST, &docs, &[IN_LIST], item)
            .await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "{bytes}");
        assert_eq!(refused.body["code"], "RequestEntityTooLarge");
    }
}

#[tokio::test]
async fn a_query_by_its_content_type_creates_nothing() {
    let account = Account::new();
    let before = account.cosmos.digest();
    let docs = format!("{ACTIVITY}/docs");
    let query = json!({ "id": "1", "listId": "l", "query": "SELECT * FROM c" });
    let content_type = ("content-type", "application/query+json");

    let answer = account
        .call(
            "frontend",
            Method::POST,
            &docs,
            &[IN_LIST, content_type],
            query,
        )
        .await;

    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.body["Documents"], json!([]));
    assert_eq!(account.cosmos.digest(), before);
    let query = json!({ "query": "SELECT * FROM c WHERE c.id = \"1\"" });
    let refused = account
        .call("frontend", Method::POST, &docs, &[IN_LIST, QUERY], query)
        .await;
    assert_eq!(refused.code(), "501/");
}

#[tokio::test]
async fn each_data_access_is_audited_and_can_be_held() {
    let account = Arc::new(Account::new());
    let hold = account.fixture.holds.arm(Matcher {
        operation: Some("CreateItem".to_owned()),
        ..Matcher::default()
    });

    let creating = tokio::spawn({
        let account = Arc::clone(&account);
        async move { account.create(TODOS, "1").await }
    });
    while account.fixture.holds.state(hold) != Some(HoldState::Holding) {
        tokio::task::yield_now().await;
    }
    assert_eq!(account.cosmos.digest()["todolist/todos"]["items"], 0);
    account.fixture.holds.release(hold);
    let created = creating.await.expect("the request ends");

    assert_eq!(created.status, StatusCode::CREATED);
    let records = account.fixture.audit.after(0);
    let seen: Vec<_> = records
        .iter()
        .map(|record| (record.operation.as_str(), record.scope.as_str()))
        .collect();
    let todos = "cosmos/databases/todolist/containers/todos";
    assert_eq!(seen, [("ReadMetadata", todos), ("CreateItem", todos)]);
}
