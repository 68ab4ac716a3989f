//! What people type is text and never markup, on every page and in every field.

use serde_json::json;

use super::{at_todo, attachment, inbox, list, one_todo, page, todo, with};
use crate::activity::tests::entry;
use crate::testing::{Answer, FakeBackend, Site};

const EVIL: &str = "<script>alert(1)</script>\"'></textarea><img src=x onerror=alert(1)>";

/// The same as a form sends it.
const SENT: &str = "%3Cscript%3Ealert%281%29%3C%2Fscript%3E%22%27%3E%3C%2Ftextarea%3E%3Cimg+src%3Dx+onerror%3Dalert%281%29%3E";

/// The fields show as often as is said, and each time as text.
fn is_text(answer: &Answer, at_least: usize) {
    let html = answer.text();
    let times = html
        .matches("&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#62;")
        .count();
    assert!(
        times >= at_least,
        "{times} times in {} {html}",
        answer.status
    );
    for markup in ["<script>", "<img", "\"'>", "</textarea><"] {
        assert!(!html.contains(markup), "{markup} is in {html}");
    }
}

fn evil_todo() -> serde_json::Value {
    with(todo(EVIL), json!({ "notes": EVIL }))
}

#[tokio::test]
async fn the_names_of_lists_are_text() {
    let site = Site::with(&FakeBackend::default().on("GET /lists", 200, page(&[list(EVIL)]))).await;

    is_text(&site.get("/lists").await, 1);
}

#[tokio::test]
async fn a_list_with_its_todos_and_activity_is_text() {
    let done = with(evil_todo(), json!({ "done": true }));
    let backend = inbox(&[evil_todo(), done]).on("GET /lists/inbox", 200, list(EVIL));
    let site = Site::with(&backend).await;
    site.feed.add(entry(1, "todo.added", EVIL));
    site.feed.add(entry(2, EVIL, EVIL));

    // Window title, heading, field, activity twice; per todo: title, two buttons.
    is_text(&site.get("/lists/inbox").await, 5 + 2 * 3);
}

#[tokio::test]
async fn a_todo_with_its_notes_and_files_is_text() {
    let files = ["pending", "ready", "failed"].map(|status| {
        with(
            attachment(EVIL, status),
            json!({ "reason": EVIL, "detectedType": EVIL }),
        )
    });
    let backend = one_todo(evil_todo(), &files).on("GET /lists/inbox", 200, list(EVIL));
    let site = Site::with(&backend).await;

    // Window title, list, heading, title, notes, type, reason; the names of files
    // have lost it before.
    is_text(&site.get(&at_todo("")).await, 7);
}

#[tokio::test]
async fn both_versions_of_a_conflict_are_text() {
    let changed = json!({ "code": "changed", "detail": EVIL, "current": evil_todo() });
    let backend = one_todo(todo("x"), &[])
        .on(&format!("PATCH {}", at_todo("")), 412, changed.clone())
        .on(&format!("DELETE {}", at_todo("")), 412, changed);
    let site = Site::with(&backend).await;
    let base = "%7B%22title%22%3A%22%22%2C%22notes%22%3A%22%22%2C%22done%22%3Afalse%7D";

    let form = format!("etag=1&base={base}&title=x{SENT}&notes=x{SENT}&dueOn={SENT}");
    is_text(&site.post(&at_todo(""), &form).await, 3);
    let form = format!("etag=1&base={base}&title=x{SENT}&notes=x{SENT}");
    is_text(&site.post(&at_todo(""), &form).await, 4);
    is_text(&site.post(&at_todo("/delete"), "etag=1").await, 2);
}

#[tokio::test]
async fn a_shared_list_is_text() {
    let todos = page(&[json!({ "title": EVIL, "notes": EVIL, "done": false })]);
    let shared = json!({ "list": { "name": EVIL }, "expiresAt": "2026-11-30T10:00:00Z",
        "todos": todos });
    let link = json!({ "link": "a.b.c", "expiresAt": "2026-11-30T10:00:00Z" });
    let backend = inbox(&[])
        .on("GET /lists/inbox", 200, list(EVIL))
        .on("GET /shared", 200, shared)
        .on("POST /lists/inbox/share-links", 201, link);
    let site = Site::with(&backend).await;

    is_text(&site.get("/shared/a.b.c").await, 4);
    is_text(&site.post("/lists/inbox/share", "days=7").await, 3);
}

#[tokio::test]
async fn problems_are_text() {
    let changed = json!({ "code": "changed", "detail": "no", "current": list(EVIL) });
    let backend = inbox(&[]).refusing("POST /lists", 422, "invalid", EVIL).on(
        "PATCH /lists/inbox",
        412,
        changed,
    );
    let site = Site::with(&backend).await;

    is_text(&site.post("/lists", "name=x").await, 1);
    let renamed = format!("etag=1&name=x{SENT}");
    is_text(&site.post("/lists/inbox/rename", &renamed).await, 2);
}

#[tokio::test]
async fn an_address_is_never_shown() {
    let site = Site::with(&inbox(&[])).await;

    let ours = site.get("/lists/inbox?notice=processing-delayed").await;
    let other = site.get("/lists/inbox?notice=%3Cb%3Eyou+won").await;
    let nowhere = site.get("/you-won").await;

    assert_eq!((ours.status, other.status, nowhere.status), (200, 200, 404));
    other.says_not("you won");
    nowhere.says_not("you-won");
}
