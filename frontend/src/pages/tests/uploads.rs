//! A file on its way up.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::header;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::{FILE, at_todo, attachment, inbox, one_todo, todo};
use crate::testing::{FakeBackend, Site, blob_failure, multipart};

const TEXT: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"plan.txt\"\r\n\
    Content-Type: text/plain";

fn announcing(status: &str) -> FakeBackend {
    inbox(&[]).on(
        &format!("POST {}", at_todo("/attachments")),
        201,
        attachment("plan.txt", status),
    )
}

fn upload() -> String {
    at_todo("/attachments")
}

fn blob() -> String {
    format!("inbox/{FILE}")
}

#[tokio::test]
async fn a_file_is_announced_stored_and_handed_to_the_worker() {
    let backend = announcing("pending");
    let site = Site::with(&backend).await;

    let content = vec![Bytes::from_static(b"hello "), Bytes::from_static(b"world")];
    let answer = site.upload(&upload(), TEXT, content).await;

    assert_eq!(
        (answer.status, answer.header("location")),
        (303, at_todo("").as_str())
    );
    let asked = &backend.changes()[0];
    assert_eq!(
        asked.body,
        json!({ "name": "plan.txt", "contentType": "text/plain" })
    );
    assert_ne!(asked.header("idempotency-key"), "");
    assert_eq!(
        site.blobs.committed(&blob()).expect("the blob").concat(),
        b"hello world"
    );
    assert_eq!(
        site.jobs.sent(),
        [json!({ "schema": 1, "listId": "inbox", "attachmentId": FILE })]
    );
}

#[tokio::test]
async fn a_form_that_was_sent_before_replaces_nothing_and_says_so() {
    // The worker has read the file, or it is stored and the worker has not.
    for status in ["ready", "pending"] {
        let backend = one_todo(todo("Milk"), &[]);
        let announced = format!("POST {}", upload());
        let backend = backend.on(&announced, 201, attachment("plan.txt", status));
        let site = Site::with(&backend).await;
        site.blobs.put(&blob(), b"the first");

        let answer = site
            .upload(&upload(), TEXT, vec![Bytes::from_static(b"the second")])
            .await;

        assert_eq!(answer.status, 303, "{}", answer.text());
        let location = answer.header("location");
        assert_eq!(location, at_todo("?notice=already-attached"));
        assert_eq!(
            site.blobs.committed(&blob()).expect("a blob").concat(),
            b"the first"
        );
        site.get(location).await.says("This form was sent before");
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_sent_is_told_and_the_file_stays() {
    let site = Site::with(&announcing("pending")).await;
    site.jobs.go_away();

    let answer = site
        .upload(&upload(), TEXT, vec![Bytes::from_static(b"x")])
        .await;

    assert_eq!(answer.status, 303);
    assert_eq!(
        answer.header("location"),
        at_todo("?notice=processing-delayed")
    );
    assert!(site.blobs.committed(&blob()).is_some());
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_and_not_stored() {
    let site = Site::with(&announcing("pending")).await;
    let megabyte = Bytes::from(vec![7; 1024 * 1024]);

    let answer = site.upload(&upload(), TEXT, vec![megabyte; 26]).await;

    assert_eq!(answer.status, 413);
    answer.says("It is larger than 25 MB.");
    assert_eq!(site.blobs.names(), [""; 0]);
    assert_eq!(site.jobs.sent(), [Value::Null; 0]);
}

#[tokio::test]
async fn a_file_that_says_it_is_too_large_is_not_even_announced() {
    let backend = announcing("pending");
    let site = Site::with(&backend).await;
    let token = site.token().await;
    let field = "--b\r\nContent-Disposition: form-data; name=";
    let body = format!(
        "{field}\"csrf\"\r\n\r\n{token}\r\n{field}\"key\"\r\n\r\n{FILE}\r\n--b\r\n{TEXT}\r\n\r\nx"
    );
    let mut request = multipart(&upload(), body.into());
    request
        .headers_mut()
        .insert(header::CONTENT_LENGTH, (30 * 1024 * 1024).into());

    let answer = site.send(request).await;

    assert_eq!(answer.status, 413);
    assert_eq!(backend.changes(), []);
}

#[tokio::test]
async fn a_form_without_a_file_says_so() {
    let backend = announcing("pending");
    let site = Site::with(&backend).await;

    for (head, words) in [
        (
            "Content-Disposition: form-data; name=\"file\"; filename=\"\"",
            "No file was chosen",
        ),
        (
            "Content-Disposition: form-data; name=\"other\"; filename=\"a\"",
            "not whole",
        ),
        ("Content-Disposition: form-data; name=\"file\"", "not whole"),
    ] {
        let answer = site.upload(&upload(), head, Vec::new()).await;

        assert_eq!(answer.status, 422);
        answer.says(words);
    }
    assert_eq!(backend.changes(), []);
}

#[tokio::test]
async fn a_form_that_is_not_of_the_session_is_refused_before_its_file_is_looked_at() {
    let backend = announcing("pending");
    let site = Site::with(&backend).await;
    let token = site.token().await;
    let field = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let file = format!("--b\r\n{TEXT}\r\n\r\nx\r\n");

    for body in [
        file.clone(),
        field("csrf", "another") + &field("key", FILE) + &file,
        // Behind the file is too late.
        field("key", FILE) + &file + &field("csrf", &token),
    ] {
        let answer = site
            .send(multipart(&upload(), Body::from(body + "--b--\r\n")))
            .await;

        assert_eq!(answer.status, 403);
        answer.says("Reload the page");
    }
    assert_eq!(backend.changes(), []);
    assert_eq!(site.blobs.names(), [""; 0]);
}

#[tokio::test]
async fn a_form_that_breaks_off_stores_nothing() {
    let site = Site::with(&announcing("pending")).await;
    let token = site.token().await;
    let field = "--b\r\nContent-Disposition: form-data; name=";
    let body = format!(
        "{field}\"csrf\"\r\n\r\n{token}\r\n{field}\"key\"\r\n\r\n{FILE}\r\n--b\r\n{TEXT}\r\n\r\nhalf a fi"
    );

    let answer = site.send(multipart(&upload(), body.into())).await;

    assert_eq!(answer.status, 400);
    answer.says("The form broke off");
    assert_eq!(site.blobs.names(), [""; 0]);
    assert_eq!(site.jobs.sent(), [Value::Null; 0]);
}

#[tokio::test]
async fn a_form_that_never_comes_to_its_file_is_not_held() {
    let site = Site::with(&announcing("pending")).await;
    let _session = site.token().await;
    let noise = vec![Ok::<_, Infallible>(Bytes::from(vec![b'x'; 1024 * 1024])); 8];
    let body = Body::from_stream(stream::iter(noise));

    let answer = site.send(multipart(&upload(), body)).await;

    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn a_missing_role_on_blobs_is_told_with_its_code() {
    let site = Site::with(&announcing("pending")).await;
    site.blobs
        .fail_with(|| blob_failure(403, "AuthorizationPermissionMismatch"));

    let answer = site
        .upload(&upload(), TEXT, vec![Bytes::from_static(b"x")])
        .await;

    assert_eq!(answer.status, 503);
    answer.says("403 AuthorizationPermissionMismatch");
    assert_eq!(site.jobs.sent(), [Value::Null; 0]);
}

#[tokio::test]
async fn name_and_type_of_a_file_are_made_sound_before_it_is_announced() {
    let backend = announcing("pending");
    let site = Site::with(&backend).await;

    for content_type in ["", "\r\nContent-Type: <script>", "\r\nContent-Type: x"] {
        let head = format!(
            "Content-Disposition: form-data; name=\"file\"; filename=\"../../etc/pass<wd\"{content_type}"
        );
        site.upload(&upload(), &head, Vec::new()).await;
    }

    let asked = backend.changes();
    assert_eq!(asked.len(), 3);
    for asked in asked {
        assert_eq!(
            asked.body,
            json!({ "name": "pass_wd", "contentType": "application/octet-stream" })
        );
    }
}

#[tokio::test]
async fn a_name_that_is_no_text_is_refused() {
    let backend = announcing("pending");
    let site = Site::with(&backend).await;
    let token = site.token().await;
    let field = "--b\r\nContent-Disposition: form-data; name=";
    let mut body = format!(
        "{field}\"csrf\"\r\n\r\n{token}\r\n{field}\"key\"\r\n\r\n{FILE}\r\n{field}\"file\"; filename=\"a"
    )
    .into_bytes();
    body.extend_from_slice(b"\xff.txt\"\r\n\r\nx\r\n--b--\r\n");

    let answer = site.send(multipart(&upload(), body.into())).await;

    assert_eq!(answer.status, 400);
    answer.says("This is not text");
    assert_eq!(backend.changes(), []);
}

#[tokio::test]
async fn no_more_files_come_in_than_there_is_room_for() {
    let backend = announcing("pending");
    let site = Site::with(&backend).await;
    let token = site.token().await;
    let cookie = site.take_cookie().expect("a cookie");
    let head = format!(
        "--b\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{token}\r\n--b\r\n\
         Content-Disposition: form-data; name=\"key\"\r\n\r\n{FILE}\r\n--b\r\n{TEXT}\r\n\r\nx"
    );
    let standing_still = || {
        let head = stream::iter([Ok::<_, Infallible>(head.clone())]);
        let body = Body::from_stream(head.chain(stream::pending()));
        let mut request = multipart(&upload(), body);
        let headers = request.headers_mut();
        headers.insert(header::HOST, "localhost".parse().expect("a host"));
        headers.insert(header::COOKIE, cookie.parse().expect("a cookie"));
        site.router.clone().oneshot(request)
    };
    let mut uploads = JoinSet::new();
    while backend.changes().len() < 8 {
        if uploads.len() < 8 {
            uploads.spawn(standing_still());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let mut request = multipart(&upload(), head.clone().into());
    let headers = request.headers_mut();
    headers.insert(header::COOKIE, cookie.parse().expect("a cookie"));
    let answer = site.send(request).await;

    assert_eq!((answer.status, answer.header("retry-after")), (503, "3"));
    answer.says("Too many files at this moment");
}

#[tokio::test]
async fn another_kind_of_body_is_no_form() {
    let site = Site::with(&announcing("pending")).await;
    let answer = site.post(&upload(), "file=x").await;

    assert_eq!(answer.status, 415);
}
