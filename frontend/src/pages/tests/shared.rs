//! A list behind its link, and the making of the link.

use serde_json::json;

use super::{inbox, list};
use crate::testing::{FakeBackend, Site};

#[tokio::test]
async fn a_list_is_shared_by_a_link_on_the_origin_of_the_page() {
    let link = json!({ "link": "a.b-c.d_e", "expiresAt": "2026-11-30T10:00:00Z" });
    let backend = inbox(&[]).on("POST /lists/inbox/share-links", 201, link);
    let site = Site::with(&backend).await;

    let answer = site.post("/lists/inbox/share", "days=7").await;

    assert_eq!(answer.status, 200);
    answer.says("value=\"http://localhost:8080/shared/a.b-c.d_e\"");
    answer.says("30 November 2026, 10:00 UTC");
    assert_eq!(backend.changes()[0].body, json!({ "days": 7 }));
    assert_eq!(
        site.post("/lists/inbox/share", "days=365").await.status,
        422
    );
}

#[tokio::test]
async fn behind_a_gateway_the_link_has_the_public_origin() {
    let link = json!({ "link": "a.b.c", "expiresAt": "2026-11-30T10:00:00Z" });
    let backend = inbox(&[]).on("POST /lists/inbox/share-links", 201, link);
    let site = Site::behind("https://todo.example", &backend).await;
    let token = site.token().await;
    let mut request = crate::testing::form("/lists/inbox/share", &format!("csrf={token}&days=1"));
    let headers = request.headers_mut();
    headers.insert("host", "todo.example".parse().expect("a host"));
    headers.insert("origin", "https://todo.example".parse().expect("an origin"));

    let answer = site.send(request).await;

    answer.says("value=\"https://todo.example/shared/a.b.c\"");
}

fn shared() -> serde_json::Value {
    json!({ "list": { "name": "Groceries" }, "expiresAt": "2026-11-30T10:00:00Z",
        "todos": { "items": [
            { "title": "Milk", "notes": "oat", "dueOn": "2020-12-24", "done": false },
            { "title": "Bread", "notes": "", "done": true }], "next": "bmV4dA" } })
}

#[tokio::test]
async fn whoever_has_the_link_can_read_and_nothing_else() {
    let backend = FakeBackend::default().on("GET /shared", 200, shared());
    let site = Site::with(&backend).await;

    let answer = site.get("/shared/a.b.c").await;

    assert_eq!(answer.status, 200);
    answer.says("<h1>Groceries</h1>");
    answer.says("oat");
    answer.says("24 December 2020");
    answer.says("href=\"/shared/a.b.c?after=bmV4dA\"");
    for part in ["<form", "<input", "<button", "/lists", "/access"] {
        answer.says_not(part);
    }
    answer.says("<meta name=\"robots\" content=\"noindex, nofollow\">");
    assert_eq!(answer.header("x-robots-tag"), "noindex, nofollow");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert!(answer.headers.get("set-cookie").is_none());
    let asked = &backend.asked()[0];
    assert_eq!(asked.header("share-link"), "a.b.c");
    assert_eq!(asked.request, "GET /api/v1/shared?limit=50");
}

#[tokio::test]
async fn a_link_that_opens_nothing_says_why() {
    for (status, code, words) in [
        (404, "no_such_link", "This link is not one of ours"),
        (410, "link_expired", "This link has expired"),
        (410, "link_withdrawn", "This link has been withdrawn"),
    ] {
        let backend = FakeBackend::default().refusing("GET /shared", status, code, "no");
        let site = Site::with(&backend).await;

        let answer = site.get("/shared/a.b.c").await;

        assert_eq!(answer.status, status);
        answer.says(words);
        answer.says("Ask whoever shared it for a new link");
    }
}

#[tokio::test]
async fn what_cannot_be_a_link_is_not_even_asked_about() {
    let backend = FakeBackend::default().on("GET /shared", 200, list("x"));
    let site = Site::with(&backend).await;
    let long = format!("/shared/{}", "a".repeat(5000));

    for path in [
        "/shared/a%0D%0AX-Evil:%201",
        "/shared/a%20b",
        "/shared/%ff",
        "/shared/",
        &long,
    ] {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
    assert_eq!(backend.asked(), []);
}
