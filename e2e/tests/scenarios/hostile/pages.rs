//! Requests at the pages that make no sense.

use super::scene::{Refusal, Scene, refused};
use crate::person::{Form, INBOX, Page};
use crate::raw::Request;

/// Requests under a name that is not ours, but leads here.
fn hosts(scene: &Scene, add: &Form) -> Vec<Refusal> {
    let own = scene.frontend.to_string();
    let read = |host: &str| Request::new("GET", INBOX).header("host", host);
    let change = |host: &str| scene.sent(add).header("host", host);
    refused(
        421,
        [
            ("a name of somebody", read("evil.test")),
            ("a name that begins like ours", read("127.0.0.1.evil.test")),
            ("a name with a user", read("localhost@evil.test")),
            ("no name", read("")),
            ("a name that is none", read("a b")),
            ("two names", read(&own).and_header("host", "evil.test")),
            ("a change under a name of somebody", change("evil.test")),
            ("a change under no name", change("")),
        ],
    )
}

/// Forms that are too long, cannot be read, or say what makes no sense.
fn forms(scene: &Scene, add: &Form) -> Vec<Refusal> {
    let long = "a".repeat(256 * 1024);
    let (csrf, key) = (add.value("csrf"), add.value("key"));
    let text = |rest: &str| format!("csrf={csrf}&key={key}&{rest}");
    let body = |rest: &str| scene.sent(add).body(text(rest));
    let typed = |media_type: &str| scene.sent(add).header("content-type", media_type);
    let with = |name: &str, value: &str| scene.sent(&add.clone().with(name, value));
    let endless = scene.sent(add).header("content-length", "99999999999");
    let bytes = scene
        .sent(add)
        .body([text("title=").as_bytes(), b"\xff\xfe"].concat());
    [
        refused(
            413,
            [
                ("a form too long", body(&format!("title={long}"))),
                ("a form too long that never comes", endless),
                (
                    "a form too long that does not say so",
                    scene.sent(add).chunked(text(&long).as_bytes()),
                ),
            ],
        ),
        refused(
            415,
            [
                ("JSON", typed("application/json")),
                ("text", typed("text/plain")),
                ("a form of no kind", scene.sent(add).without("content-type")),
            ],
        ),
        refused(
            400,
            [
                ("bad UTF-8, encoded", body("title=%ff%fe")),
                ("bad UTF-8", bytes),
            ],
        ),
        refused(
            422,
            [
                ("a form without a title", body("")),
                ("a title twice", body("title=a&title=b")),
                ("an empty title", with("title", "  ")),
                ("a title too long", with("title", &"ä".repeat(201))),
                (
                    "a title with a header",
                    with("title", "a\r\nSet-Cookie: b=c"),
                ),
                ("a day that never was", with("dueOn", "2026-02-30")),
                ("a key that is none", with("key", "../..")),
            ],
        ),
    ]
    .concat()
}

/// Changes of other versions, and of what cannot be.
fn changes(scene: &Scene, list: &Page) -> Vec<Refusal> {
    let rename = |etag: &str| {
        let form = list.form("/rename").with("name", "Stored");
        scene.sent(&form.with("etag", etag))
    };
    let share = |days: &str| scene.sent(&list.form("/share").with("days", days));
    let complete = list.form_of("As it was", "/complete");
    [
        refused(
            409,
            [
                ("a rename of another version", rename("\"99\"")),
                (
                    "a button of another version",
                    scene.sent(&complete.with("etag", "\"0\"")),
                ),
            ],
        ),
        refused(
            422,
            [
                ("a rename of a header", rename("\"a\r\nX: y\"")),
                ("a rename of no version", rename("")),
                ("a rename of a version in bytes", rename("\u{ff}")),
                ("a link for no day", share("0")),
                ("a link for ever", share("31")),
                ("a link for less than nothing", share("-1")),
                ("a link for a word", share("seven")),
            ],
        ),
    ]
    .concat()
}

/// Methods that are not there, and paths that lead elsewhere.
fn addresses(scene: &Scene) -> Vec<Refusal> {
    let methods = [
        ("PUT", INBOX),
        ("DELETE", INBOX),
        ("GET", "/lists/inbox/rename"),
        ("POST", "/"),
        ("TRACE", INBOX),
    ];
    let paths = [
        "/..%2f..%2fetc%2fpasswd",
        "/../../etc/passwd",
        "/assets/..%2f..%2f/Cargo.toml",
        "/assets/1/..%2fapp.js",
        "/lists/..%2finbox",
        "/lists/inbox%00",
        "/lists/INBOX",
        "/lists/%ff",
        "/lists/:lists",
        "/lists/inbox%0d%0aX-Injected:%20yes",
        "/lists/inbox/todos/..%2f..%2fsettings",
        "/lists/inbox/attachments/..%2f..%2fattachments",
        "/lists/inbox/attachments/00000000-0000-0000-0000-000000000000",
        "/lists/inbox/events/..",
        "/shared/letmein",
        "/shared/..%2f..%2flists",
        "/shared/a.b.c%0d%0aX-Injected:%20yes",
        "/lists?after=..%2f..%2f",
        "/lists/inbox?after=%0d%0aX-Injected:%20yes",
        "/metrics",
        "/api/v1/lists",
    ];
    let cookie = scene.person.browser.cookie();
    let methods = methods.map(|(method, path)| {
        let request = Request::new(method, path).header("cookie", &cookie);
        (format!("{method} {path}"), request, 405)
    });
    let paths = paths.map(|path| (path.to_owned(), Request::new("GET", path), 404));
    [Vec::from(methods), Vec::from(paths)].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_makes_no_sense_gets_a_page_that_says_so() {
    let scene = Scene::start().await;
    let list = scene.person.open(INBOX).await;
    let add = list.form("/todos").with("title", "Stored");

    let refusals = [
        hosts(&scene, &add),
        forms(&scene, &add),
        changes(&scene, &list),
        addresses(&scene),
    ];
    scene.refuses(&refusals.concat()).await;

    scene.end().await;
}
