//! The page of a list.

use serde_json::json;

use super::{KEY, TODO, at_todo, inbox, list, todo, with};
use crate::activity::tests::entry;
use crate::testing::{FakeBackend, Site};

#[tokio::test]
async fn a_list_shows_its_todos_and_its_activity() {
    let todos = [
        with(
            todo("Buy milk"),
            json!({ "notes": "oat", "dueOn": "2020-12-24" }),
        ),
        with(
            todo("Buy bread"),
            json!({ "done": true, "dueOn": "2020-12-24" }),
        ),
    ];
    let site = Site::with(&inbox(&todos)).await;
    site.feed.add(entry(1, "todo.added", "Buy milk"));
    site.feed.add(entry(3, "todo.completed", "Buy bread"));

    let answer = site.get("/lists/inbox").await;

    assert_eq!(answer.status, 200);
    for part in [
        "<h1 id=\"heading\" data-live>Inbox</h1>",
        &format!("href=\"{}\">Buy milk</a>", at_todo("")),
        &format!("action=\"{}\"", at_todo("/complete")),
        &format!("action=\"{}\"", at_todo("/reopen")),
        &format!("action=\"{}\"", at_todo("/delete")),
        "<span class=\"due over\">due <time datetime=\"2020-12-24\">24 December 2020</time>",
        "<span class=\"due\">due",
        "<span>notes</span>",
        "<span class=\"hidden\">Done: </span>",
        "<span class=\"what\">Added</span> Buy milk",
        "<span class=\"what\">Completed</span> Buy bread",
        // What a page shows is where its live updates begin: 2 has not come yet.
        "data-events=\"/lists/inbox/events?after=1.3\"",
    ] {
        answer.says(part);
    }
}

#[tokio::test]
async fn a_list_is_there_without_its_activity() {
    let site = Site::with(&inbox(&[todo("Buy milk")])).await;
    site.feed.fails(true);

    let answer = site.get("/lists/inbox").await;

    assert_eq!(answer.status, 200);
    answer.says("Buy milk");
    answer
        .says("Blob Storage refused this pod&#39;s identity: 403 AuthorizationPermissionMismatch");
    answer.says("data-events=\"/lists/inbox/events\"");
}

#[tokio::test]
async fn many_todos_have_pages_and_their_buttons_lead_back_to_theirs() {
    let second = json!({ "items": [todo("Milk")], "next": "bmV4dDI" });
    let backend = FakeBackend::default()
        .on("GET /lists/inbox", 200, list("Inbox"))
        .on("GET /lists/inbox/todos?limit=50&after=bmV4dA", 200, second)
        .on(&format!("PATCH {}", at_todo("")), 200, todo("Milk"))
        .on(&format!("DELETE {}", at_todo("")), 204, json!(null));
    let site = Site::with(&backend).await;

    let answer = site.get("/lists/inbox?after=bmV4dA").await;

    answer.says("href=\"/lists/inbox\">First page</a>");
    answer.says("href=\"/lists/inbox?after=bmV4dDI\">Next page</a>");
    answer.says("<input type=\"hidden\" name=\"after\" value=\"bmV4dA\">");
    let pressed = "etag=%227%22&after=bmV4dA";
    let completed = site.post(&at_todo("/complete"), pressed).await;
    assert_eq!(
        completed.header("location"),
        format!("/lists/inbox?after=bmV4dA#todo-{TODO}")
    );
    let deleted = site.post(&at_todo("/delete"), pressed).await;
    assert_eq!(deleted.header("location"), "/lists/inbox?after=bmV4dA");
}

#[tokio::test]
async fn the_parts_of_a_page_are_asked_for_at_once_and_as_this_pod() {
    let backend = inbox(&[]);
    let site = Site::with(&backend).await;

    let answer = site.get("/lists/inbox").await;

    let asked = backend.asked();
    assert_eq!(asked.len(), 2);
    for asked in asked {
        assert_eq!(asked.header("authorization"), "Bearer pod-token");
        assert_eq!(asked.header("x-request-id"), answer.header("x-request-id"));
    }
}

#[tokio::test]
async fn a_todo_is_added_once_however_often_its_form_is_sent() {
    let backend = inbox(&[]).on("POST /lists/inbox/todos", 201, todo("Buy <milk>"));
    let site = Site::with(&backend).await;

    for _ in 0..2 {
        let answer = site
            .post(
                "/lists/inbox/todos",
                &format!("key={KEY}&title=+Buy+%3Cmilk%3E+"),
            )
            .await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, "/lists/inbox")
        );
    }

    let asked = backend.changes();
    assert_eq!(asked[0].body, json!({ "title": "Buy <milk>" }));
    assert_eq!(
        asked[0].header("idempotency-key"),
        asked[1].header("idempotency-key")
    );
}

#[tokio::test]
async fn what_cannot_be_added_is_in_a_form_again() {
    let site = Site::with(&inbox(&[])).await;
    let title = "x".repeat(201);

    let answer = site
        .post("/lists/inbox/todos", &format!("key={KEY}&title={title}"))
        .await;

    assert_eq!(answer.status, 422);
    answer.says("A title has at most 200 characters.");
    answer.says(&format!("value=\"{title}\""));
    answer.says(&format!("name=\"key\" value=\"{KEY}\""));
    answer.says("action=\"/lists/inbox/todos\"");
}

#[tokio::test]
async fn a_list_is_renamed_unless_somebody_was_faster() {
    let renamed = inbox(&[]).on("PATCH /lists/inbox", 200, list("Home"));
    let site = Site::with(&renamed).await;
    let answer = site
        .post("/lists/inbox/rename", "etag=%221%22&name=Home")
        .await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/lists/inbox")
    );
    let asked = &renamed.changes()[0];
    assert_eq!(asked.header("if-match"), "\"1\"");
    assert_eq!(asked.body, json!({ "name": "Home" }));

    let changed = json!({ "code": "changed", "detail": "no", "current": list("Work") });
    let site = Site::with(&inbox(&[]).on("PATCH /lists/inbox", 412, changed)).await;
    let answer = site
        .post("/lists/inbox/rename", "etag=%221%22&name=Home")
        .await;
    assert_eq!(answer.status, 409);
    answer.says("Meanwhile the list was named “Work”.");
    answer.says("It was not renamed to “Home”.");

    // Somebody wanted the same, or the answer to the first attempt was lost.
    let answer = site
        .post("/lists/inbox/rename", "etag=%221%22&name=Work")
        .await;
    assert_eq!(answer.status, 303);
}
