//! The pages: which there are, and what each request of them goes through. Every
//! page works without JavaScript, and every change is a form that answers with
//! `303 See Other`.

mod access;
mod attachment;
mod layout;
mod list;
mod problem;
mod style;
mod todo;
mod words;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Query};
use axum::middleware::from_fn;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use http::request::Parts;
use platform::access::Probe;
use platform::telemetry;
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(crate) use problem::Problem;

use crate::activity::Feed;
use crate::attachments::Attachments;
use crate::backend::Backend;
use crate::id::ListId;
use crate::{same_origin, security_headers};

/// The largest form without a file.
const FORM_BYTES: usize = 16 * 1024;

/// What the pages stand on. A cheap handle.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) backend: Backend,
    pub(crate) feed: Arc<dyn Feed>,
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

/// Every page. The order of the layers is from the inside out.
pub(crate) fn router(pages: Pages) -> Router {
    let mut router = Router::new()
        .route("/", get(home))
        .route("/style.css", get(style::style))
        .route("/lists/{list}", get(list::show))
        .route("/lists/{list}/todos", post(todo::add))
        .route("/lists/{list}/todos/{todo}/complete", post(todo::complete))
        .route("/lists/{list}/todos/{todo}/delete", post(todo::delete))
        .route(
            "/lists/{list}/todos/{todo}/attachments",
            post(attachment::upload).layer(DefaultBodyLimit::max(attachment::ABSORBED_BYTES)),
        )
        .route(
            "/lists/{list}/attachments/{attachment}",
            get(attachment::download),
        );
    if pages.access.is_some() {
        router = router
            .route("/access", get(access::show).post(access::run))
            .route("/access.css", get(style::access_style))
            .route("/access.js", get(style::access_script));
    }
    router
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::wrong_method())
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(from_fn(same_origin::layer))
        .layer(from_fn(security_headers::layer))
        .layer(from_fn(telemetry::http::layer))
        .with_state(pages)
}

async fn home() -> Redirect {
    to_list(&ListId::inbox(), None)
}

/// What a page says at its top about the request before it. Only these: no text
/// of an address is ever shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Notice {
    /// The file is stored, and the worker could not be told.
    ProcessingDelayed,
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
            Self::ProbedJustNow => "probed-just-now",
        }
    }
}

fn to_list(list: &ListId, notice: Option<Notice>) -> Redirect {
    see(&format!("/lists/{list}"), notice)
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
fn page(template: &impl askama::Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => Problem::internal(error).into_response(),
    }
}

#[cfg(test)]
mod tests;
