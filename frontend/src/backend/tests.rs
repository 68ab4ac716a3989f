//! Calls whose connections break, with a backend that answers on a port.

use std::io::Write as _;
use std::time::Duration;

use serde_json::json;
use tempfile::NamedTempFile;
use uuid::Uuid;

use super::*;
use crate::testing::FakeBackend;

const LIST: &str = "44444444-4444-4444-8444-444444444444";

fn list() -> serde_json::Value {
    json!({ "id": LIST, "name": "Home", "createdAt": "2026-11-23T10:00:00Z", "etag": "\"2\"" })
}

async fn client(backend: &FakeBackend) -> (Backend, NamedTempFile) {
    let mut token = NamedTempFile::new().expect("a file");
    token.write_all(b"pod-token").expect("a token");
    let address = backend.serve().await;
    (Backend::new(address, token.path().to_owned()), token)
}

fn list_id() -> ListId {
    ListId::try_from(LIST.to_owned()).expect("an id")
}

fn etag() -> ETag {
    ETag::try_from("\"1\"".to_owned()).expect("an ETag")
}

#[tokio::test]
async fn what_may_be_repeated_is_asked_again_when_its_connection_breaks() {
    let key = IdempotencyKey::new(Uuid::from_u128(1), &["Home"]);
    let backend = FakeBackend::default()
        .on(&format!("GET /lists/{LIST}"), 200, list())
        .on(&format!("PATCH /lists/{LIST}"), 200, list())
        .on("POST /lists", 201, list());

    let (client, _token) = client(&backend.clone().breaking(2)).await;
    client.list(&list_id()).await.expect("the list");
    let (client, _token) = self::client(&backend.clone().breaking(2)).await;
    client.create_list("Home", &key).await.expect("the list");
    let (client, _token) = self::client(&backend.clone().breaking(2)).await;
    client
        .rename_list(&list_id(), "Home", &etag())
        .await
        .expect("the name");

    assert_eq!(backend.asked().len(), 3);
}

#[tokio::test]
async fn what_may_not_be_repeated_is_asked_once() {
    let backend = FakeBackend::default().breaking(1);
    let (client, _token) = client(&backend).await;

    let failure = client
        .probe_access()
        .await
        .expect_err("a broken connection");

    assert!(failure.is_broken_off(), "{failure}");
    assert_eq!(backend.asked(), []);
}

#[tokio::test]
async fn a_backend_that_is_away_is_given_up_soon() {
    let backend = FakeBackend::default().breaking(u32::MAX);
    let (client, _token) = client(&backend).await;
    let begin = std::time::Instant::now();

    let failure = client.list(&list_id()).await.expect_err("no answer");

    assert_eq!(
        failure.to_string(),
        "cannot ask for a list: no answer of the backend"
    );
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn an_answer_is_never_asked_for_again() {
    let backend = FakeBackend::default().refusing(
        &format!("GET /lists/{LIST}"),
        503,
        "dependency_unavailable",
        "Cosmos DB",
    );
    let (client, _token) = client(&backend).await;

    let failure = client.list(&list_id()).await.expect_err("a refusal");

    assert_eq!(
        failure.to_string(),
        "cannot ask for a list: the backend answered 503 dependency_unavailable: Cosmos DB"
    );
    assert_eq!(backend.asked().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_not_understood_says_so() {
    let backend = FakeBackend::default().on(&format!("GET /lists/{LIST}"), 200, json!({}));
    let (client, _token) = client(&backend).await;

    let failure = client.list(&list_id()).await.expect_err("no list");

    assert_eq!(
        failure.to_string(),
        "cannot ask for a list: the backend's answer is not understood"
    );
}

#[tokio::test]
async fn the_token_is_read_again_for_each_call() {
    let backend = FakeBackend::default().on(&format!("GET /lists/{LIST}"), 200, list());
    let (client, token) = client(&backend).await;
    client.list(&list_id()).await.expect("the list");
    std::fs::write(token.path(), "rotated").expect("the kubelet's rotation");

    client.list(&list_id()).await.expect("the list");

    assert_eq!(backend.asked()[1].header("authorization"), "Bearer rotated");
}
