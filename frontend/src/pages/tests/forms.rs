//! What is taken for a form.

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use serde_json::json;

use super::{at_todo, inbox, list};
use crate::testing::{FakeBackend, Site, form};

fn backend() -> FakeBackend {
    inbox(&[]).on("POST /lists", 201, list("Home"))
}

#[tokio::test]
async fn what_is_no_utf_8_is_refused_and_not_made_into_something_else() {
    let backend = backend();
    let site = Site::with(&backend).await;

    for fields in ["name=%ff", "name=%c3%28", "%ff=1&name=x", "name=%ed%a0%80"] {
        let answer = site.post("/lists", fields).await;

        assert_eq!(answer.status, 400, "{fields}");
        answer.says("This is not text");
    }
    assert_eq!(backend.changes(), []);

    let answer = site.post("/lists", "name=%F0%9F%8E%89+caf%C3%A9").await;
    assert_eq!(answer.status, 303);
    assert_eq!(backend.changes()[0].body, json!({ "name": "🎉 café" }));
}

#[tokio::test]
async fn another_media_type_is_no_form() {
    let backend = backend();
    let site = Site::with(&backend).await;
    let token = site.token().await;

    for media_type in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=b",
        "",
    ] {
        let mut request = form("/lists", &format!("csrf={token}&name=x"));
        let value = media_type.parse().expect("a value");
        request.headers_mut().insert("content-type", value);
        let answer = site.send(request).await;

        assert_eq!(answer.status, 415, "{media_type}");
        answer.says("This is not a form");
    }
    assert_eq!(backend.changes(), []);
}

#[tokio::test]
async fn a_form_that_is_far_too_long_is_not_read() {
    let backend = backend();
    let site = Site::with(&backend).await;

    let answer = site
        .post("/lists", &format!("name={}", "x".repeat(64 * 1024)))
        .await;

    assert_eq!(answer.status, 413);
    answer.says("This is too long");
    assert_eq!(backend.changes(), []);
}

#[tokio::test]
async fn a_form_of_the_longest_fields_is_short_enough() {
    let edit = format!("PATCH {}", at_todo(""));
    let backend = backend().on(&edit, 200, super::todo("x"));
    let site = Site::with(&backend).await;
    let (title, notes) = ("%F0%9F%8E%89".repeat(200), "%F0%9F%8E%89".repeat(2000));
    let base = format!(
        "%7B%22title%22%3A%22{title}%22%2C%22notes%22%3A%22{notes}%22%2C%22done%22%3Afalse%7D"
    );

    let answer = site
        .post(
            &at_todo(""),
            &format!("etag=%227%22&base={base}&title={title}&notes={notes}&dueOn=2030-12-24"),
        )
        .await;

    assert_eq!(answer.status, 303, "{}", answer.text());
}

#[tokio::test]
async fn a_form_with_fields_missing_twice_or_senseless_is_refused() {
    let backend = backend();
    let site = Site::with(&backend).await;

    for (path, fields) in [
        ("/lists", ""),
        ("/lists", "title=x"),
        ("/lists", "name=x&name=y"),
        ("/lists", "name=x&key=1"),
        ("/lists/inbox/rename", "name=x"),
        ("/lists/inbox/rename", "name=x&etag=a%0D%0Ab"),
        (&at_todo("/delete"), "etag="),
        (&at_todo("/delete"), "etag=1&on=moon"),
        (&at_todo("/delete"), "etag=1&after=%2F"),
        (&at_todo(""), "etag=1&title=x&base=nonsense"),
    ] {
        let answer = site.post(path, fields).await;

        assert_eq!(answer.status, 422, "{path} {fields}");
        answer.says("The form was not whole");
    }
    assert_eq!(backend.changes(), []);
}

#[tokio::test]
async fn a_form_that_breaks_off_is_refused() {
    let backend = backend();
    let site = Site::with(&backend).await;
    let token = site.token().await;
    let parts = [
        Ok(format!("csrf={token}&name=x")),
        Err(std::io::Error::other("the browser is gone")),
    ];
    let body = Body::from_stream(stream::iter(parts));

    let request = form("/lists", "").map(|_| body);

    assert_eq!(site.send(request).await.status, 400);
    assert_eq!(backend.changes(), []);
}

#[tokio::test]
async fn a_form_that_stands_still_is_not_waited_for() {
    let backend = backend();
    let site = Site::with(&backend).await;
    let token = site.token().await;
    let begun = Bytes::from(format!("csrf={token}&name="));
    let body = stream::iter([Ok::<_, Infallible>(begun)]).chain(stream::pending());
    let mut request = form("/lists", "");
    *request.body_mut() = Body::from_stream(body);

    tokio::time::pause();
    let answer = site.send(request).await;

    assert_eq!(answer.status, 408);
    answer.says("It came too slowly");
    assert_eq!(backend.changes(), []);
}
