//! The wire without what is behind it: who is let in, and what makes no sense.

use super::*;

use std::io::Error;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::header;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use platform::azure::Clients;
use platform::caller::CallerRules;
use platform::estate::Estate;
use platform::pod;
use platform::request_id::REQUEST_ID;
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

/// The API as it is served.
fn guarded() -> Router {
    let verifier = CallerVerifier::new(CallerRules {
        issuer: "https://issuer.invalid/".to_owned(),
        audience: "todolist-backend".to_owned(),
        subject: "system:serviceaccount:todolist:frontend".to_owned(),
    });
    router(api(), verifier)
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

async fn refusal(router: Router, request: Request) -> (u16, String, String) {
    let (parts, problem) = answer(router, request).await;
    assert_eq!(
        parts.headers[header::CONTENT_TYPE],
        "application/problem+json",
        "{problem}"
    );
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    (parts.status.as_u16(), text("code"), text("detail"))
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

#[tokio::test]
async fn nobody_gets_anywhere_without_a_token_not_even_nowhere() {
    let router = guarded();
    for (method, path) in [
        (Method::GET, "/api/v1/lists"),
        (Method::GET, "/api/v1/lists/inbox/todos"),
        (Method::POST, "/api/v1/lists/inbox/todos"),
        (Method::DELETE, "/api/v1/lists/inbox/todos/1"),
        (Method::PATCH, "/api/v1/lists/inbox"),
        (Method::POST, "/api/v1/lists/inbox/todos/1/attachments"),
        (Method::POST, "/api/v1/lists/inbox/share-links"),
        (Method::GET, "/api/v1/shared"),
        (Method::GET, "/api/v1/openapi.json"),
        (Method::GET, "/api/v1/lists/inbox/attachments/1"),
        (Method::GET, "/api/v1/access"),
        (Method::POST, "/api/v1/access"),
        (Method::GET, "/"),
        (Method::GET, "/api/v2/anything"),
        (Method::PUT, "/api/v1/lists"),
    ] {
        let refused = refusal(router.clone(), empty(method.clone(), path)).await;

        assert_eq!(
            refused,
            (
                401,
                "caller_unauthenticated".to_owned(),
                "there is no bearer token".to_owned()
            ),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_token_that_nobody_signed_or_another_cluster_did_is_refused() {
    // {"alg":"none"} and {"alg":"RS256","kid":"k"}, each with {"iss":"https://other.invalid/"}.
    for (token, detail) in [
        (
            "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL290aGVyLmludmFsaWQvIn0.",
            "the token's algorithm is \"none\" and not RS256",
        ),
        (
            "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL290aGVyLmludmFsaWQvIn0.c2ln",
            "the token's issuer is \"https://other.invalid/\" and not this cluster's",
        ),
    ] {
        let request = request(Method::GET, "/api/v1/lists")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .expect("a request");

        let (status, code, said) = refusal(guarded(), request).await;

        assert_eq!((status, code.as_str()), (401, "caller_unauthenticated"));
        assert_eq!(said, detail);
    }
}

#[tokio::test]
async fn a_refusal_carries_the_request_id_too() {
    let request = request(Method::GET, "/api/v1/lists")
        .header(REQUEST_ID, "req-1")
        .body(Body::empty())
        .expect("a request");

    let (parts, problem) = answer(guarded(), request).await;

    assert_eq!(parts.headers[REQUEST_ID], "req-1");
    assert_eq!(problem["requestId"], "req-1");
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

/// Bodies at a path, and the member that makes no sense.
async fn invalid(path: &str, cases: &[(Value, Option<&str>)]) {
    let requests = cases
        .iter()
        .map(|(body, member)| (post_json(path, body), 422, "invalid", *member));
    refused(requests).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_told_before_anything_is_asked_of_azure() {
    let todos = "/api/v1/lists/inbox/todos";
    let todo = format!("{todos}/{TODO}");
    let long = |count| "a".repeat(count);
    let (name, title, days) = (Some("name"), Some("title"), Some("days"));
    invalid(
        "/api/v1/lists",
        &[
            (json!({ "name": " " }), name),
            (json!({ "name": long(101) }), name),
            (json!({ "title": "x" }), None),
        ],
    )
    .await;
    invalid(
        todos,
        &[
            (json!({}), None),
            (json!({ "title": "x", "done": true }), None),
            (json!({ "title": 1 }), None),
            (json!({ "title": long(201) }), title),
            (json!({ "title": "x", "notes": long(2001) }), Some("notes")),
            (
                json!({ "title": "x", "dueOn": "2026-02-30" }),
                Some("dueOn"),
            ),
        ],
    )
    .await;
    invalid(
        &format!("{todo}/attachments"),
        &[
            (json!({ "name": "../x", "contentType": "a/b" }), name),
            (
                json!({ "name": "x", "contentType": "a" }),
                Some("contentType"),
            ),
        ],
    )
    .await;
    invalid(
        "/api/v1/lists/inbox/share-links",
        &[
            (json!({ "days": 0 }), days),
            (json!({ "days": 31 }), days),
            (json!({ "days": 1.5 }), days),
            (json!({ "days": "7" }), None),
        ],
    )
    .await;
    refused([
        (
            patch_json(&todo, &json!({ "title": null })),
            422,
            "invalid",
            title,
        ),
        (
            patch_json(&todo, &json!({ "title": "\u{0}" })),
            422,
            "invalid",
            title,
        ),
        (
            patch_json(&todo, &json!({ "done": null })),
            422,
            "invalid",
            Some("done"),
        ),
    ])
    .await;
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
async fn a_body_is_json_of_the_right_kind_and_not_too_long() {
    let todos = "/api/v1/lists/inbox/todos";
    let todo = format!("{todos}/{TODO}");
    let raw = |body: &'static [u8]| {
        let mut request = post_json(todos, &json!({}));
        *request.body_mut() = Body::from(body);
        request
    };
    let typed = |media_type| with(raw(b"{}"), "content-type", media_type);
    let merge = "application/merge-patch+json";
    let unsupported = "unsupported_media_type";
    let without_type = request(Method::POST, todos).body(Body::from("{}"));
    refused([
        (without_type.expect("a request"), 415, unsupported, None),
        (typed("text/plain"), 415, unsupported, None),
        (typed(merge), 415, unsupported, None),
        (
            typed("application/x-www-form-urlencoded"),
            415,
            unsupported,
            None,
        ),
        (
            with(
                patch_json(&todo, &json!({ "done": 1 })),
                "content-type",
                merge,
            ),
            422,
            "invalid",
            None,
        ),
        (
            typed("Application/JSON; charset=utf-8"),
            422,
            "invalid",
            None,
        ),
        (raw(b""), 400, "malformed", None),
        (raw(b"{"), 400, "malformed", None),
        (raw(b"{\"title\":\"\xff\"}"), 400, "malformed", None),
        (raw(b"{\"title\":\"\\ud800\"}"), 400, "malformed", None),
        (raw(b"{\"title\":\"a\"} {}"), 400, "malformed", None),
        (
            raw(b"{\"title\":\"a\",\"title\":\"b\"}"),
            422,
            "invalid",
            None,
        ),
        (
            post_json(todos, &json!({ "title": "a".repeat(LONGEST_BODY) })),
            413,
            "body_too_large",
            None,
        ),
    ])
    .await;
}

#[test]
fn the_longest_todo_fits_into_a_body_however_it_is_written() {
    // Two escapes of six bytes for each character beyond the first 65536.
    let escaped = 12 * (200 + 2000);

    assert!(escaped + 1000 < LONGEST_BODY);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let mut request = post_json("/api/v1/lists", &json!({}));
    *request.body_mut() = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, Error>>());

    let refused = refused([(request, 408, "body_too_slow", None)]);
    let within = tokio::time::timeout(Duration::from_mins(1), refused);
    within.await.expect("an answer within a minute");
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
