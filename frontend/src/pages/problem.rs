//! The pages for what went wrong: what happened, what to do, and the id by which
//! the log can be searched. The cause is for the log.

use std::error::Error;
use std::fmt;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use platform::azure::AzureFailure;
use platform::request_id::RequestId;
use platform::telemetry::{error_chain, redact};

use super::layout::Layout;
use crate::attachments::LARGEST_BYTES;
use crate::backend::{BackendFailure, Refusal};

/// A request that fails, as a page.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    title: String,
    /// What happened, if the title does not say it all.
    happened: String,
    /// What somebody can do.
    advice: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    fn new(status: StatusCode, title: impl Into<String>) -> Self {
        Self {
            status,
            title: title.into(),
            happened: String::new(),
            advice: String::new(),
            source: None,
        }
    }

    fn happened(mut self, happened: impl Into<String>) -> Self {
        self.happened = happened.into();
        self
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// With a cause, for the log.
    pub(super) fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// 404.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing here").advice(
            "The address may be mistyped, or what was here has been deleted. Begin again at the \
             inbox.",
        )
    }

    /// 404: the file is known, and cannot be had now.
    pub(crate) fn not_ready(name: &str, happened: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{name} is not ready"))
            .happened(happened)
            .advice("Look at the list: it says how far the file is.")
    }

    /// 405.
    pub(crate) fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "This page cannot do that")
            .advice("Begin again at the inbox.")
    }

    /// 403: the form was not one of ours.
    pub(crate) fn from_elsewhere() -> Self {
        Self::new(StatusCode::FORBIDDEN, "This did not come from our page")
            .happened(
                "A page of another site asked for this change, or something between the browser \
                 and this server changed the headers Sec-Fetch-Site, Origin or Host.",
            )
            .advice("Nothing was changed. If it was you, do it again from the list's page.")
    }

    /// 408.
    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "The file stopped coming")
            .happened("No part of it came for half a minute.")
            .advice("It was not stored. Try again when the connection is better.")
    }

    /// 413.
    pub(crate) fn file_too_large() -> Self {
        let largest = LARGEST_BYTES / (1024 * 1024);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "This file is too large")
            .happened(format!("A file can have up to {largest} MB."))
            .advice("It was not stored. Choose a smaller file, or attach it in parts.")
    }

    /// 422.
    pub(crate) fn no_file() -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "No file was chosen")
            .advice("Go back to the list, choose a file, then press Upload.")
    }

    /// 422: what was sent makes no sense.
    pub(crate) fn invalid(happened: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "This could not be understood",
        )
        .happened(happened)
        .advice("Nothing was changed. Go back, correct it, and try again.")
    }

    /// 503: more files are coming in than there is room for.
    pub(crate) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many files at this moment",
        )
        .advice("It was not stored. Try again in a few seconds.")
    }

    /// 503: the first access report is being made.
    pub(crate) fn being_probed() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The access probe is running",
        )
        .advice("Reload in a few seconds.")
    }

    /// 500.
    pub(crate) fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong here",
        )
        .advice("Try again. If it stays, the log has more under the request id below.")
        .caused_by(source)
    }

    fn log(&self) {
        let cause = self
            .source
            .as_ref()
            .map(|source| redact(&error_chain(source.as_ref())).into_owned());
        let status = self.status.as_u16();
        if self.status.is_server_error() {
            tracing::error!(status, cause, "{}", self.title);
        } else {
            tracing::info!(status, cause, "{}", self.title);
        }
    }
}

/// What the backend did not do, told by what somebody can do about it.
impl From<BackendFailure> for Problem {
    fn from(failure: BackendFailure) -> Self {
        let BackendFailure::Refused { refusal, .. } = &failure else {
            return Self::new(StatusCode::BAD_GATEWAY, "The backend is away")
                .happened(
                    "This page needs the backend, and could not ask it. If you were changing \
                     something, it may or may not have been done.",
                )
                .advice("Reload in a moment, and look at the list before you do it again.")
                .caused_by(failure);
        };
        let Refusal {
            status,
            code,
            detail,
        } = refusal.clone();
        let problem = match status.as_u16() {
            404 => Self::not_found(),
            401 | 403 => Self::new(
                StatusCode::BAD_GATEWAY,
                "The backend does not accept this pod",
            )
            .happened(format!("It answered {} {code}: {detail}", status.as_u16()))
            .advice(
                "Compare the audience and the subject of this pod's projected token with the \
                 backend's CALLER_AUDIENCE and CALLER_SUBJECT.",
            ),
            409 | 412 => Self::new(StatusCode::CONFLICT, "Somebody else was faster")
                .happened("This has changed since your page was made.")
                .advice("Look at the list as it is now, and decide again."),
            413 | 422 => Self::invalid(detail),
            429 | 503 => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The backend cannot do this now",
            )
            .happened(format!("It answered {} {code}: {detail}", status.as_u16()))
            .advice("Try again in a few seconds."),
            _ => Self::new(StatusCode::BAD_GATEWAY, "The backend failed")
                .happened(format!("It answered {} {code}.", status.as_u16()))
                .advice("Try again. If it stays, the log has more under the request id below."),
        };
        problem.caused_by(failure)
    }
}

/// What Azure did not do for this pod.
impl From<AzureFailure> for Problem {
    fn from(failure: AzureFailure) -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{} cannot be used now", failure.service),
        );
        let problem = match failure.refusal() {
            Some(refusal) => problem
                .happened(format!("It refused this pod's identity: {refusal}."))
                .advice(
                    "A role is missing: compare infra/access.json with what the Access page shows.",
                ),
            None => problem
                .happened(format!("It answered: {failure}."))
                .advice("Try again in a few seconds."),
        };
        problem.caused_by(failure)
    }
}

impl From<FormRejection> for Problem {
    fn from(rejection: FormRejection) -> Self {
        Self::invalid("The form was not whole, or not a form.").caused_by(rejection)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status.as_u16(), self.title)
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    layout: Layout,
    status: u16,
    problem: &'a Problem,
    request_id: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.log();
        let page = ProblemPage {
            layout: Layout::new(self.title.as_str(), "", false),
            status: self.status.as_u16(),
            problem: &self,
            request_id: RequestId::current().map_or_else(String::new, |id| id.as_str().to_owned()),
        };
        let html = page
            .render()
            .unwrap_or_else(|_| "Something went wrong here".to_owned());
        let mut response = (self.status, Html(html)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("3"));
        }
        response
    }
}
