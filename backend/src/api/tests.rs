//! The wire without what is behind it: paths, headers, and the document of both.

mod bodies;
mod callers;

use super::*;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::header;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use platform::azure::Clients;
use platform::estate::Estate;
use platform::pod;
use platform::settings::{Reader, Vars};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::relay::Relay;

const TODO: &str = "00000000-0000-0000-0000-000000000001";

/// Whoever asks it for a token goes further than these tests allow.
#[derive(Debug)]
struct Unasked;

#[async_trait::async_trait]
impl TokenCredential for Unasked {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        panic!("a token was asked for: {scopes:?}")
    }
}

fn api() -> Api {
    pod::install_crypto_provider();
    let vars = Vars::from_pairs([
        ("KEY_VAULT_URL", "https://localvault.vault.azure.net/"),
        ("SESSION_KEY_SECRET", "session-key"),
        ("SHARE_LINK_KEY_SECRET", "share-link-key"),
        (
            "COSMOS_ENDPOINT",
            "https://localcosmos.documents.azure.com/",
        ),
        ("COSMOS_DATABASE", "todolist"),
        ("COSMOS_TODOS_CONTAINER", "todos"),
        ("COSMOS_ACTIVITY_CONTAINER", "activity"),
        ("COSMOS_REGION", "East US"),
        ("STORAGE_URL", "https://localstorage.blob.core.windows.net/"),
        ("ATTACHMENTS_CONTAINER", "attachments"),
        ("SERVICE_BUS_NAMESPACE", "localbus.servicebus.windows.net"),
        ("TODO_EVENTS_QUEUE", "todo-events"),
        ("ATTACHMENT_JOBS_QUEUE", "attachment-jobs"),
    ]);
    let mut reader = Reader::new(&vars);
    let estate = Estate::read(&mut reader);
    let estate = reader.finish(|| estate.get()).expect("the base estate");
    let clients = Clients::connect(&estate, Arc::new(Unasked)).expect("the clients");
    let store = Store::new(clients.clone());
    let sender = clients.sender("todo-events");
    let (outbox, _) = Relay::new(store.clone(), sender);
    let links = SigningKeys::new(clients, "share-link-key".to_owned(), "share-link");
    Api {
        store,
        outbox,
        links,
        probe: None,
    }
}

fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path)
}

async fn answer(router: Router, request: Request) -> (axum::http::response::Parts, Value) {
    let response = router.oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1_000_000).await.expect("a body");
    (parts, serde_json::from_slice(&body).unwrap_or_default())
}

fn empty(method: Method, path: &str) -> Request {
    request(method, path)
        .body(Body::empty())
        .expect("a request")
}

fn post_json(path: &str, body: &Value) -> Request {
    request(Method::POST, path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .expect("a request")
}

/// With a header.
fn with(mut request: Request, name: &'static str, value: &str) -> Request {
    let value = value.parse().expect("a header's value");
    request.headers_mut().insert(name, value);
    request
}

fn patch_json(path: &str, body: &Value) -> Request {
    let mut request = with(post_json(path, body), "if-match", "*");
    *request.method_mut() = Method::PATCH;
    request
}

/// Each request, and the status, code and member of its refusal.
async fn refused(cases: impl IntoIterator<Item = (Request, u16, &str, Option<&str>)>) {
    let router = served(api());
    for (request, status, code, member) in cases {
        let what = format!("{request:?}");

        let (parts, problem) = answer(router.clone(), request).await;

        assert_eq!(parts.status, status, "{what}: {problem}");
        assert_eq!(problem["code"], code, "{what}: {problem}");
        assert_eq!(problem["member"].as_str(), member, "{what}: {problem}");
        assert_eq!(
            parts.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
    }
}

#[tokio::test]
async fn what_nobody_was_ever_told_of_is_not_there() {
    let lists = "/api/v1/lists";
    let (list, todo) = ("no_such_list", "no_such_todo");
    refused([
        (
            empty(Method::GET, &format!("{lists}/IN%20BOX")),
            404,
            list,
            None,
        ),
        (
            empty(Method::GET, &format!("{lists}/%FF/todos")),
            404,
            list,
            None,
        ),
        (
            empty(Method::GET, &format!("{lists}/..%2Finbox/todos")),
            404,
            list,
            None,
        ),
        (
            empty(Method::GET, &format!("{lists}/inbox/todos/42")),
            404,
            todo,
            None,
        ),
        (
            empty(Method::GET, &format!("{lists}/inbox/todos/%FF")),
            404,
            todo,
            None,
        ),
        (
            empty(Method::GET, &format!("{lists}/inbox/attachments/42")),
            404,
            "no_such_attachment",
            None,
        ),
        (
            empty(Method::GET, "/api/v1/access"),
            404,
            "no_such_route",
            None,
        ),
        (
            empty(Method::POST, "/api/v1/access"),
            404,
            "no_such_route",
            None,
        ),
        (
            empty(Method::GET, "/api/v2/lists"),
            404,
            "no_such_route",
            None,
        ),
        (
            empty(Method::GET, "/api/v1/lists/"),
            404,
            "no_such_route",
            None,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_path_says_which_methods_it_takes() {
    let (parts, problem) = answer(
        served(api()),
        empty(Method::PUT, "/api/v1/lists/inbox/todos"),
    )
    .await;

    assert_eq!(parts.status, 405);
    assert_eq!(parts.headers[header::ALLOW], "GET,HEAD,POST");
    assert_eq!(problem["code"], "method_not_allowed");
    assert_eq!(problem["detail"], "this path does not take PUT");
}

#[tokio::test]
async fn a_header_is_what_it_should_be() {
    let (lists, todo) = ("/api/v1/lists", format!("/api/v1/lists/inbox/todos/{TODO}"));
    let create = |key: &str| {
        with(
            post_json(lists, &json!({ "name": "x" })),
            "idempotency-key",
            key,
        )
    };
    let delete = empty(Method::DELETE, &todo);
    let rename = empty(Method::PATCH, "/api/v1/lists/inbox");
    let (broken, needed) = ("malformed", "precondition_required");
    refused([
        (create("a b"), 400, broken, None),
        (create(""), 400, broken, None),
        (create(&"a".repeat(65)), 400, broken, None),
        (
            with(empty(Method::DELETE, &todo), "if-match", "7"),
            400,
            broken,
            None,
        ),
        (delete, 428, needed, None),
        (rename, 428, needed, None),
        (empty(Method::GET, "/api/v1/shared"), 400, broken, None),
    ])
    .await;
}

#[tokio::test]
async fn a_page_is_asked_for_in_one_way() {
    let todos = |query: &str| empty(Method::GET, &format!("/api/v1/lists/inbox/todos?{query}"));
    let attachments = empty(Method::GET, "/api/v1/lists/inbox/attachments?todo=42");
    let (limit, after) = (Some("limit"), Some("after"));
    refused([
        (todos("limit=0"), 422, "invalid", limit),
        (todos("limit=201"), 422, "invalid", limit),
        (todos("limit=%2B50"), 422, "invalid", limit),
        (todos("limit="), 422, "invalid", limit),
        (todos("limit=5&limit=5"), 422, "invalid", limit),
        (todos("after=AAAA"), 422, "invalid", after),
        (todos("after=%FF"), 422, "invalid", after),
        (todos("offset=5"), 422, "invalid", None),
        (attachments, 422, "invalid", Some("todo")),
    ])
    .await;
}

#[tokio::test]
async fn the_document_tells_every_operation_with_every_kind_of_problem() {
    let (parts, document) = answer(served(api()), empty(Method::GET, "/api/v1/openapi.json")).await;

    assert_eq!(parts.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "To-do lists");
    assert_eq!(document["security"], json!([{ "caller": [] }]));
    let mut operations = Vec::new();
    let mut told = String::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            operations.push(format!("{} {path}", method.to_uppercase()));
            for (status, response) in operation["responses"].as_object().expect("responses") {
                assert!(response["headers"]["X-Request-Id"].is_object(), "{path}");
                let problem = response["content"]
                    .get("application/problem+json")
                    .is_some();
                assert_eq!(
                    problem,
                    status.as_str() >= "400",
                    "{method} {path} {status}"
                );
                told.push_str(response["description"].as_str().expect("a text"));
            }
        }
    }
    operations.sort_unstable();
    assert_eq!(
        operations,
        [
            "DELETE /api/v1/lists/{list}/todos/{todo}",
            "GET /api/v1/access",
            "GET /api/v1/lists",
            "GET /api/v1/lists/{list}",
            "GET /api/v1/lists/{list}/attachments",
            "GET /api/v1/lists/{list}/attachments/{attachment}",
            "GET /api/v1/lists/{list}/todos",
            "GET /api/v1/lists/{list}/todos/{todo}",
            "GET /api/v1/openapi.json",
            "GET /api/v1/shared",
            "PATCH /api/v1/lists/{list}",
            "PATCH /api/v1/lists/{list}/todos/{todo}",
            "POST /api/v1/access",
            "POST /api/v1/lists",
            "POST /api/v1/lists/{list}/share-links",
            "POST /api/v1/lists/{list}/todos",
            "POST /api/v1/lists/{list}/todos/{todo}/attachments",
        ]
    );
    for kind in problems::ALL {
        let elsewhere = kind.code == "method_not_allowed";
        assert_ne!(
            told.contains(&format!("`{}`", kind.code)),
            elsewhere,
            "{kind:?}"
        );
    }
}
