//! The wire without what is behind it: who is let in, and what makes no sense.

use super::*;

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
    Api { store, outbox }
}

/// The API as it is served.
fn guarded() -> Router {
    let verifier = CallerVerifier::new(CallerRules {
        issuer: "https://issuer.invalid/".to_owned(),
        audience: "todolist-backend".to_owned(),
        subject: "system:serviceaccount:todolist:frontend".to_owned(),
    });
    router(api(), verifier, None)
}

/// The API as it is for the caller who was let in.
fn open() -> Router {
    routes(api(), None)
}

fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path)
}

async fn answer(router: Router, request: Request) -> (axum::http::response::Parts, Value) {
    let response = router.oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 10_000).await.expect("a body");
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
    for (method, path) in [
        (Method::GET, "/api/v1/lists"),
        (Method::GET, "/api/v1/lists/inbox/todos"),
        (Method::POST, "/api/v1/lists/inbox/todos"),
        (Method::DELETE, "/api/v1/lists/inbox/todos/1"),
        (Method::POST, "/api/v1/lists/inbox/todos/1/complete"),
        (Method::POST, "/api/v1/lists/inbox/todos/1/attachments"),
        (Method::GET, "/api/v1/lists/inbox/attachments/1"),
        (Method::GET, "/api/v1/access"),
        (Method::POST, "/api/v1/access"),
        (Method::GET, "/"),
        (Method::GET, "/api/v2/anything"),
        (Method::PUT, "/api/v1/lists"),
    ] {
        let refused = refusal(guarded(), empty(method.clone(), path)).await;

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
    // {"alg":"none"} and {"alg":"RS256"}, each with {"iss":"https://other.invalid/"}.
    for (token, detail) in [
        (
            "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL290aGVyLmludmFsaWQvIn0.",
            "the token's algorithm is \"none\" and not RS256",
        ),
        (
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL290aGVyLmludmFsaWQvIn0.c2ln",
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

#[tokio::test]
async fn what_makes_no_sense_is_told_before_anything_is_asked_of_azure() {
    let todos = "/api/v1/lists/inbox/todos";
    let attachments = format!("{todos}/{TODO}/attachments");
    let file = |name: &str, media_type: &str| json!({ "name": name, "contentType": media_type });
    for (request, status, code, detail) in [
        (
            empty(Method::GET, "/api/v1/lists/IN%20BOX/todos"),
            422,
            "invalid",
            "a list's id is 1 to 64 lower-case letters, digits and hyphens",
        ),
        (
            post_json(todos, &json!({ "title": " " })),
            422,
            "invalid",
            "a title must not be empty",
        ),
        (
            post_json(todos, &json!({ "title": "a".repeat(201) })),
            422,
            "invalid",
            "a title has at most 200 characters",
        ),
        (
            post_json(&attachments, &file("../x", "text/plain")),
            422,
            "invalid",
            "a file's name has no control characters and no slashes",
        ),
        (
            post_json(&attachments, &file("x", "text")),
            422,
            "invalid",
            "a media type looks like text/plain",
        ),
        (
            empty(Method::DELETE, &format!("{todos}/42")),
            404,
            "not_found",
            "there is no such todo",
        ),
        (
            empty(Method::GET, "/api/v1/lists/inbox/attachments/42"),
            404,
            "not_found",
            "there is no such attachment",
        ),
        (
            empty(Method::GET, "/api/v1/access"),
            404,
            "not_found",
            "there is nothing at /api/v1/access",
        ),
        (
            empty(Method::GET, "/api/v2/lists"),
            404,
            "not_found",
            "there is nothing at /api/v2/lists",
        ),
        (
            empty(Method::PUT, todos),
            405,
            "method_not_allowed",
            "/api/v1/lists/inbox/todos does not take PUT",
        ),
    ] {
        let what = format!("{} {}", request.method(), request.uri());

        let refused = refusal(open(), request).await;

        let expected = (status, code.to_owned(), detail.to_owned());
        assert_eq!(refused, expected, "{what}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_or_no_json_is_a_problem_too() {
    let todos = "/api/v1/lists/inbox/todos";
    let long = json!({ "title": "a".repeat(LONGEST_BODY) });
    let without_type = request(Method::POST, todos)
        .body(Body::from("{}"))
        .expect("a request");

    let (status, code, _) = refusal(open(), post_json(todos, &long)).await;
    assert_eq!((status, code.as_str()), (413, "too_large"));

    let (status, code, _) = refusal(open(), without_type).await;
    assert_eq!((status, code.as_str()), (415, "invalid"));

    let (status, code, _) = refusal(open(), post_json(todos, &json!({ "name": "x" }))).await;
    assert_eq!((status, code.as_str()), (422, "invalid"));
}
