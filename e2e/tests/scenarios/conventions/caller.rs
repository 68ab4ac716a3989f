//! What a caller of the backend does, and what it finds in an answer.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::api::{Answer, Api};

/// Sends it, and reads what comes back.
pub(super) async fn answer(request: RequestBuilder) -> Answer {
    Answer::to(request).await.expect("the backend answers")
}

impl Api {
    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// A create that may be repeated.
    pub(super) async fn post_once(&self, path: &str, key: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path).json(body);
        answer(request.header("idempotency-key", key)).await
    }

    /// A patch of this version.
    pub(super) async fn patch(&self, path: &str, etag: &str, body: &Value) -> Answer {
        let request = self.request(Method::PATCH, path).json(body);
        answer(request.header("if-match", etag)).await
    }

    /// A deletion of this version.
    pub(super) async fn delete(&self, path: &str, etag: &str) -> Answer {
        let request = self.request(Method::DELETE, path);
        answer(request.header("if-match", etag)).await
    }

    /// A new list of this name: the path of it.
    pub(super) async fn list(&self, name: &str) -> String {
        let list = self.post("lists", &json!({ "name": name })).await;
        format!("lists/{}", list.created().text("id"))
    }

    /// A new todo of this title in a list.
    pub(super) async fn todo(&self, list: &str, title: &str) -> Answer {
        let new = json!({ "title": title });
        self.post(&format!("{list}/todos"), &new).await.created()
    }

    /// Every page of something, one after the other.
    pub(super) async fn pages(&self, path: &str, limit: usize) -> Vec<Vec<Value>> {
        let mut pages = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.get(&format!("{path}?limit={limit}{after}")).await;
            assert_eq!(page.status, 200, "{page:?}");
            pages.push(page.items());
            match page.body["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return pages,
            }
        }
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// The `ETag`, which body and header agree about.
    pub(super) fn version(&self) -> String {
        assert_eq!(self.etag(), self.text("etag"), "{self:?}");
        self.etag().to_owned()
    }

    pub(super) fn created(self) -> Self {
        assert_eq!(self.status, 201, "{self:?}");
        let location = self.header("location");
        assert!(location.ends_with(self.text("id")), "{self:?}");
        self
    }

    pub(super) fn items(&self) -> Vec<Value> {
        let items = self.body["items"].as_array();
        items
            .unwrap_or_else(|| panic!("no items in {self:?}"))
            .clone()
    }

    /// That it is a problem of this kind, with everything that a problem has.
    pub(super) fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.text("code"), code, "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("x-request-id"), self.text("requestId"));
    }
}
