//! What goes wrong upstream, and what is not there.

use http::{Method, Request};

use super::{inbox, list, page};
use crate::testing::{FakeBackend, Site};

#[tokio::test]
async fn a_page_without_the_backend_says_what_to_do() {
    let site = Site::without_backend().await;

    let answer = site.get("/lists/inbox").await;

    assert_eq!(answer.status, 502);
    answer.says("The backend is away");
    answer.says("Reload in a moment");
    answer.says(answer.header("x-request-id"));
}

#[tokio::test]
async fn what_the_backend_refuses_becomes_a_page_that_helps() {
    for (status, code, detail, answered, words) in [
        (404, "no_such_list", "no", 404, "There is nothing here"),
        (
            409,
            "too_many_attachments",
            "no",
            409,
            "as many files as it may have",
        ),
        (
            422,
            "invalid",
            "a title has <200",
            422,
            "A title has &#60;200.",
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
        let backend = inbox(&[]).refusing("POST /lists", status, code, detail);
        let site = Site::with(&backend).await;

        let answer = site.post("/lists", "name=x").await;

        assert_eq!(answer.status, answered, "{code}");
        answer.says(words);
        answer.says_not("secret");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_page_too() {
    let backend = FakeBackend::default();
    let site = Site::with(&backend).await;

    for path in [
        "/nowhere",
        "/access",
        "/lists/..",
        "/lists/%2e%2e",
        "/lists/..%2f..%2fetc%2fpasswd",
        "/lists/In%20box",
        "/lists/INBOX",
        "/lists/inbox/",
        "/lists/%ff",
        "/lists/%00",
        "/lists/:lists",
        "/lists/inbox/todos/..",
        "/lists/inbox/todos/1",
        "/lists/inbox/attachments/b%2Fc",
        "/lists/..%2f/events",
        "/assets/../Cargo.toml",
        "/assets/x/..%2f..%2fCargo.toml",
        "/assets/x/main.rs",
    ] {
        let answer = site.get(path).await;

        assert_eq!(answer.status, 404, "{path}");
        answer.says("There is nothing here");
    }
    assert_eq!(backend.asked(), []);
}

#[tokio::test]
async fn another_method_is_refused() {
    let site = Site::with(&FakeBackend::default().on("GET /lists", 200, page(&[list("x")]))).await;

    for (method, path) in [
        ("DELETE", "/lists/inbox"),
        ("POST", "/lists/inbox"),
        ("PUT", "/lists"),
        ("BREW", "/lists"),
        ("GET", "/lists/inbox/share"),
        ("POST", "/lists/inbox/events"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = Request::builder().method(method.clone()).uri(path);
        let answer = site.send(request.body("".into()).expect("a request")).await;

        assert_eq!(answer.status, 405, "{method} {path}");
        answer.says("This page cannot do that");
    }
}
