//! The client of the backend's API: what the frontend asks it, in the frontend's
//! own view of the wire, and what its refusals mean.
//!
//! The hop is Kubernetes' trust and no Azure path: each request carries this
//! pod's projected token for the audience of the backend, which accepts exactly
//! this service account. Failed requests are not repeated here; a person is
//! there to decide that.

mod failure;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use platform::access::AccessReport;
use platform::identity::ProjectedToken;
use platform::request_id::{REQUEST_ID, RequestId};
use platform::telemetry;
use platform::telemetry::dependency::{self, Outcome};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::json;
use url::Url;

pub(crate) use failure::{BackendFailure, Refusal};
pub(crate) use wire::{Attachment, Status, Todo};

use crate::id::{Id, ListId};
use wire::{Lists, Todos};

/// The time of one call. More than the backend needs for its own retries.
const PATIENCE: Duration = Duration::from_secs(12);

/// The time of a run of the backend's access probe, which may wait for services
/// that do not answer.
const PROBE_PATIENCE: Duration = Duration::from_secs(90);

/// The backend's API. A cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    http: reqwest::Client,
    base: Url,
    token: ProjectedToken,
}

impl Backend {
    /// The API at this address, called with the token in this file.
    pub(crate) fn new(base: Url, token_file: PathBuf) -> Self {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(2))
            .timeout(PATIENCE)
            // Before the backend closes what is idle: a request must not meet that.
            .pool_idle_timeout(Duration::from_secs(15))
            // The token is for the backend and for nobody on the way or elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("the options are constant, and TLS has its provider since main");
        Self {
            http,
            base,
            token: ProjectedToken::new(token_file),
        }
    }

    /// Whether the backend answers, and accepts this pod.
    pub(crate) async fn reach(&self) -> Result<(), BackendFailure> {
        let Lists {} = self.get("ask for the lists", &["lists"]).await?;
        Ok(())
    }

    /// The todos of a list with their attachments, the newest first.
    pub(crate) async fn todos(&self, list: &ListId) -> Result<Vec<Todo>, BackendFailure> {
        let path = ["lists", list.as_str(), "todos"];
        let Todos { todos } = self.get("ask for todos", &path).await?;
        Ok(todos)
    }

    /// Adds a todo.
    pub(crate) async fn add(&self, list: &ListId, title: &str) -> Result<(), BackendFailure> {
        let path = ["lists", list.as_str(), "todos"];
        let request = self.request(Method::POST, &path);
        self.send("add a todo", request.json(&json!({ "title": title })))
            .await?;
        Ok(())
    }

    /// Marks a todo as done.
    pub(crate) async fn complete(&self, list: &ListId, todo: &Id) -> Result<(), BackendFailure> {
        let path = ["lists", list.as_str(), "todos", todo.as_str(), "complete"];
        self.send("complete a todo", self.request(Method::POST, &path))
            .await?;
        Ok(())
    }

    /// Deletes a todo.
    pub(crate) async fn delete(&self, list: &ListId, todo: &Id) -> Result<(), BackendFailure> {
        let path = ["lists", list.as_str(), "todos", todo.as_str()];
        self.send("delete a todo", self.request(Method::DELETE, &path))
            .await?;
        Ok(())
    }

    /// Announces a file: its metadata, pending until the worker has read it.
    pub(crate) async fn attach(
        &self,
        list: &ListId,
        todo: &Id,
        name: &str,
        content_type: &str,
    ) -> Result<Attachment, BackendFailure> {
        let path = [
            "lists",
            list.as_str(),
            "todos",
            todo.as_str(),
            "attachments",
        ];
        let request = self.request(Method::POST, &path);
        let body = json!({ "name": name, "contentType": content_type });
        self.call("announce a file", request.json(&body)).await
    }

    /// The metadata of an attachment.
    pub(crate) async fn attachment(
        &self,
        list: &ListId,
        attachment: &Id,
    ) -> Result<Attachment, BackendFailure> {
        let path = ["lists", list.as_str(), "attachments", attachment.as_str()];
        self.get("ask for an attachment", &path).await
    }

    /// What the backend's own identity may do, as its probe last found. `None`
    /// before its first run, or without a probe.
    pub(crate) async fn access(&self) -> Result<Option<AccessReport>, BackendFailure> {
        match self.get("ask for the access report", &["access"]).await {
            Ok(report) => Ok(Some(report)),
            Err(failure) if failure.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Runs the backend's access probe.
    pub(crate) async fn probe_access(&self) -> Result<AccessReport, BackendFailure> {
        let request = self.request(Method::POST, &["access"]);
        self.call("run the access probe", request.timeout(PROBE_PATIENCE))
            .await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &[&str],
    ) -> Result<T, BackendFailure> {
        self.call(operation, self.request(Method::GET, path)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<T, BackendFailure> {
        let response = self.send(operation, request).await?;
        response
            .json()
            .await
            .map_err(|error| BackendFailure::lost(operation, error))
    }

    async fn send(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<Response, BackendFailure> {
        let authorization = self
            .token
            .authorization()
            .await
            .map_err(BackendFailure::Token)?;
        let mut headers = HeaderMap::from_iter([(header::AUTHORIZATION, authorization)]);
        if let Some(id) = RequestId::current() {
            headers.insert(REQUEST_ID, id.header_value());
        }
        let sending = async {
            telemetry::context::inject(&mut headers);
            request.headers(headers).send().await
        };
        let response = dependency::call("backend", operation, sending, outcome)
            .await
            .map_err(|error| BackendFailure::lost(operation, error))?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(failure::read(operation, response).await)
        }
    }

    /// A request to a path below `/api/v1`. Each segment is encoded, so that an
    /// id stays one.
    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("the settings take http and https only")
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(path);
        self.http.request(method, url)
    }
}

fn outcome(sent: &reqwest::Result<Response>) -> Outcome {
    sent.as_ref().map_or(Outcome::Failed, |answer| {
        Outcome::of_status(answer.status().as_u16())
    })
}
