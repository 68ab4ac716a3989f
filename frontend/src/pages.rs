//! The pages: which there are, and what each request of them goes through. Every
//! page works without JavaScript, and every change is a form that answers with
//! `303 See Other`.

mod access;
mod assets;
mod changes;
mod download;
mod events;
mod files;
mod form;
mod layout;
mod list;
mod lists;
mod problem;
mod share;
mod shared;
mod text;
mod todo;
mod upload;
mod words;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Query};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use http::request::Parts;
use platform::access::Probe;
use platform::telemetry;
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(crate) use problem::Problem;

use crate::activity::{Feed, Live};
use crate::attachments::Attachments;
use crate::backend::Backend;
use crate::id::{Cursor, Id, ListId};
use crate::origin::{self, Origins};
use crate::session::{self, Sessions};
use crate::{same_origin, security_headers};
use layout::Layout;

/// The largest form without a file: two versions of a todo, each character in
/// the longest of its spellings.
const FORM_BYTES: usize = 64 * 1024;

/// What the pages stand on. A cheap handle.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) origins: Origins,
    pub(crate) sessions: Sessions,
    pub(crate) backend: Backend,
    pub(crate) feed: Arc<dyn Feed>,
    pub(crate) live: Live,
    pub(crate) attachments: Attachments,
    /// `None` when the access probe is off: then there is no Access page.
    pub(crate) access: Option<Access>,
}

/// What the Access page stands on.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) probe: Probe,
    /// The access model's file, if there is one.
    pub(crate) model: Option<PathBuf>,
}

impl Pages {
    /// What is around a page of this title.
    fn layout(&self, title: &str, current: &'static str) -> Layout {
        Layout::new(title, current, self.access.is_some())
    }
}

/// Every page. The order of the layers is from the inside out.
pub(crate) fn router(pages: Pages) -> Router {
    let origins = pages.origins.clone();
    with_session(&pages)
        .merge(access_page(&pages))
        .merge(without_session())
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::wrong_method())
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(from_fn(same_origin::layer))
        .layer(from_fn_with_state(origins.clone(), origin::layer))
        .layer(from_fn_with_state(origins, security_headers::layer))
        .layer(from_fn(telemetry::http::layer))
        .with_state(pages)
}

/// The pages with forms, and where the forms go.
fn with_session(pages: &Pages) -> Router<Pages> {
    let todo = "/lists/{list}/todos/{todo}";
    Router::new()
        .route("/lists", get(lists::show).post(lists::create))
        .route("/lists/{list}", get(list::show))
        .route("/lists/{list}/rename", post(list::rename))
        .route("/lists/{list}/share", post(share::share))
        .route("/lists/{list}/todos", post(todo::add))
        .route(todo, get(todo::show).post(todo::edit))
        .route(&format!("{todo}/complete"), post(changes::complete))
        .route(&format!("{todo}/reopen"), post(changes::reopen))
        .route(&format!("{todo}/delete"), post(changes::delete))
        .route(
            &format!("{todo}/attachments"),
            // It measures its bodies itself.
            post(upload::upload).layer(DefaultBodyLimit::disable()),
        )
        .route_layer(from_fn_with_state(pages.sessions.clone(), session::layer))
}

/// The page that says why there are no keys for sessions, so it opens without.
fn access_page(pages: &Pages) -> Router<Pages> {
    if pages.access.is_none() {
        return Router::new();
    }
    let sessions = pages.sessions.clone();
    Router::new()
        .route("/access", get(access::show).post(access::run))
        .route_layer(from_fn_with_state(sessions, session::layer_where_keys_are))
}

/// What has no form.
fn without_session() -> Router<Pages> {
    Router::new()
        .route("/", get(home))
        .route("/assets/{version}/{file}", get(assets::show))
        .route("/lists/{list}/events", get(events::watch))
        .route(
            "/lists/{list}/attachments/{attachment}",
            get(download::download),
        )
        .route("/shared/{link}", get(shared::show))
}

// No identity: it leads to the lists.
async fn home() -> Redirect {
    Redirect::to("/lists")
}

/// What a page says at its top about the request before it. Only these: no text
/// of an address is ever shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Notice {
    /// The file is stored, and the worker could not be told.
    ProcessingDelayed,
    /// The form was sent before, and its file is there.
    AlreadyAttached,
    /// The probe ran a moment ago, or is running.
    ProbedJustNow,
}

/// The notice in a page's query, if there is one. Anything else is passed over.
#[derive(Debug)]
struct Noticed(Option<Notice>);

impl<S: Sync> FromRequestParts<S> for Noticed {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        #[derive(Deserialize)]
        struct Queried {
            notice: Notice,
        }
        let queried = Query::<Queried>::try_from_uri(&parts.uri);
        Ok(Self(queried.ok().map(|Query(queried)| queried.notice)))
    }
}

impl Notice {
    /// The notice in an address, as it is deserialized.
    fn word(self) -> &'static str {
        match self {
            Self::ProcessingDelayed => "processing-delayed",
            Self::AlreadyAttached => "already-attached",
            Self::ProbedJustNow => "probed-just-now",
        }
    }
}

/// The place in a listing at which a page begins, if it is not the first page.
struct Begin(Option<Cursor>);

impl<S: Send + Sync> FromRequestParts<S> for Begin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Queried {
            after: Option<Cursor>,
        }
        match Query::<Queried>::try_from_uri(&parts.uri) {
            Ok(Query(queried)) => Ok(Self(queried.after)),
            Err(_) => Err(Problem::not_found()),
        }
    }
}

fn path_of_list(list: &ListId) -> String {
    format!("/lists/{list}")
}

fn path_of_todo(list: &ListId, todo: &Id) -> String {
    format!("/lists/{list}/todos/{todo}")
}

fn see(path: &str, notice: Option<Notice>) -> Redirect {
    match notice {
        None => Redirect::to(path),
        Some(notice) => Redirect::to(&format!("{path}?notice={}", notice.word())),
    }
}

/// The variable parts of a path, where a part that makes no sense is a page that
/// is not there.
struct At<T>(T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(found)) => Ok(Self(found)),
            Err(_) => Err(Problem::not_found()),
        }
    }
}

/// A rendered page.
fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => Problem::internal(error).into_response(),
    }
}

#[cfg(test)]
mod tests;
