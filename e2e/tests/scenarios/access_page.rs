//! The Access page: on where the manifests say so, and nowhere else.

use e2e::stack::{Options, Stack};
use reqwest::{Method, StatusCode};

use crate::api::token_of;
use crate::person::Person;
use crate::stage::start;

/// What anybody gets who asks for something on a port of a pod.
async fn status(url: &str, method: Method, token: Option<&str>) -> StatusCode {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let mut request = client.request(method, url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.expect("an answer").status()
}

/// The backend's own report, as the frontend's pod asks for it.
async fn backends_report(stack: &Stack, method: Method) -> StatusCode {
    let frontend = token_of("frontend", "todolist-backend");
    let token = stack.control().sign_token(&frontend).await.expect("signed");
    let address = stack.address("backend").expect("the backend serves");
    status(
        &format!("http://{address}/api/v1/access"),
        method,
        Some(&token),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_base_alone_tells_nobody_who_may_do_what() {
    let stack = start(Options::base()).await;
    let person = Person::at(&stack);

    let page = person.open("/").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.words());
    assert!(!page.text.contains("href=\"/access\""), "{}", page.text);
    for path in ["/access", "/access/"] {
        let page = person.open(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{}", page.words());
    }
    for method in [Method::GET, Method::POST] {
        for pod in ["frontend", "backend", "worker"] {
            let url = stack.management_url(pod, "access").expect("a pod");
            let found = status(&url, method.clone(), None).await;
            assert_eq!(found, StatusCode::NOT_FOUND, "{method} {url} of {pod}");
        }
        let found = backends_report(&stack, method.clone()).await;
        assert_eq!(found, StatusCode::NOT_FOUND, "{method} at the backend");
    }
    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_draws_the_way_and_names_the_line_behind_each_cell() {
    let stack = start(Options::default()).await;
    let person = Person::at(&stack);

    let page = person.open("/access").await;

    assert_eq!(page.status, StatusCode::OK, "{}", page.words());
    for (part, times) in [
        ("class=\"fig-station done\"", 5),
        ("<g class=\"fig-ribbon", 3),
        ("<details class=\"cell ", 44),
        ("not known", 0),
    ] {
        assert_eq!(page.text.matches(part).count(), times, "{part}");
    }
    let model = std::fs::read_to_string(e2e::default_model()).expect("infra/access.json");
    let line = 1 + model
        .lines()
        .position(|line| {
            line.contains("\"frontend\"") && line.contains("bus/queues/attachment-jobs")
        })
        .expect("the grant");
    assert!(
        page.text.contains(&format!("access.json, line {line}<")),
        "line {line} is not in {}",
        page.words()
    );
    stack.stop(|_| {}).await.expect("everything ends");
}
