//! The page of a todo, and what becomes of its forms.

use http::Method;
use serde_json::{Value, json};

use super::{TODO, at_todo, attachment, inbox, one_todo, todo, with};
use crate::activity::tests::entry;
use crate::testing::{FakeBackend, Site};

/// The form of a todo as its page had it, with another title.
const EDIT: &str = "etag=%227%22&\
    base=%7B%22title%22%3A%22Milk%22%2C%22notes%22%3A%22%22%2C%22dueOn%22%3Anull%2C%22done%22%3Afalse%7D&\
    title=Cheese&notes=&dueOn=";

fn changed(current: &Value) -> Value {
    json!({ "code": "changed", "detail": "it has been changed since", "current": current })
}

fn editing(status: u16, body: Value) -> FakeBackend {
    one_todo(todo("Milk"), &[]).on(&format!("PATCH {}", at_todo("")), status, body)
}

#[tokio::test]
async fn a_todo_shows_all_that_it_has_and_can_be_changed() {
    let milk = with(
        todo("Milk"),
        json!({ "notes": "two\nlines", "dueOn": "2030-12-24", "updatedAt": "2026-11-23T12:00:00Z" }),
    );
    let files = [attachment("plan.txt", "ready")];
    let site = Site::with(&one_todo(milk, &files)).await;
    site.feed.add(entry(1, "todo.added", "Milk"));

    let answer = site.get(&at_todo("")).await;

    assert_eq!(answer.status, 200);
    for part in [
        "<a href=\"/lists/inbox\">Inbox</a>",
        "<h1>Milk</h1>",
        "due <time datetime=\"2030-12-24\">24 December 2030</time>",
        "changed <time",
        "value=\"Milk\"",
        "two\nlines</textarea>",
        "value=\"2030-12-24\"",
        "name=\"etag\" value=\"&#34;7&#34;\"",
        ">Mark as done</button>",
        "11 bytes, text/plain",
        "File, up to 25 MB",
        "data-events=\"/lists/inbox/events?after=1\"",
    ] {
        answer.says(part);
    }
}

#[tokio::test]
async fn a_file_has_a_link_only_when_it_is_ready() {
    for (status, words) in [
        ("pending", "being processed"),
        ("failed", "there is no blob"),
    ] {
        let files = [attachment("plan.txt", status)];
        let site = Site::with(&one_todo(todo("Milk"), &files)).await;

        let answer = site.get(&at_todo("")).await;

        answer.says(words);
        answer.says_not("/attachments/2222");
    }
}

#[tokio::test]
async fn an_edit_is_sent_for_the_version_that_was_read() {
    let backend = editing(200, todo("Cheese"));
    let site = Site::with(&backend).await;

    let form = EDIT.replace("notes=&dueOn=", "notes=a%0D%0Ab&dueOn=2030-12-24&done=on");
    let answer = site.post(&at_todo(""), &form).await;

    assert_eq!(
        (answer.status, answer.header("location")),
        (303, at_todo("").as_str())
    );
    let asked = &backend.changes()[0];
    assert_eq!(asked.header("if-match"), "\"7\"");
    assert_eq!(
        asked.body,
        json!({ "title": "Cheese", "notes": "a\nb", "dueOn": "2030-12-24", "done": true })
    );
}

#[tokio::test]
async fn a_conflict_shows_both_versions_and_loses_nothing() {
    let theirs = with(
        todo("Bread"),
        json!({ "notes": "white", "dueOn": "2030-01-02", "etag": "\"8\"" }),
    );
    let site = Site::with(&editing(412, changed(&theirs))).await;

    let answer = site.post(&at_todo(""), EDIT).await;

    assert_eq!(answer.status, 409);
    for part in [
        "Somebody else was faster",
        // Mine, with what only they have changed.
        "value=\"Cheese\"",
        "white</textarea>",
        "value=\"2030-01-02\"",
        // The next attempt is for their version.
        "name=\"etag\" value=\"&#34;8&#34;\"",
        "{&#34;title&#34;:&#34;Bread&#34;,&#34;notes&#34;:&#34;white&#34;",
        ">Save mine</button>",
        // Theirs.
        "<dd class=\"notes\">Bread</dd>",
        "<dd class=\"notes\">white</dd>",
        "<dd class=\"notes\">2 January 2030</dd>",
        ">Keep theirs</a>",
    ] {
        answer.says(part);
    }
    assert_eq!(
        answer
            .text()
            .matches("class=\"badge wait\">changed")
            .count(),
        3
    );
}

#[tokio::test]
async fn a_conflict_of_two_who_wanted_the_same_is_none() {
    let theirs = with(todo("Cheese"), json!({ "etag": "\"8\"" }));
    let site = Site::with(&editing(412, changed(&theirs))).await;

    let answer = site.post(&at_todo(""), EDIT).await;

    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn what_cannot_be_saved_is_in_a_form_again() {
    let away = editing(
        503,
        json!({ "code": "dependency_unavailable", "detail": "Cosmos DB" }),
    );
    let site = Site::with(&away).await;
    let day = EDIT.replace("dueOn=", "dueOn=24.12.");
    let title = EDIT.replace("Cheese", "+");
    for (form, status, words) in [
        (EDIT, 503, "The backend cannot do this now"),
        (&day, 422, "A day is written as 2026-12-24."),
        (&title, 422, "A title has at least one character."),
    ] {
        let answer = site.post(&at_todo(""), form).await;

        assert_eq!(answer.status, status);
        answer.says(words);
        answer.says("name=\"etag\" value=\"&#34;7&#34;\"");
        answer.says(&format!("action=\"{}\"", at_todo("")));
        answer.says(answer.header("x-request-id"));
    }
    site.post(&at_todo(""), EDIT).await.says("value=\"Cheese\"");
    site.post(&at_todo(""), &day).await.says("value=\"24.12.\"");
}

#[tokio::test]
async fn an_edit_of_a_todo_that_was_deleted_can_be_added_again() {
    let gone = editing(404, json!({ "code": "no_such_todo", "detail": "no" }));
    let site = Site::with(&gone).await;

    let answer = site.post(&at_todo(""), EDIT).await;

    assert_eq!(answer.status, 404);
    answer.says("Somebody deleted it meanwhile");
    answer.says("action=\"/lists/inbox/todos\"");
    answer.says("value=\"Cheese\"");
}

#[tokio::test]
async fn the_buttons_of_a_todo_are_for_the_version_that_was_read() {
    let backend =
        editing(200, todo("Milk")).on(&format!("DELETE {}", at_todo("")), 204, json!(null));
    let site = Site::with(&backend).await;
    let on_list = format!("/lists/inbox#todo-{TODO}");
    let on_todo = at_todo("");

    for (button, on, location) in [
        ("/complete", "list", on_list.as_str()),
        ("/reopen", "list", &on_list),
        ("/delete", "list", "/lists/inbox"),
        ("/complete", "todo", &on_todo),
        ("/reopen", "todo", &on_todo),
        ("/delete", "todo", "/lists/inbox"),
    ] {
        let form = format!("etag=%227%22&on={on}");
        let answer = site.post(&at_todo(button), &form).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, location),
            "{button} {on}"
        );
    }

    let asked = backend.changes();
    assert!(
        asked
            .iter()
            .all(|asked| asked.header("if-match") == "\"7\"")
    );
    let asked: Vec<_> = asked
        .iter()
        .take(3)
        .map(|asked| {
            (
                asked.request.split(' ').next().expect("a method"),
                asked.body.clone(),
            )
        })
        .collect();
    assert_eq!(
        asked,
        [
            (Method::PATCH.as_str(), json!({ "done": true })),
            (Method::PATCH.as_str(), json!({ "done": false })),
            (Method::DELETE.as_str(), Value::Null),
        ]
    );
}

#[tokio::test]
async fn a_button_for_a_version_that_is_no_more_asks_once_more() {
    let theirs = with(todo("Bread"), json!({ "etag": "\"8\"" }));
    let backend = editing(412, changed(&theirs)).on(
        &format!("DELETE {}", at_todo("")),
        412,
        changed(&theirs),
    );
    let site = Site::with(&backend).await;

    for (button, words) in [
        ("/complete", "Complete it anyway"),
        ("/delete", "Delete it anyway"),
    ] {
        let answer = site.post(&at_todo(button), "etag=%227%22&on=todo").await;

        assert_eq!(answer.status, 409);
        answer.says(words);
        answer.says("<dd>Bread</dd>");
        answer.says(&format!("action=\"{}\"", at_todo(button)));
        answer.says("name=\"etag\" value=\"&#34;8&#34;\"");
        answer.says("name=\"on\" value=\"todo\"");
    }
    // It is not done, as was wanted.
    let answer = site.post(&at_todo("/reopen"), "etag=%227%22").await;
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn a_todo_that_is_not_there_is_a_page_too() {
    let nowhere = format!("GET {}", at_todo(""));
    let backend = inbox(&[]).refusing(&nowhere, 404, "no_such_todo", "no").on(
        "GET /lists/inbox/attachments",
        200,
        super::page(&[]),
    );
    let site = Site::with(&backend).await;

    let answer = site.get(&at_todo("")).await;

    assert_eq!(answer.status, 404);
    answer.says("There is nothing here");
}
