//! The backend's API, called with the token that the frontend's pod has.

use e2e::stack::Stack;
use local_cloud::TokenRequest;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;

/// Someone who may call the backend.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base: Url,
    token: String,
}

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// What the cluster is asked to sign, for a pod of a service account.
pub(crate) fn token_of(service_account: &str, audience: &str) -> TokenRequest {
    TokenRequest {
        namespace: "todolist".to_owned(),
        service_account: service_account.to_owned(),
        audience: audience.to_owned(),
        lifetime_seconds: 600,
        age_seconds: 0,
    }
}

impl Api {
    /// At the backend's Service.
    pub(crate) async fn at(stack: &Stack) -> Self {
        Self::at_pod(stack, "backend").await
    }

    /// At one of several pods of the backend.
    pub(crate) async fn at_pod(stack: &Stack, pod: &str) -> Self {
        let request = token_of("frontend", "todolist-backend");
        let token = stack.control().sign_token(&request).await.expect("signed");
        let address = stack.address(pod).expect("the backend serves");
        let http = reqwest::Client::builder().no_proxy().build();
        Self {
            http: http.expect("a client"),
            base: Url::parse(&format!("http://{address}/api/v1/")).expect("a URL"),
            token,
        }
    }

    /// A request to a path below `/api/v1/`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.base.join(path).expect("a path of the API");
        self.http.request(method, url).bearer_auth(&self.token)
    }

    /// Gets a path below `/api/v1/`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let answer = Answer::to(self.request(Method::GET, path)).await;
        answer.expect("the backend answers")
    }

    /// Creates something.
    pub(crate) async fn create(&self, path: &str, body: &Value) -> Answer {
        let answer = Answer::to(self.request(Method::POST, path).json(body)).await;
        let answer = answer.expect("the backend answers");
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        answer
    }

    /// Every item of a list of pages.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut page = format!("{path}?limit=200");
        loop {
            let answer = self.get(&page).await;
            assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
            items.extend(answer.body["items"].as_array().expect("items").clone());
            match answer.body["next"].as_str() {
                Some(next) => page = format!("{path}?limit=200&after={next}"),
                None => return items,
            }
        }
    }
}

impl Answer {
    /// Sends a request; an error is one of the connection.
    pub(crate) async fn to(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Self {
            status,
            headers,
            body,
        })
    }

    /// The text of a member of the body.
    pub(crate) fn text(&self, member: &str) -> &str {
        let text = self.body[member].as_str();
        text.unwrap_or_else(|| panic!("no {member} in {:?}", self.body))
    }

    /// Its `ETag`.
    pub(crate) fn etag(&self) -> &str {
        let etag = self.headers.get("etag");
        let etag = etag.unwrap_or_else(|| panic!("no ETag: {:?}", self.body));
        etag.to_str().expect("text")
    }
}
