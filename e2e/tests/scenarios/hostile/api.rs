//! At the backend, by someone who has stolen the frontend's token.

use std::net::SocketAddr;

use e2e::stack::Options;
use serde_json::{Value, json};

use super::stored;
use crate::api::{Api, token_of};
use crate::person::{settled, start};
use crate::raw::Request;

/// What is sent, and how it is refused: its status and its code.
type Refusal = (&'static str, Request, u16, &'static str);

fn post(path: &str, body: &Value) -> Request {
    Request::new("POST", path)
        .header("content-type", "application/json")
        .body(body.to_string())
}

fn patch(path: &str, body: &Value) -> Request {
    Request::new("PATCH", path)
        .header("content-type", "application/merge-patch+json")
        .header("if-match", "*")
        .body(body.to_string())
}

/// Bodies that are too long, cannot be read, or are of another kind.
fn bodies(todos: &str) -> Vec<Refusal> {
    let good = json!({ "title": "Stored" });
    let long = format!(
        "{{\"title\": \"a\", \"notes\": \"{}\"}}",
        "a".repeat(64 * 1024)
    );
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let bytes = |body: &[u8]| post(todos, &good).body(body);
    vec![
        (
            "a body too long",
            bytes(long.as_bytes()),
            413,
            "body_too_large",
        ),
        (
            "a body that says so and never comes",
            post(todos, &good).header("content-length", "99999999999"),
            413,
            "body_too_large",
        ),
        (
            "a body too long that does not say so",
            post(todos, &good).chunked(long.as_bytes()),
            413,
            "body_too_large",
        ),
        (
            "bad UTF-8",
            bytes(b"{\"title\": \"\xff\xfe\"}"),
            400,
            "malformed",
        ),
        (
            "half a surrogate",
            bytes(br#"{"title": "\ud800"}"#),
            400,
            "malformed",
        ),
        ("no JSON", bytes(b"title=Stored"), 400, "malformed"),
        ("no body", bytes(b""), 400, "malformed"),
        ("half a body", bytes(b"{\"title\": \"Sto"), 400, "malformed"),
        (
            "two bodies",
            bytes(br#"{"title": "a"} {"title": "b"}"#),
            400,
            "malformed",
        ),
        ("JSON without end", bytes(deep.as_bytes()), 422, "invalid"),
        (
            "a list of what the members are",
            bytes(br#"["Stored"]"#),
            422,
            "invalid",
        ),
        (
            "a member twice",
            bytes(br#"{"title": "a", "title": "b"}"#),
            422,
            "invalid",
        ),
        (
            "a form",
            post(todos, &good).header("content-type", "application/x-www-form-urlencoded"),
            415,
            "unsupported_media_type",
        ),
        (
            "text, as a form of another site can send it",
            post(todos, &good).header("content-type", "text/plain"),
            415,
            "unsupported_media_type",
        ),
        (
            "no content type",
            post(todos, &good).without("content-type"),
            415,
            "unsupported_media_type",
        ),
        (
            "a compressed body",
            bytes(b"\x1f\x8b\x08\x00").header("content-encoding", "gzip"),
            400,
            "malformed",
        ),
    ]
}

/// Texts and values that make no sense.
fn members(todos: &str, todo: &str, list: &str) -> Vec<Refusal> {
    let title = |title: &str| post(todos, &json!({ "title": title }));
    let with = |member: &str, value: Value| post(todos, &json!({ "title": "a", member: value }));
    let links = format!("{list}/share-links");
    let files = format!("{todo}/attachments");
    let file = |name: &str, content_type: &str| {
        post(
            &files,
            &json!({ "name": name, "contentType": content_type }),
        )
    };
    let invalid = |what, request| (what, request, 422, "invalid");
    vec![
        invalid("an empty title", title(" \t ")),
        invalid("a title too long", title(&"ä".repeat(201))),
        invalid("a title with a line break", title("a\r\nSet-Cookie: b=c")),
        invalid("a title with a null byte", title("a\0b")),
        invalid("a title of a number", with("title", json!(7))),
        invalid("notes too long", with("notes", json!("a".repeat(2001)))),
        invalid("notes with an escape", with("notes", json!("\u{1b}[2J"))),
        invalid("a day that never was", with("dueOn", json!("2026-02-30"))),
        invalid(
            "a day with more behind it",
            with("dueOn", json!("2026-02-03T00:00Z")),
        ),
        invalid("a member that is not ours", with("done", json!(true))),
        invalid("another's id", with("id", json!("inbox"))),
        invalid(
            "an edit of what is not",
            patch(todo, &json!({ "listId": "inbox" })),
        ),
        invalid(
            "an edit that takes the title away",
            patch(todo, &json!({ "title": null })),
        ),
        invalid("an edit that is no object", patch(todo, &json!([]))),
        invalid(
            "a list without a name",
            post("/api/v1/lists", &json!({ "name": "" })),
        ),
        invalid(
            "a name too long",
            post("/api/v1/lists", &json!({ "name": "a".repeat(101) })),
        ),
        invalid(
            "a name with a line break",
            patch(list, &json!({ "name": "a\nb" })),
        ),
        invalid("a link for no day", post(&links, &json!({ "days": 0 }))),
        invalid("a link for ever", post(&links, &json!({ "days": 31 }))),
        invalid(
            "a link for less than nothing",
            post(&links, &json!({ "days": -1 })),
        ),
        invalid("a file without a name", file("", "text/plain")),
        invalid(
            "a file name with a header in it",
            file("a\r\nX: y", "text/plain"),
        ),
        invalid(
            "a content type with a header in it",
            file("a", "text/plain\r\nX: y"),
        ),
        invalid("a content type that is none", file("a", "not a media type")),
    ]
}

/// Paths that lead elsewhere, methods that are not there.
fn paths(list: &str, todo: &str) -> Vec<Refusal> {
    let get = |path: &str| Request::new("GET", path);
    let of_list = |id: &str| get(&format!("/api/v1/lists/{id}/todos"));
    let of_todo = |id: &str| get(&format!("{list}/todos/{id}"));
    let title = json!({ "title": "a" });
    vec![
        (
            "another list's partition",
            of_list(":lists"),
            404,
            "no_such_list",
        ),
        ("a list above", of_list("..%2finbox"), 404, "no_such_list"),
        (
            "a list twice encoded",
            of_list("%252e%252e"),
            404,
            "no_such_list",
        ),
        (
            "a list with a null byte",
            of_list("inbox%00"),
            404,
            "no_such_list",
        ),
        (
            "a list that is no UTF-8",
            of_list("%ff"),
            404,
            "no_such_list",
        ),
        (
            "a list in upper case",
            of_list("INBOX"),
            404,
            "no_such_list",
        ),
        (
            "a list that queries",
            of_list("inbox'%20OR%201=1--"),
            404,
            "no_such_list",
        ),
        (
            "a list with a header",
            of_list("inbox%0d%0aX:%20y"),
            404,
            "no_such_list",
        ),
        (
            "a todo above",
            of_todo("..%2f..%2finbox"),
            404,
            "no_such_todo",
        ),
        (
            "the list's own document",
            of_todo("list"),
            404,
            "no_such_todo",
        ),
        (
            "an event's document",
            of_todo("event-1"),
            404,
            "no_such_todo",
        ),
        (
            "a path above",
            get("/api/v1/lists/../access"),
            404,
            "no_such_route",
        ),
        (
            "a path with nothing in it",
            get("/api/v1//lists"),
            404,
            "no_such_route",
        ),
        ("no path of ours", get("/"), 404, "no_such_route"),
        (
            "the management port's page",
            get("/metrics"),
            404,
            "no_such_route",
        ),
        (
            "no method of ours",
            Request::new("PUT", list),
            405,
            "method_not_allowed",
        ),
        (
            "a method of nobody",
            Request::new("BREW", list),
            405,
            "method_not_allowed",
        ),
        (
            "a method in disguise",
            post(todo, &title).header("x-http-method-override", "DELETE"),
            405,
            "method_not_allowed",
        ),
    ]
}

/// Headers and parameters that make no sense.
fn headers(list: &str, todos: &str, todo: &str) -> Vec<Refusal> {
    let get = |query: &str| Request::new("GET", &format!("{todos}?{query}"));
    let edit = || patch(todo, &json!({ "title": "Stored" }));
    let key = |key: &[u8]| post(todos, &json!({ "title": "a" })).header("idempotency-key", key);
    let link = |link: &str| Request::new("GET", "/api/v1/shared").header("share-link", link);
    let delete = || Request::new("DELETE", todo);
    vec![
        (
            "an edit of no version",
            edit().without("if-match"),
            428,
            "precondition_required",
        ),
        (
            "a delete of no version",
            delete(),
            428,
            "precondition_required",
        ),
        (
            "an edit of another version",
            edit().header("if-match", "\"0\""),
            412,
            "changed",
        ),
        (
            "a delete of another version",
            delete().header("if-match", "\"0\""),
            412,
            "changed",
        ),
        (
            "a rename of another version",
            patch(list, &json!({ "name": "Stored" })).header("if-match", "\"99\""),
            412,
            "changed",
        ),
        (
            "a version that is none",
            edit().header("if-match", "\"a"),
            400,
            "malformed",
        ),
        (
            "a version in bytes",
            edit().header("if-match", b"\"\xff\""),
            400,
            "malformed",
        ),
        ("a key with spaces", key(b"a b"), 400, "malformed"),
        ("a key that is too long", key(&[b'a'; 65]), 400, "malformed"),
        ("a key in bytes", key(b"\xff"), 400, "malformed"),
        ("no page", get("limit=0"), 422, "invalid"),
        ("a page too long", get("limit=201"), 422, "invalid"),
        ("two pages", get("limit=1&limit=2"), 422, "invalid"),
        ("a page after nowhere", get("after=inbox"), 422, "invalid"),
        ("a parameter of nobody", get("offset=5"), 422, "invalid"),
        (
            "no link",
            Request::new("GET", "/api/v1/shared"),
            400,
            "malformed",
        ),
        ("a link that is none", link("letmein"), 404, "no_such_link"),
        (
            "a link without a signature",
            link(&unsigned_link()),
            404,
            "no_such_link",
        ),
        (
            "a link above",
            link("../../../etc/passwd"),
            404,
            "no_such_link",
        ),
    ]
}

/// A token whose header says that it needs no signature.
fn unsigned_link() -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    let header = BASE64.encode(json!({ "alg": "none", "typ": "JWT" }).to_string());
    let claims = json!({ "list": "inbox", "until": 4_102_444_800_u64, "exp": 4_102_444_800_u64,
        "aud": "share-link" });
    format!("{header}.{}.", BASE64.encode(claims.to_string()))
}

/// What is wrong with how something is refused, if anything is.
async fn wrong_with(address: SocketAddr, token: &str, refusal: &Refusal) -> Option<String> {
    let (what, request, status, code) = refusal;
    let authorization = format!("Bearer {token}");
    let request = request.clone().header("authorization", authorization);

    let answer = request.send(address).await;

    let problem: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let text = |member: &str| problem[member].as_str().unwrap_or_default();
    let clear = answer.header("content-type") == Some("application/problem+json")
        && answer.header("x-request-id") == Some(text("requestId"))
        && !text("detail").is_empty();
    let right = (answer.status, text("code")) == (*status, *code) && clear;
    (!right).then(|| format!("{what}: expected {status} {code}, found {answer:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_refuses_what_makes_no_sense_and_stores_nothing() {
    let stack = start(Options::default()).await;
    let address = stack.address("backend").expect("the backend serves");
    let api = Api::at(&stack).await;
    let made = api
        .create("lists/inbox/todos", &json!({ "title": "As it was" }))
        .await;
    let (list, todos) = ("/api/v1/lists/inbox", "/api/v1/lists/inbox/todos");
    let todo = format!("{todos}/{}", made.text("id"));
    let token = stack
        .control()
        .sign_token(&token_of("frontend", "todolist-backend"))
        .await;
    let token = token.expect("signed");
    settled(&stack, "inbox").await;
    let before = stored(&stack).await;

    let refusals = [
        bodies(todos),
        members(todos, &todo, list),
        paths(list, &todo),
        headers(list, todos, &todo),
    ];
    let mut wrong = Vec::new();
    for refusal in refusals.iter().flatten() {
        wrong.extend(wrong_with(address, &token, refusal).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    assert_eq!(stored(&stack).await, before, "nothing is stored");
    assert_eq!(
        api.get(&format!("lists/inbox/todos/{}", made.text("id")))
            .await
            .body,
        made.body
    );
    stack.stop(|_| {}).await.expect("everything ends");
}
