//! The client of the backend's API: what the frontend asks it, in the frontend's
//! own view of the wire, and what its refusals mean.
//!
//! The hop is Kubernetes' trust and no Azure path: each request carries this
//! pod's projected token for the audience of the backend, which accepts exactly
//! this service account.

mod call;
mod failure;
mod key;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};
use platform::access::AccessReport;
use platform::identity::ProjectedToken;
use reqwest::Request;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use url::Url;

pub(crate) use failure::{BackendFailure, Refusal};
pub(crate) use key::IdempotencyKey;
pub(crate) use wire::{Attachment, Content, List, Page, ShareLink, Shared, Status, Todo};

use crate::id::{Cursor, ETag, Id, Link, ListId};
use call::{Call, Caller};
use wire::NewTodo;

/// The time of one call. More than the backend needs for its own retries.
const PATIENCE: Duration = Duration::from_secs(12);

/// The time of a run of the backend's access probe, which may wait for services
/// that do not answer.
const PROBE_PATIENCE: Duration = Duration::from_secs(90);

/// The things on one page of a listing.
const PAGE: &str = "50";

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const SHARE_LINK: HeaderName = HeaderName::from_static("share-link");

/// The backend's API. A cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    base: Url,
    caller: Caller,
}

/// What came of a change.
#[derive(Debug)]
pub(crate) enum Change<T> {
    /// It is done.
    Done,
    /// Somebody else was faster: nothing was done, and this is what it is now.
    Conflict(Box<T>),
}

impl Backend {
    /// The API at this address, called with the token in this file.
    pub(crate) fn new(base: Url, token_file: PathBuf) -> Self {
        Self {
            base,
            caller: Caller::new(ProjectedToken::new(token_file)),
        }
    }

    /// Whether the backend answers, and accepts this pod.
    pub(crate) async fn reach(&self) -> Result<(), BackendFailure> {
        let call = self.call("ask for the lists", Method::GET, &["lists"]);
        self.caller.make(call).await.map(drop)
    }

    /// The lists, the inbox first and then the newest.
    pub(crate) async fn lists(&self, after: Option<&Cursor>) -> Result<Page<List>, BackendFailure> {
        let call = self.call("ask for the lists", Method::GET, &["lists"]);
        self.caller.answer(call.page(after)).await
    }

    /// Makes a list.
    pub(crate) async fn create_list(
        &self,
        name: &str,
        key: &IdempotencyKey,
    ) -> Result<List, BackendFailure> {
        let call = self.call("make a list", Method::POST, &["lists"]);
        let call = call.json(&json!({ "name": name })).once(key);
        self.caller.answer(call).await
    }

    /// A list.
    pub(crate) async fn list(&self, list: &ListId) -> Result<List, BackendFailure> {
        let path = ["lists", list.as_str()];
        self.caller
            .answer(self.call("ask for a list", Method::GET, &path))
            .await
    }

    /// Gives a list another name, if it is still the one of this version.
    pub(crate) async fn rename_list(
        &self,
        list: &ListId,
        name: &str,
        etag: &ETag,
    ) -> Result<Change<List>, BackendFailure> {
        let call = self.call("rename a list", Method::PATCH, &["lists", list.as_str()]);
        let call = call.json(&json!({ "name": name })).if_match(etag);
        // After an attempt whose answer was lost, the name is there already.
        self.change(call, |current: &List| current.name == name)
            .await
    }

    /// The todos of a list, the newest first.
    pub(crate) async fn todos(
        &self,
        list: &ListId,
        after: Option<&Cursor>,
    ) -> Result<Page<Todo>, BackendFailure> {
        let path = ["lists", list.as_str(), "todos"];
        let call = self.call("ask for todos", Method::GET, &path);
        self.caller.answer(call.page(after)).await
    }

    /// Adds a todo.
    pub(crate) async fn add_todo(
        &self,
        list: &ListId,
        content: &Content,
        key: &IdempotencyKey,
    ) -> Result<(), BackendFailure> {
        let path = ["lists", list.as_str(), "todos"];
        let call = self.call("add a todo", Method::POST, &path);
        let call = call.json(&NewTodo::from(content)).once(key);
        self.caller.make(call).await.map(drop)
    }

    /// A todo.
    pub(crate) async fn todo(&self, list: &ListId, todo: &Id) -> Result<Todo, BackendFailure> {
        let call = self.call("ask for a todo", Method::GET, &of_todo(list, todo));
        self.caller.answer(call).await
    }

    /// Writes a todo anew, if it is still the one of this version.
    pub(crate) async fn edit_todo(
        &self,
        list: &ListId,
        todo: &Id,
        content: &Content,
        etag: &ETag,
    ) -> Result<Change<Todo>, BackendFailure> {
        let call = self.call("edit a todo", Method::PATCH, &of_todo(list, todo));
        let call = call.json(content).if_match(etag);
        self.change(call, |current: &Todo| current.content == *content)
            .await
    }

    /// Says that a todo is done, or is not, if it is still the one of this
    /// version.
    pub(crate) async fn mark_todo(
        &self,
        list: &ListId,
        todo: &Id,
        done: bool,
        etag: &ETag,
    ) -> Result<Change<Todo>, BackendFailure> {
        let call = self.call("mark a todo", Method::PATCH, &of_todo(list, todo));
        let call = call.json(&json!({ "done": done })).if_match(etag);
        self.change(call, |current: &Todo| current.content.done == done)
            .await
    }

    /// Deletes a todo, if it is still the one of this version.
    pub(crate) async fn delete_todo(
        &self,
        list: &ListId,
        todo: &Id,
        etag: &ETag,
    ) -> Result<Change<Todo>, BackendFailure> {
        let call = self.call("delete a todo", Method::DELETE, &of_todo(list, todo));
        self.change(call.if_match(etag), |_| false).await
    }

    /// The files of a todo, the newest first.
    pub(crate) async fn attachments(
        &self,
        list: &ListId,
        todo: &Id,
        after: Option<&Cursor>,
    ) -> Result<Page<Attachment>, BackendFailure> {
        let path = ["lists", list.as_str(), "attachments"];
        let call = self.call("ask for attachments", Method::GET, &path);
        self.caller
            .answer(call.query("todo", todo.as_str()).page(after))
            .await
    }

    /// Announces a file: its metadata, pending until the worker has read it.
    pub(crate) async fn attach(
        &self,
        list: &ListId,
        todo: &Id,
        name: &str,
        content_type: &str,
        key: &IdempotencyKey,
    ) -> Result<Attachment, BackendFailure> {
        let [lists, list, todos, todo] = of_todo(list, todo);
        let path = [lists, list, todos, todo, "attachments"];
        let call = self.call("announce a file", Method::POST, &path);
        let body = json!({ "name": name, "contentType": content_type });
        self.caller.answer(call.json(&body).once(key)).await
    }

    /// The metadata of an attachment.
    pub(crate) async fn attachment(
        &self,
        list: &ListId,
        attachment: &Id,
    ) -> Result<Attachment, BackendFailure> {
        let path = ["lists", list.as_str(), "attachments", attachment.as_str()];
        self.caller
            .answer(self.call("ask for an attachment", Method::GET, &path))
            .await
    }

    /// Makes a link by which a list can be read for some days.
    pub(crate) async fn share(&self, list: &ListId, days: u8) -> Result<ShareLink, BackendFailure> {
        let path = ["lists", list.as_str(), "share-links"];
        let mut call = self.call("share a list", Method::POST, &path);
        // Nothing is kept of a link: one that was made twice is as good.
        call.may_repeat = true;
        self.caller
            .answer(call.json(&json!({ "days": days })))
            .await
    }

    /// What a link shows.
    pub(crate) async fn shared(
        &self,
        link: &Link,
        after: Option<&Cursor>,
    ) -> Result<Shared, BackendFailure> {
        let call = self.call("open a link", Method::GET, &["shared"]);
        let call = call.header(SHARE_LINK, link.as_str());
        self.caller.answer(call.page(after)).await
    }

    /// What the backend's own identity may do, as its probe last found, or finds
    /// now if it never ran.
    pub(crate) async fn access(&self) -> Result<AccessReport, BackendFailure> {
        let mut call = self.call("ask for the access report", Method::GET, &["access"]);
        call.patience = PROBE_PATIENCE;
        self.caller.answer(call).await
    }

    /// Runs the backend's access probe.
    pub(crate) async fn probe_access(&self) -> Result<AccessReport, BackendFailure> {
        let mut call = self.call("run the access probe", Method::POST, &["access"]);
        call.patience = PROBE_PATIENCE;
        self.caller.answer(call).await
    }

    /// A change that somebody else may have been faster than, and that is done
    /// when what they made of it is what was wanted.
    async fn change<T: DeserializeOwned>(
        &self,
        call: Call,
        is_wanted: impl FnOnce(&T) -> bool,
    ) -> Result<Change<T>, BackendFailure> {
        let Err(failure) = self.caller.make(call).await else {
            return Ok(Change::Done);
        };
        match failure.refusal().and_then(Refusal::current) {
            Some(current) if is_wanted(&current) => Ok(Change::Done),
            Some(current) => Ok(Change::Conflict(Box::new(current))),
            None => Err(failure),
        }
    }

    /// A call to a path below `/api/v1`. Each segment is encoded, so that an id
    /// stays one.
    fn call(&self, operation: &'static str, method: Method, path: &[&str]) -> Call {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("the settings take http and https only")
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(path);
        Call {
            operation,
            may_repeat: method == Method::GET,
            request: Request::new(method, url),
            patience: PATIENCE,
        }
    }
}

fn of_todo<'a>(list: &'a ListId, todo: &'a Id) -> [&'a str; 4] {
    ["lists", list.as_str(), "todos", todo.as_str()]
}

impl Call {
    fn query(mut self, name: &str, value: &str) -> Self {
        self.request
            .url_mut()
            .query_pairs_mut()
            .append_pair(name, value);
        self
    }

    /// A page of a listing, from this place on.
    fn page(self, after: Option<&Cursor>) -> Self {
        let call = self.query("limit", PAGE);
        match after {
            None => call,
            Some(after) => call.query("after", after.as_str()),
        }
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("names have only characters of a header");
        self.request.headers_mut().insert(name, value);
        self
    }

    fn json(mut self, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("texts, numbers and days are JSON");
        *self.request.body_mut() = Some(body.into());
        self.header(header::CONTENT_TYPE, "application/json")
    }

    /// Only if the thing is still of this version. So it may be repeated.
    fn if_match(mut self, etag: &ETag) -> Self {
        self.may_repeat = true;
        self.header(header::IF_MATCH, etag.as_str())
    }

    /// Once, however often it is asked for. So it may be repeated.
    fn once(mut self, key: &IdempotencyKey) -> Self {
        self.may_repeat = true;
        self.header(IDEMPOTENCY_KEY, key.as_str())
    }
}

#[cfg(test)]
mod tests;
