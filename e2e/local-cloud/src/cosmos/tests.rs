//! The account from outside, in plain JSON over HTTP, as any client could speak.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::holds::{Matcher, State as HoldState};
use crate::model::Resource;
use crate::testing::Fixture;

mod roles;
mod tokens;

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
