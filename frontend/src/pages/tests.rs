//! The pages as a browser meets them, with a backend that answers on a port, and
//! blobs, jobs and activity in memory.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use time::macros::datetime;

use crate::activity::tests::entry;
use crate::testing::{Answer, FakeBackend, MemoryFeed, Site, blob_failure};

const UPLOAD: &str = "/lists/inbox/todos/t1/attachments";
const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"plan.txt\"\r\n\
    Content-Type: text/plain";

fn attachment(name: &str, status: &str) -> Value {
    json!({ "id": "a1", "todoId": "t1", "name": name, "contentType": "text/plain",
        "status": status, "sizeBytes": 11, "detectedType": "text/plain",
        "reason": "there is no blob" })
}

fn todos(title: &str, done: bool, attachments: &[Value]) -> Value {
    json!({ "todos": [{ "id": "t1", "listId": "inbox", "title": title, "done": done,
        "createdAt": "2026-11-23T10:00:00Z", "attachments": attachments, "etag": "e" }] })
}

fn problem(status: u16, code: &str, detail: &str) -> FakeBackend {
    let body = json!({ "type": "about:blank", "title": "", "status": status, "code": code,
        "detail": detail });
    FakeBackend::answering(status, body)
}

async fn list_with(todos: Value) -> Answer {
    let site = Site::with(&FakeBackend::answering(200, todos)).await;
    site.get("/lists/inbox").await
}

#[tokio::test]
async fn the_home_page_is_the_inbox() {
    let site = Site::without_backend().await;

    let answer = site.get("/").await;

    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), "/lists/inbox");
}

#[tokio::test]
async fn a_list_shows_todos_files_and_activity() {
    let files = [attachment("plan.txt", "ready")];
    let backend = FakeBackend::answering(200, todos("Buy milk", false, &files));
    let at = datetime!(2026-11-23 10:00 UTC);
    let feed = MemoryFeed(Some(vec![entry("todo.added", "Buy milk", at)]));
    let site = Site::with_feed(&backend, feed).await;

    let answer = site.get("/lists/inbox").await;

    assert_eq!(answer.status, 200);
    let html = answer.text();
    for part in [
        "<h1 id=\"todos\">Inbox</h1>",
        "<p class=\"title\">Buy milk</p>",
        "action=\"/lists/inbox/todos/t1/complete\"",
        "action=\"/lists/inbox/todos/t1/delete\"",
        "<a href=\"/lists/inbox/attachments/a1\">plan.txt</a>",
        "11 bytes, text/plain",
        "<span class=\"what\">Added</span> Buy milk",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    assert!(
        !html.contains("<script") && !html.contains("style="),
        "{html}"
    );
}

#[tokio::test]
async fn a_list_is_there_without_its_activity() {
    let backend = FakeBackend::answering(200, todos("Buy milk", false, &[]));
    let site = Site::with_feed(&backend, MemoryFeed(None)).await;

    let answer = site.get("/lists/inbox").await;

    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("Buy milk"));
    assert!(
        answer.text().contains(
            "Blob Storage refused this pod&#39;s identity: 403 AuthorizationPermissionMismatch"
        ),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn what_people_type_is_text_and_never_markup() {
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let files = [attachment(evil, "failed"), attachment(evil, "ready")];
    let backend = FakeBackend::answering(200, todos(evil, false, &files));
    let at = datetime!(2026-11-23 10:00 UTC);
    let feed = MemoryFeed(Some(vec![entry("todo.added", evil, at)]));
    let site = Site::with_feed(&backend, feed).await;

    let answer = site.get("/lists/inbox").await;

    let html = answer.text();
    assert!(html.contains("&#60;script&#62;alert(1)"), "{html}");
    for markup in ["<script", "<img", "\"'>"] {
        assert!(!html.contains(markup), "{markup} is in {html}");
    }
}

#[tokio::test]
async fn only_a_file_that_is_ready_has_a_link() {
    for (status, badge) in [("pending", "pending"), ("failed", "there is no blob")] {
        let answer = list_with(todos("t", true, &[attachment("plan.txt", status)])).await;

        assert!(answer.text().contains(badge), "{}", answer.text());
        assert!(
            !answer.text().contains("/attachments/a1"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_notice_is_one_of_ours_or_none() {
    let site = Site::with(&FakeBackend::answering(200, json!({ "todos": [] }))).await;

    let ours = site.get("/lists/inbox?notice=processing-delayed").await;
    let other = site.get("/lists/inbox?notice=%3Cb%3Eyou+won").await;

    assert!(ours.text().contains("processing it may take"));
    assert_eq!(other.status, 200);
    assert!(!other.text().contains("you won"));
}

#[tokio::test]
async fn a_todo_is_added_through_the_backend_as_this_pod() {
    let backend = FakeBackend::answering(201, json!({}));
    let site = Site::with(&backend).await;

    let answer = site
        .post("/lists/inbox/todos", "title=+Buy+%3Cmilk%3E+")
        .await;

    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), "/lists/inbox");
    let asked = &backend.asked()[0];
    assert_eq!(asked.request, "POST /api/v1/lists/inbox/todos");
    assert_eq!(asked.authorization.as_deref(), Some("Bearer pod-token"));
    assert_eq!(
        asked.request_id.as_deref(),
        Some(answer.header("x-request-id"))
    );
    assert_eq!(asked.body, json!({ "title": "Buy <milk>" }));
}

#[tokio::test]
async fn a_form_that_is_far_too_long_is_not_read() {
    let backend = FakeBackend::answering(201, json!({}));
    let site = Site::with(&backend).await;

    let request = Request::post("/lists/inbox/todos")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("title={}", "x".repeat(16 * 1024)).into())
        .expect("a request");

    let answer = site.send(request).await;

    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("The form was not whole"));
    assert_eq!(backend.asked(), []);
}

#[tokio::test]
async fn the_token_is_read_again_for_each_call() {
    let backend = FakeBackend::answering(200, json!({ "todos": [] }));
    let site = Site::with(&backend).await;
    site.get("/lists/inbox").await;
    std::fs::write(site.token_file.path(), "rotated").expect("the kubelet's rotation");

    site.get("/lists/inbox").await;

    let authorization = backend.asked()[1].authorization.clone();
    assert_eq!(authorization.as_deref(), Some("Bearer rotated"));
}

#[tokio::test]
async fn todos_are_completed_and_deleted_by_their_forms() {
    let backend = FakeBackend::answering(200, json!({}));
    let site = Site::with(&backend).await;

    for form in ["complete", "delete"] {
        let answer = site
            .post(&format!("/lists/inbox/todos/t1/{form}"), "")
            .await;
        assert_eq!(answer.status, 303);
    }

    let requests: Vec<String> = backend.asked().into_iter().map(|it| it.request).collect();
    assert_eq!(
        requests,
        [
            "POST /api/v1/lists/inbox/todos/t1/complete",
            "DELETE /api/v1/lists/inbox/todos/t1"
        ]
    );
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let backend = FakeBackend::answering(201, json!({}));
    let site = Site::with(&backend).await;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.test"),
    ] {
        let request = Request::post("/lists/inbox/todos")
            .header("host", "todo.example")
            .header(name, value)
            .header("content-type", "application/x-www-form-urlencoded")
            .body("title=x".into())
            .expect("a request");

        let answer = site.send(request).await;

        assert_eq!(answer.status, 403, "{name}");
        assert!(answer.text().contains("This did not come from our page"));
    }
    assert_eq!(backend.asked(), []);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let site = Site::without_backend().await;

    for path in ["/", "/lists/inbox", "/style.css", "/nowhere"] {
        let answer = site.get(path).await;

        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
    }
}

#[tokio::test]
async fn the_stylesheet_is_asked_for_once() {
    let site = Site::without_backend().await;
    let first = site.get("/style.css").await;

    let request = Request::get("/style.css")
        .header("if-none-match", first.header("etag"))
        .body("".into())
        .expect("a request");
    let second = site.send(request).await;

    assert_eq!(first.header("content-type"), "text/css; charset=utf-8");
    assert_eq!((first.status, second.status), (200, 304));
    assert!(second.body.is_empty());
}

#[tokio::test]
async fn a_page_without_the_backend_says_what_to_do() {
    let site = Site::without_backend().await;

    let answer = site.get("/lists/inbox").await;

    assert_eq!(answer.status, 502);
    let html = answer.text();
    assert!(html.contains("The backend is away"), "{html}");
    assert!(html.contains("Reload in a moment"), "{html}");
    assert!(html.contains(answer.header("x-request-id")), "{html}");
}

#[tokio::test]
async fn what_the_backend_refuses_becomes_a_page_that_helps() {
    for (status, code, detail, answered, text) in [
        (404, "not_found", "no", 404, "There is nothing here"),
        (
            422,
            "invalid",
            "a title has <200",
            422,
            "a title has &#60;200",
        ),
        (412, "changed", "no", 409, "Somebody else was faster"),
        (
            401,
            "caller_unauthenticated",
            "who?",
            502,
            "does not accept this pod",
        ),
        (403, "caller_forbidden", "not you", 502, "CALLER_SUBJECT"),
        (503, "dependency_unavailable", "Cosmos DB", 503, "Cosmos DB"),
        (500, "internal", "secret", 502, "The backend failed"),
    ] {
        let site = Site::with(&problem(status, code, detail)).await;

        let answer = site.post("/lists/inbox/todos", "title=x").await;

        assert_eq!(answer.status, answered, "{code}");
        assert!(
            answer.text().contains(text),
            "{text} is not in {}",
            answer.text()
        );
        assert!(!answer.text().contains("secret"));
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_page_too() {
    let backend = FakeBackend::answering(200, json!({}));
    let site = Site::with(&backend).await;

    for path in [
        "/nowhere",
        "/access",
        "/lists/..",
        "/lists/In%20box",
        "/lists/a/attachments/b%2Fc",
    ] {
        let answer = site.get(path).await;

        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("There is nothing here"), "{path}");
    }
    assert_eq!(site.post("/lists/inbox", "").await.status, 405);
    assert_eq!(backend.asked(), []);
}

#[tokio::test]
async fn a_form_that_is_none_is_refused() {
    let site = Site::with(&FakeBackend::answering(201, json!({}))).await;

    for form in ["", "name=x"] {
        let answer = site.post("/lists/inbox/todos", form).await;
        assert_eq!(answer.status, 422, "{form}");
    }
}

#[tokio::test]
async fn a_file_is_announced_stored_and_handed_to_the_worker() {
    let backend = FakeBackend::answering(201, attachment("plan.txt", "pending"));
    let site = Site::with(&backend).await;

    let content = vec![Bytes::from_static(b"hello "), Bytes::from_static(b"world")];
    let answer = site.upload(UPLOAD, FILE, content).await;

    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/lists/inbox")
    );
    let asked = &backend.asked()[0];
    assert_eq!(
        asked.request,
        "POST /api/v1/lists/inbox/todos/t1/attachments"
    );
    assert_eq!(
        asked.body,
        json!({ "name": "plan.txt", "contentType": "text/plain" })
    );
    assert_eq!(
        site.blobs.committed("inbox/a1").expect("the blob").concat(),
        b"hello world"
    );
    assert_eq!(
        site.jobs.sent(),
        [json!({ "schema": 1, "listId": "inbox", "attachmentId": "a1" })]
    );
}

#[tokio::test]
async fn a_job_that_cannot_be_sent_is_told_and_the_file_stays() {
    let backend = FakeBackend::answering(201, attachment("plan.txt", "pending"));
    let site = Site::with(&backend).await;
    site.jobs.go_away();

    let answer = site
        .upload(UPLOAD, FILE, vec![Bytes::from_static(b"x")])
        .await;

    assert_eq!(answer.status, 303);
    assert_eq!(
        answer.header("location"),
        "/lists/inbox?notice=processing-delayed"
    );
    assert!(site.blobs.committed("inbox/a1").is_some());
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_and_not_stored() {
    let backend = FakeBackend::answering(201, attachment("plan.txt", "pending"));
    let site = Site::with(&backend).await;
    let megabyte = Bytes::from(vec![7; 1024 * 1024]);

    let answer = site.upload(UPLOAD, FILE, vec![megabyte; 26]).await;

    assert_eq!(answer.status, 413);
    assert!(answer.text().contains("A file can have up to 25 MB."));
    assert_eq!(site.blobs.names(), [""; 0]);
    assert_eq!(site.jobs.sent(), [Value::Null; 0]);
}

#[tokio::test]
async fn a_file_that_says_it_is_too_large_is_not_even_announced() {
    let backend = FakeBackend::answering(201, attachment("plan.txt", "pending"));
    let site = Site::with(&backend).await;
    let request = Request::post(UPLOAD)
        .header("content-type", "multipart/form-data; boundary=b")
        .header("content-length", 30 * 1024 * 1024)
        .body("--b".into())
        .expect("a request");

    let answer = site.send(request).await;

    assert_eq!(answer.status, 413);
    assert_eq!(backend.asked(), []);
}

#[tokio::test]
async fn a_form_without_a_file_says_so() {
    let backend = FakeBackend::answering(201, attachment("plan.txt", "pending"));
    let site = Site::with(&backend).await;

    for head in [
        "Content-Disposition: form-data; name=\"file\"; filename=\"\"",
        "Content-Disposition: form-data; name=\"other\"; filename=\"a\"",
    ] {
        let answer = site.upload(UPLOAD, head, Vec::new()).await;

        assert_eq!(answer.status, 422);
        assert!(answer.text().contains("No file was chosen"));
    }
    assert_eq!(backend.asked(), []);
}

#[tokio::test]
async fn a_form_that_breaks_off_stores_nothing() {
    let backend = FakeBackend::answering(201, attachment("plan.txt", "pending"));
    let site = Site::with(&backend).await;
    let request = Request::post(UPLOAD)
        .header("content-type", "multipart/form-data; boundary=b")
        .body(format!("--b\r\n{FILE}\r\n\r\nhalf a fi").into())
        .expect("a request");

    let answer = site.send(request).await;

    assert_eq!(answer.status, 422);
    assert_eq!(site.blobs.names(), [""; 0]);
    assert_eq!(site.jobs.sent(), [Value::Null; 0]);
}

#[tokio::test]
async fn a_missing_role_on_blobs_is_told_with_its_code() {
    let backend = FakeBackend::answering(201, attachment("plan.txt", "pending"));
    let site = Site::with(&backend).await;
    site.blobs
        .fail_with(|| blob_failure(403, "AuthorizationPermissionMismatch"));

    let answer = site
        .upload(UPLOAD, FILE, vec![Bytes::from_static(b"x")])
        .await;

    assert_eq!(answer.status, 503);
    assert!(
        answer
            .text()
            .contains("403 AuthorizationPermissionMismatch")
    );
    assert_eq!(site.jobs.sent(), [Value::Null; 0]);
}

#[tokio::test]
async fn the_name_of_a_file_is_sanitised_before_it_is_announced() {
    let backend = FakeBackend::answering(201, attachment("plan.txt", "pending"));
    let site = Site::with(&backend).await;
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"../../etc/pass<wd\"";

    site.upload(UPLOAD, head, Vec::new()).await;

    let body = &backend.asked()[0].body;
    assert_eq!(
        *body,
        json!({ "name": "pass_wd", "contentType": "application/octet-stream" })
    );
}

#[tokio::test]
async fn a_file_comes_back_as_it_went_and_is_only_ever_saved() {
    let mut metadata = attachment("plan\r\nX-Evil: 1\".html", "ready");
    metadata["detectedType"] = json!("text/html");
    let site = Site::with(&FakeBackend::answering(200, metadata)).await;
    site.blobs_with("inbox/a1", b"hello world").await;

    let answer = site.get("/lists/inbox/attachments/a1").await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, Bytes::from_static(b"hello world"));
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        (
            "content-disposition",
            "attachment; filename=\"planX-Evil_ 1_.html\"; filename*=UTF-8''planX-Evil_%201_.html",
        ),
        ("content-length", "11"),
        ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "default-src 'none'; sandbox; frame-ancestors 'none'",
        ),
    ] {
        assert_eq!(answer.header(name), value);
    }
    assert!(answer.headers.get("x-evil").is_none());
}

#[tokio::test]
async fn a_harmless_type_is_told() {
    let mut metadata = attachment("cat.png", "ready");
    metadata["detectedType"] = json!("image/png");
    let site = Site::with(&FakeBackend::answering(200, metadata)).await;
    site.blobs_with("inbox/a1", b"hello world").await;

    let answer = site.get("/lists/inbox/attachments/a1").await;

    assert_eq!(answer.header("content-type"), "image/png");
}

#[tokio::test]
async fn a_file_that_is_not_ready_says_so() {
    for (status, text) in [
        ("pending", "It is still being processed."),
        ("failed", "It could not be processed."),
        ("ready", "Its content is gone."),
    ] {
        let backend = FakeBackend::answering(200, attachment("<b>.txt", status));
        let site = Site::with(&backend).await;

        let answer = site.get("/lists/inbox/attachments/a1").await;

        assert_eq!(answer.status, 404);
        assert!(answer.text().contains(text), "{}", answer.text());
        assert!(answer.text().contains("_b_.txt is not ready"));
    }
}

#[tokio::test]
async fn a_page_is_only_read_with_get() {
    let site = Site::without_backend().await;
    let request = Request::builder()
        .method(Method::DELETE)
        .uri("/lists/inbox")
        .body("".into())
        .expect("a request");

    assert_eq!(site.send(request).await.status, 405);
}
