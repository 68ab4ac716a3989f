//! At the backend, by someone who has stolen the frontend's token.

use std::net::SocketAddr;

use e2e::stack::Options;
use serde_json::{Value, json};

use super::stored;
use crate::api::{Api, token_of};
use crate::raw::Request;
use crate::stage::{settled, start};

/// What is sent, and how it is refused: its status and its code.
#[derive(Clone)]
struct Refusal {
    what: &'static str,
    request: Request,
    status: u16,
    code: &'static str,
}

/// Requests that are refused in one way.
fn refused<const N: usize>(
    status: u16,
    code: &'static str,
    requests: [(&'static str, Request); N],
) -> Vec<Refusal> {
    let refusal = |(what, request)| Refusal {
        what,
        request,
        status,
        code,
    };
    requests.into_iter().map(refusal).collect()
}

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
    let good = post(todos, &json!({ "title": "Stored" }));
    let long = format!(
        "{{\"title\": \"a\", \"notes\": \"{}\"}}",
        "a".repeat(64 * 1024)
    );
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let bytes = |body: &[u8]| good.clone().body(body);
    let typed = |media_type: &str| good.clone().header("content-type", media_type);
    let endless = good.clone().header("content-length", "99999999999");
    [
        refused(
            413,
            "body_too_large",
            [
                ("too long", bytes(long.as_bytes())),
                (
                    "too long, and does not say so",
                    good.clone().chunked(long.as_bytes()),
                ),
                ("says that it is too long, and never comes", endless),
            ],
        ),
        refused(
            400,
            "malformed",
            [
                ("bad UTF-8", bytes(b"{\"title\": \"\xff\xfe\"}")),
                ("half a surrogate", bytes(br#"{"title": "\ud800"}"#)),
                ("no JSON", bytes(b"title=Stored")),
                ("nothing", bytes(b"")),
                ("half a body", bytes(b"{\"title\": \"Sto")),
                ("two bodies", bytes(br#"{"title": "a"} {"title": "b"}"#)),
                (
                    "compressed",
                    bytes(b"\x1f\x8b\x08\x00").header("content-encoding", "gzip"),
                ),
            ],
        ),
        refused(
            422,
            "invalid",
            [
                ("without end", bytes(deep.as_bytes())),
                ("a list of what the members are", bytes(br#"["Stored"]"#)),
                ("a member twice", bytes(br#"{"title": "a", "title": "b"}"#)),
            ],
        ),
        refused(
            415,
            "unsupported_media_type",
            [
                ("a form", typed("application/x-www-form-urlencoded")),
                (
                    "text, as a form of another site can send it",
                    typed("text/plain"),
                ),
                ("of no kind", good.clone().without("content-type")),
            ],
        ),
    ]
    .concat()
}

/// Texts and values that make no sense.
fn members(list: &str, todos: &str, todo: &str) -> Vec<Refusal> {
    let title = |title: &str| post(todos, &json!({ "title": title }));
    let with = |member: &str, value: Value| post(todos, &json!({ "title": "a", member: value }));
    let edit = |edit: Value| patch(todo, &edit);
    let name = |name: &str| post("/api/v1/lists", &json!({ "name": name }));
    let link = |days: i32| post(&format!("{list}/share-links"), &json!({ "days": days }));
    let file = |name: &str, content_type: &str| {
        let file = json!({ "name": name, "contentType": content_type });
        post(&format!("{todo}/attachments"), &file)
    };
    refused(
        422,
        "invalid",
        [
            ("an empty title", title(" \t ")),
            ("a title too long", title(&"ä".repeat(201))),
            ("a title with a line break", title("a\r\nSet-Cookie: b=c")),
            ("a title with a null byte", title("a\0b")),
            ("a title of a number", with("title", json!(7))),
            ("notes too long", with("notes", json!("a".repeat(2001)))),
            ("notes with an escape", with("notes", json!("\u{1b}[2J"))),
            ("a day that never was", with("dueOn", json!("2026-02-30"))),
            (
                "a day with more behind it",
                with("dueOn", json!("2026-02-03T00:00Z")),
            ),
            ("a member that is not ours", with("done", json!(true))),
            ("another's id", with("id", json!("inbox"))),
            ("an edit of what is not", edit(json!({ "listId": "inbox" }))),
            (
                "an edit that takes the title away",
                edit(json!({ "title": null })),
            ),
            ("an edit that is no object", edit(json!([]))),
            ("a list without a name", name("")),
            ("a name too long", name(&"a".repeat(101))),
            (
                "a name with a line break",
                patch(list, &json!({ "name": "a\nb" })),
            ),
            ("a link for no day", link(0)),
            ("a link for ever", link(31)),
            ("a link for less than nothing", link(-1)),
            ("a file without a name", file("", "text/plain")),
            (
                "a file name with a header in it",
                file("a\r\nX: y", "text/plain"),
            ),
            (
                "a content type with a header in it",
                file("a", "text/plain\r\nX: y"),
            ),
            ("a content type that is none", file("a", "not a media type")),
        ],
    )
}

/// Paths that lead elsewhere, methods that are not there.
fn paths(list: &str, todo: &str) -> Vec<Refusal> {
    let get = |path: &str| Request::new("GET", path);
    let of_list = |id: &str| get(&format!("/api/v1/lists/{id}/todos"));
    let of_todo = |id: &str| get(&format!("{list}/todos/{id}"));
    let disguised = post(todo, &json!({ "title": "a" }));
    [
        refused(
            404,
            "no_such_list",
            [
                ("another partition", of_list(":lists")),
                ("a list above", of_list("..%2finbox")),
                ("a list twice encoded", of_list("%252e%252e")),
                ("a list with a null byte", of_list("inbox%00")),
                ("a list that is no UTF-8", of_list("%ff")),
                ("a list in upper case", of_list("INBOX")),
                ("a list that queries", of_list("inbox'%20OR%201=1--")),
                ("a list with a header", of_list("inbox%0d%0aX:%20y")),
            ],
        ),
        refused(
            404,
            "no_such_todo",
            [
                ("a todo above", of_todo("..%2f..%2finbox")),
                ("the list's own document", of_todo("list")),
                ("an event's document", of_todo("event-1")),
            ],
        ),
        refused(
            404,
            "no_such_route",
            [
                ("a path above", get("/api/v1/lists/../access")),
                ("a path with nothing in it", get("/api/v1//lists")),
                ("no path of ours", get("/")),
                ("the management port's page", get("/metrics")),
            ],
        ),
        refused(
            405,
            "method_not_allowed",
            [
                ("no method of ours", Request::new("PUT", list)),
                ("a method of nobody", Request::new("BREW", list)),
                (
                    "a method in disguise",
                    disguised.header("x-http-method-override", "DELETE"),
                ),
            ],
        ),
    ]
    .concat()
}

/// Headers and parameters that make no sense.
fn headers(list: &str, todos: &str, todo: &str) -> Vec<Refusal> {
    let get = |query: &str| Request::new("GET", &format!("{todos}?{query}"));
    let edit = || patch(todo, &json!({ "title": "Stored" }));
    let of = |etag: &[u8]| edit().header("if-match", etag);
    let delete = || Request::new("DELETE", todo);
    let rename = || patch(list, &json!({ "name": "Stored" }));
    let key = |key: &[u8]| post(todos, &json!({ "title": "a" })).header("idempotency-key", key);
    let shared = || Request::new("GET", "/api/v1/shared");
    let link = |link: &str| shared().header("share-link", link);
    [
        refused(
            428,
            "precondition_required",
            [
                ("an edit of no version", edit().without("if-match")),
                ("a rename of no version", rename().without("if-match")),
                ("a delete of no version", delete()),
            ],
        ),
        refused(
            412,
            "changed",
            [
                ("an edit of another version", of(b"\"0\"")),
                (
                    "a rename of another version",
                    rename().header("if-match", "\"99\""),
                ),
                (
                    "a delete of another version",
                    delete().header("if-match", "\"0\""),
                ),
            ],
        ),
        refused(
            400,
            "malformed",
            [
                ("a version that is none", of(b"\"a")),
                ("a version in bytes", of(b"\"\xff\"")),
                ("two versions", of(b"\"1\"").and_header("if-match", "*")),
                ("a key with spaces", key(b"a b")),
                ("a key that is too long", key(&[b'a'; 65])),
                ("a key in bytes", key(b"\xff")),
                ("no link", shared()),
            ],
        ),
        refused(
            422,
            "invalid",
            [
                ("no page", get("limit=0")),
                ("a page too long", get("limit=201")),
                ("two pages", get("limit=1&limit=2")),
                ("a page after nowhere", get("after=inbox")),
                ("a parameter of nobody", get("offset=5")),
            ],
        ),
        refused(
            404,
            "no_such_link",
            [
                ("a link that is none", link("letmein")),
                ("a link without a signature", link(&unsigned_link())),
                ("a link above", link("../../../etc/passwd")),
            ],
        ),
    ]
    .concat()
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
async fn wrong_with(refusal: &Refusal, address: SocketAddr, token: &str) -> Option<String> {
    let authorization = format!("Bearer {token}");
    let request = refusal
        .request
        .clone()
        .header("authorization", authorization);

    let answer = request.send(address).await;

    let problem: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let text = |member: &str| problem[member].as_str().unwrap_or_default();
    let clear = answer.header("content-type") == Some("application/problem+json")
        && answer.header("x-request-id") == Some(text("requestId"))
        && !text("detail").is_empty();
    let Refusal {
        what, status, code, ..
    } = refusal;
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
        members(list, todos, &todo),
        paths(list, &todo),
        headers(list, todos, &todo),
    ];
    let mut wrong = Vec::new();
    for refusal in refusals.iter().flatten() {
        wrong.extend(wrong_with(refusal, address, &token).await);
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
