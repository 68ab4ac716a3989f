//! What is sent along: of which kind, how long, how slow, and what it says.

use std::io::Error;

use super::*;

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

#[tokio::test]
async fn the_longest_todo_fits_into_a_body_however_it_is_written() {
    // Two escapes of six bytes for each character beyond the first 65536.
    let escaped = |count| r"\ud83d\ude00".repeat(count);
    let body = format!(
        r#"{{ "title": "{}", "notes": "{}", "dueOn": "2026-02-30" }}"#,
        escaped(200),
        escaped(2000)
    );
    let mut request = post_json("/api/v1/lists/inbox/todos", &Value::Null);
    *request.body_mut() = Body::from(body);

    // It was read to its end: nothing but the date is wrong with it.
    refused([(request, 422, "invalid", Some("dueOn"))]).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let mut request = post_json("/api/v1/lists", &json!({}));
    *request.body_mut() = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, Error>>());

    let refused = refused([(request, 408, "body_too_slow", None)]);
    let within = tokio::time::timeout(Duration::from_mins(1), refused);
    within.await.expect("an answer within a minute");
}
