//! The page of all lists.

use serde_json::{Value, json};

use super::{KEY, inbox, list, page, with};
use crate::testing::{FakeBackend, Site};

const HOME: &str = "44444444-4444-4444-8444-444444444444";

fn home(name: &str) -> Value {
    with(list(name), json!({ "id": HOME }))
}

#[tokio::test]
async fn the_first_page_is_that_of_the_lists() {
    let site = Site::without_backend().await;

    let answer = site.get("/").await;

    assert_eq!((answer.status, answer.header("location")), (303, "/lists"));
}

#[tokio::test]
async fn the_lists_are_there_with_a_form_for_another() {
    let lists = page(&[list("Inbox"), home("Home")]);
    let site = Site::with(&FakeBackend::default().on("GET /lists", 200, lists)).await;

    let answer = site.get("/lists").await;

    assert_eq!(answer.status, 200);
    answer.says("href=\"/lists/inbox\">Inbox</a>");
    answer.says(&format!("href=\"/lists/{HOME}\">Home</a>"));
    answer.says("action=\"/lists\"");
    answer.says_not("class=\"pages\"");
}

#[tokio::test]
async fn many_lists_have_pages() {
    let first = json!({ "items": [list("Inbox")], "next": "bmV4dA" });
    let backend = FakeBackend::default()
        .on("GET /lists?limit=50", 200, first)
        .on(
            "GET /lists?limit=50&after=bmV4dA",
            200,
            page(&[home("Home")]),
        );
    let site = Site::with(&backend).await;

    site.get("/lists")
        .await
        .says("href=\"/lists?after=bmV4dA\">Next page</a>");
    let second = site.get("/lists?after=bmV4dA").await;

    second.says("Home");
    second.says("href=\"/lists\">First page</a>");
    assert_eq!(site.get("/lists?after=a%2Fb").await.status, 404);
}

#[tokio::test]
async fn a_list_is_made_once_however_often_its_form_is_sent() {
    let backend = inbox(&[]).on("POST /lists", 201, home("Home"));
    let site = Site::with(&backend).await;

    for name in ["+Home+", "+Home+", "Work"] {
        let answer = site.post("/lists", &format!("key={KEY}&name={name}")).await;
        assert_eq!(answer.status, 303);
        assert_eq!(answer.header("location"), format!("/lists/{HOME}"));
    }

    let asked = backend.changes();
    assert_eq!(asked[0].body, json!({ "name": "Home" }));
    let keys: Vec<&str> = asked
        .iter()
        .map(|asked| asked.header("idempotency-key"))
        .collect();
    assert_eq!(keys[0], keys[1]);
    assert_ne!(
        keys[0], keys[2],
        "somebody went back and wrote another name"
    );
}

#[tokio::test]
async fn a_name_has_to_have_something_in_it_and_not_too_much() {
    let backend = inbox(&[]);
    let site = Site::with(&backend).await;

    let long = format!("name={}", "x".repeat(101));
    for (form, words) in [
        ("name=++", "A name has at least one character."),
        (&long, "A name has at most 100 characters."),
    ] {
        let answer = site.post("/lists", form).await;
        assert_eq!(answer.status, 422);
        answer.says(words);
    }
    assert_eq!(backend.changes(), []);
}
