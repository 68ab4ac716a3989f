//! Whoever holds a token of the frontend's service account, and calls the backend
//! with it.

use e2e::stack::Stack;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::backend_calls::token_of;

/// A caller of the backend's API.
#[derive(Clone)]
pub(crate) struct Caller {
    client: reqwest::Client,
    base: String,
    token: String,
}

/// What the backend answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    /// `null` when there is none.
    pub(crate) body: Value,
}

impl Caller {
    /// With the frontend's own token for the backend.
    pub(crate) async fn of(stack: &Stack) -> Self {
        let request = token_of("frontend", "todolist-backend");
        let token = stack.control().sign_token(&request).await.expect("signed");
        let address = stack.address("backend").expect("the backend serves");
        Self {
            client: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            base: format!("http://{address}/api/v1"),
            token,
        }
    }

    /// A request to a path below `/api/v1`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.client.request(method, url).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// A create that may be repeated.
    pub(crate) async fn post_once(&self, path: &str, key: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path).json(body);
        answer(request.header("idempotency-key", key)).await
    }

    /// A patch of this version.
    pub(crate) async fn patch(&self, path: &str, etag: &str, body: &Value) -> Answer {
        let request = self.request(Method::PATCH, path).json(body);
        answer(request.header("if-match", etag)).await
    }

    /// A deletion of this version.
    pub(crate) async fn delete(&self, path: &str, etag: &str) -> Answer {
        let request = self.request(Method::DELETE, path);
        answer(request.header("if-match", etag)).await
    }

    /// A new list of this name: where its todos are.
    pub(crate) async fn list(&self, name: &str) -> String {
        let list = self
            .post("/lists", &serde_json::json!({ "name": name }))
            .await;
        format!("/lists/{}", list.created().text("id"))
    }

    /// A new todo of this title in a list.
    pub(crate) async fn todo(&self, list: &str, title: &str) -> Answer {
        let new = serde_json::json!({ "title": title });
        self.post(&format!("{list}/todos"), &new).await.created()
    }

    /// Every page of something, one after the other.
    pub(crate) async fn pages(&self, path: &str, limit: usize) -> Vec<Vec<Value>> {
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

/// Sends it, and reads what comes back.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.expect("a body");
    let body = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body).expect("JSON"),
    };
    Answer {
        status,
        headers,
        body,
    }
}

impl Answer {
    /// A member of the body.
    pub(crate) fn text(&self, member: &str) -> &str {
        self.body[member]
            .as_str()
            .unwrap_or_else(|| panic!("no {member} in {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    pub(crate) fn etag(&self) -> String {
        assert_eq!(self.header("etag"), self.text("etag"), "{self:?}");
        self.text("etag").to_owned()
    }

    pub(crate) fn created(self) -> Self {
        assert_eq!(self.status, 201, "{self:?}");
        let location = self.header("location");
        assert!(location.ends_with(self.text("id")), "{self:?}");
        self
    }

    pub(crate) fn items(&self) -> Vec<Value> {
        let items = self.body["items"].as_array();
        items
            .unwrap_or_else(|| panic!("no items in {self:?}"))
            .clone()
    }

    /// That it is a problem of this kind, with everything that a problem has.
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.text("code"), code, "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("x-request-id"), self.text("requestId"));
    }
}
