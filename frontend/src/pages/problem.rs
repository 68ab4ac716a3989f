//! The pages for what went wrong: what happened, what to do, and the id by which
//! the log can be searched. The cause is for the log.

mod upstream;

use std::error::Error;
use std::fmt;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use platform::request_id::RequestId;
use platform::signing::SigningError;
use platform::telemetry::{error_chain, redact};

use super::layout::Layout;
use super::text::Mistake;
use super::words::size;

/// A request that fails, as a page.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    pub(super) title: String,
    /// What happened, if the title does not say it all.
    pub(super) happened: String,
    /// What somebody can do.
    pub(super) advice: String,
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

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// 400: not the text of a form.
    pub(super) fn garbled() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "This is not text")
            .happened("The form has characters that are not UTF-8, so it cannot be read for sure.")
            .advice("Nothing was changed. Send it from our page, which writes UTF-8.")
    }

    /// 400: the form did not come whole.
    pub(super) fn broken_off() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "The form broke off")
            .advice("Nothing was changed. Go back and send it again.")
    }

    /// 403: the form is of no session, or of another one.
    pub(crate) fn without_session() -> Self {
        Self::new(StatusCode::FORBIDDEN, "This page is too old")
            .happened(
                "The form was made for a session that is over, or the browser does not keep \
                 cookies of this site.",
            )
            .advice("Nothing was changed or kept. Reload the page, and do it again.")
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

    /// 404.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing here").advice(
            "The address may be mistyped, or what was here has been deleted. Begin again at your \
             lists.",
        )
    }

    /// 404: the file is known, and cannot be had now.
    pub(super) fn not_ready(name: &str, happened: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{name} is not ready"))
            .happened(happened)
            .advice("Look at the to-do it belongs to: it says how far the file is.")
    }

    /// 405.
    pub(super) fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "This page cannot do that")
            .advice("Begin again at your lists.")
    }

    /// 408.
    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "It came too slowly")
            .happened("What was being sent stopped coming, or came too slowly to wait for.")
            .advice("Nothing was changed. Try again when the connection is better.")
    }

    /// 404: the todo that was edited.
    pub(super) fn deleted() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Somebody deleted it meanwhile")
            .happened("This to-do is there no more, and so cannot be saved.")
            .advice("What you wrote is below: you can add it as another one.")
    }

    /// 409: somebody changed it meanwhile.
    pub(super) fn changed() -> Self {
        Self::new(StatusCode::CONFLICT, "Somebody else was faster")
            .happened("This to-do has changed since your page was made. Nothing is done yet.")
    }

    /// 409: somebody gave the list another name meanwhile.
    pub(super) fn renamed_meanwhile(name: &str, wanted: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "Somebody else was faster")
            .happened(format!("Meanwhile the list was named “{name}”."))
            .advice(format!(
                "It was not renamed to “{wanted}”. Look at the list, and do it again if it is \
                 still right."
            ))
    }

    /// 413.
    pub(super) fn file_too_large(limit_bytes: u64) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "This file is too large")
            .happened(format!("It is larger than {}.", size(limit_bytes)))
            .advice("It was not stored. Choose a smaller file, or attach it in parts.")
    }

    /// 413.
    pub(super) fn form_too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "This is too long")
            .advice("Nothing was changed. Go back, shorten it, and try again.")
    }

    /// 415.
    pub(super) fn no_form() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is not a form")
            .happened("Changes are sent by the forms of our pages, and in no other way.")
            .advice("Nothing was changed. Do it from the page.")
    }

    /// 421: the host is not one of ours.
    pub(crate) fn other_host() -> Self {
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "This address is not served here",
        )
        .happened("The name in the browser's address bar leads here, and is not one of ours.")
        .advice("Use localhost. For another name, PUBLIC_ORIGIN of this pod has to be that origin.")
    }

    /// 422: fields are missing, or have no sense.
    pub(super) fn incomplete() -> Self {
        Self::invalid("The form was not whole, or not one of ours.")
    }

    /// 422: what was sent makes no sense.
    pub(super) fn invalid(happened: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "This could not be understood",
        )
        .happened(happened)
        .advice("Nothing was changed. Correct it, and try again.")
    }

    /// 422.
    pub(super) fn no_file() -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "No file was chosen")
            .advice("Go back, choose a file, then press Upload.")
    }

    /// 503: more files are coming in than there is room for.
    pub(super) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many files at this moment",
        )
        .advice("It was not stored. Try again in a few seconds.")
    }

    /// 503: more people watch lists than there is room for.
    pub(super) fn too_many_watchers() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many open pages at this moment",
        )
        .advice("The page works without live updates: reload it to see what is new.")
    }

    /// 503: there is no key to tell sessions by.
    pub(crate) fn without_keys(source: SigningError) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Sessions cannot be checked now",
        )
        .happened("The key that signs them is in Key Vault, and cannot be had.")
        .advice("Nothing was changed. Try again in a few seconds.")
        .caused_by(source)
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

    /// A page that says this, in its own way.
    pub(super) fn on(&self, page: &impl Template) -> Response {
        self.log();
        let html = page
            .render()
            .unwrap_or_else(|_| "Something went wrong here".to_owned());
        let mut response = (self.status, Html(html)).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("3"));
            }
            // The rest of it is not read: nothing more can be asked behind it.
            StatusCode::PAYLOAD_TOO_LARGE => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
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

impl From<Mistake> for Problem {
    fn from(mistake: Mistake) -> Self {
        Self::invalid(mistake.to_string())
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

/// The id of the request at hand, for the page of its problem.
pub(super) fn request_id() -> String {
    RequestId::current().map_or_else(String::new, |id| id.as_str().to_owned())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.on(&ProblemPage {
            layout: Layout::new(self.title.as_str(), "", false),
            status: self.status.as_u16(),
            problem: &self,
            request_id: request_id(),
        })
    }
}
