//! The Access page: how this pod came to its tokens, step by step, and what it
//! and the backend may do, as each service answered it.

mod clock;
mod figure;
mod matrix;
mod steps;

use askama::Template;
use axum::Extension;
use axum::extract::{FromRequest as _, Request, State};
use axum::response::{Redirect, Response};
use platform::access::AccessReport;
use platform::telemetry::{error_chain, redact};
use time::OffsetDateTime;

use super::form::{Button, Form};
use super::layout::Layout;
use super::words::Milliseconds;
use super::{Access, Notice, Noticed, Pages, Problem, page, see};
use crate::backend::{Backend, BackendFailure};
use crate::grants::AccessModel;
use crate::session::Session;
use clock::Clock;
use figure::Figure;
use matrix::{Column, Group};
use steps::{ExchangeView, StepView};

#[derive(Template)]
#[template(path = "access.html")]
struct AccessPage {
    layout: Layout,
    /// `None` while there are no keys for sessions.
    session: Option<Session>,
    was_too_soon: bool,
    /// Seconds since 1970 when the page was made, for its clocks.
    now: i64,
    identity: IdentityView,
    figure: Figure,
    steps: Vec<StepView>,
    exchanges: Vec<ExchangeView>,
    columns: Vec<Column>,
    groups: Vec<Group>,
    /// The name of the access model's file, if there is one.
    model_file: Option<String>,
    /// Why the grants are not named, if they should be.
    model_problem: Option<String>,
}

/// Whose steps they are.
struct IdentityView {
    pod: String,
    client_id: String,
    tenant_id: String,
    tried: Clock,
    duration: Milliseconds,
}

/// Shows how this pod came to its tokens, and what it and the backend may do.
// Identity frontend, call to backend.
pub(super) async fn show(
    State(pages): State<Pages>,
    session: Option<Extension<Session>>,
    Noticed(notice): Noticed,
) -> Result<Response, Problem> {
    let access = pages.access.ok_or_else(Problem::not_found)?;
    let (own, backend) = tokio::join!(access.probe.last_or_first(), backend_report(&pages.backend));
    let model = model(&access).await;
    let view = AccessPage::new(
        session.map(|Extension(session)| session),
        &own,
        backend.as_ref().map_err(String::as_str),
        model.as_ref().map(Option::as_ref).map_err(Clone::clone),
        notice,
        OffsetDateTime::now_utc(),
    );
    Ok(page(&view))
}

/// Tries everything again, here and at the backend. While there are no keys there
/// is no session that the button could be of, and this is when it is needed: then
/// the origin of the form has to do. Trying changes nothing and has its own pause.
// Identity frontend, call to backend.
pub(super) async fn run(
    State(pages): State<Pages>,
    session: Option<Extension<Session>>,
    request: Request,
) -> Result<Redirect, Problem> {
    if session.is_some() {
        let Form(Button {}) = Form::from_request(request, &pages).await?;
    }
    let access = pages.access.ok_or_else(Problem::not_found)?;
    let (own, backend) = tokio::join!(access.probe.run(), pages.backend.probe_access());
    if let Err(failure) = backend {
        // The page shows it: it asks the backend again.
        let cause = redact(&error_chain(&failure)).into_owned();
        tracing::info!(cause, "the backend's probe did not run");
    }
    let notice = own.err().map(|_too_soon| Notice::ProbedJustNow);
    Ok(see("/access", notice))
}

async fn backend_report(backend: &Backend) -> Result<AccessReport, String> {
    backend.access().await.map_err(|failure| {
        let told = match &failure {
            BackendFailure::Refused { refusal, .. } => format!("The backend answered {refusal}"),
            failure => failure.to_string(),
        };
        let cause = redact(&error_chain(&failure)).into_owned();
        tracing::warn!(cause, "no access report of the backend");
        told
    })
}

/// The access model, if there is one; or why it cannot be read.
async fn model(access: &Access) -> Result<Option<AccessModel>, String> {
    match &access.model {
        None => Ok(None),
        Some(path) => AccessModel::read(path)
            .await
            .map(Some)
            .map_err(|error| error_chain(&error)),
    }
}

impl AccessPage {
    /// `backend` is the backend's report, or why there is none.
    fn new(
        session: Option<Session>,
        own: &AccessReport,
        backend: Result<&AccessReport, &str>,
        model: Result<Option<&AccessModel>, String>,
        notice: Option<Notice>,
        now: OffsetDateTime,
    ) -> Self {
        let (model, model_problem) = match model {
            Ok(model) => (model, None),
            Err(problem) => (None, Some(problem)),
        };
        Self {
            layout: Layout::new("Access", "access", true),
            session,
            was_too_soon: notice == Some(Notice::ProbedJustNow),
            now: now.unix_timestamp(),
            identity: IdentityView::new(own, now),
            figure: Figure::new(own, model, now),
            steps: steps::views(&own.steps, now),
            exchanges: steps::exchanges(&own.exchanges, now),
            columns: vec![
                Column::new(&own.pod, Ok(own)),
                Column::new("backend", backend),
            ],
            groups: matrix::groups(&[Some(own), backend.ok()], model),
            model_file: model.map(|model| model.file.clone()),
            model_problem,
        }
    }
}

impl IdentityView {
    fn new(report: &AccessReport, now: OffsetDateTime) -> Self {
        Self {
            pod: report.pod.clone(),
            client_id: report.client_id.clone(),
            tenant_id: report.tenant_id.clone(),
            tried: Clock::since(report.at, now),
            duration: Milliseconds(report.duration_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::tests::model;
    use crate::testing::access_report;
    use serde_json::json;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-23 14:00:01 UTC);

    fn rendered(own: &AccessReport, backend: Result<&AccessReport, &str>) -> String {
        let model = model();
        AccessPage::new(
            Some(Session::begin(NOW)),
            own,
            backend,
            Ok(Some(&model)),
            None,
            NOW,
        )
        .render()
        .expect("a page")
    }

    #[test]
    fn the_page_has_five_steps_and_the_matrix_of_both_pods() {
        let (own, backend) = (access_report("frontend"), access_report("backend"));

        let html = rendered(&own, Ok(&backend));

        assert_eq!(html.matches("<li class=\"step done\">").count(), 5);
        assert_eq!(html.matches("<g class=\"fig-station done\">").count(), 5);
        assert_eq!(html.matches("class=\"matched ").count(), 6);
        assert_eq!(html.matches("<details class=\"cell ").count(), 44);
        for part in [
            "8 allowed, 14 refused",
            "Azure Service Bus Data Sender",
            "amqp:unauthorized-access Listen",
            "system:serviceaccount:todolist:frontend",
            "bus/queues/attachment-jobs",
            "access.json, line 42",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }

    #[test]
    fn a_cell_names_the_line_that_grants_it_or_says_that_none_does() {
        let own = access_report("frontend");

        let html = rendered(&own, Ok(&own));

        let cell = |request: &str| {
            let at = html.find(request).expect("the request");
            let end = at + html[at..].find("</details>").expect("an end");
            html[at..end].to_owned()
        };
        let allowed = cell("attach a sender to attachment-jobs</code>");
        assert!(allowed.contains("granted by"), "{allowed}");
        assert!(allowed.contains("access.json, line 42"), "{allowed}");
        let refused = cell("attach a sender to todo-events");
        assert!(refused.contains("no line of access.json"), "{refused}");
        let too_little = cell("PUT /dbs/todolist/colls/activity");
        assert!(too_little.contains("not enough"), "{too_little}");
        assert!(too_little.contains("access.json, line 40"), "{too_little}");
    }

    #[test]
    fn the_page_needs_no_script_and_none_stands_in_it() {
        let own = access_report("frontend");

        let html = rendered(&own, Ok(&own));

        let scripts = html.matches("<script").count();
        let ours = "<script type=\"module\" src=\"/assets/";
        assert_eq!(html.matches(ours).count(), scripts);
        assert!(html.contains("/access.js\"></script>"), "{html}");
        for inline in ["style=", "onclick", "javascript:"] {
            assert!(!html.contains(inline), "{inline} is in {html}");
        }
        assert!(html.contains(">59 min 59 s<"), "expiries as of now: {html}");
    }

    #[test]
    fn claims_and_the_words_of_services_are_text_and_never_markup() {
        let evil = "<b onclick=alert(1)>";
        let mut own = access_report("frontend");
        own.cells[0].detail = evil.to_owned();
        own.steps[2].summary = evil.to_owned();
        if let Some(token) = &mut own.steps[0].token {
            token.claims["kubernetes.io"] = json!({ "pod": { "name": evil } });
        }
        if let Some(token) = &mut own.steps[1].token {
            token.claims["iss"] = evil.into();
        }

        let html = rendered(&own, Err(evil));

        assert!(!html.contains("<b onclick"), "{html}");
        // A cell, a step and its words, one claim twice, one four times, a column.
        assert_eq!(html.matches("&#60;b onclick=alert(1)").count(), 10);
    }

    #[test]
    fn a_page_without_the_backend_says_why() {
        let html = rendered(&access_report("frontend"), Err("The backend answered 404"));

        assert!(html.contains("The backend answered 404"), "{html}");
        assert_eq!(html.matches("not known").count(), 22);
    }

    #[test]
    fn a_model_that_cannot_be_read_is_told_and_the_rest_is_there() {
        let own = access_report("frontend");

        let html = AccessPage::new(
            Some(Session::begin(NOW)),
            &own,
            Ok(&own),
            Err("no such file".to_owned()),
            None,
            NOW,
        )
        .render()
        .expect("a page");

        assert!(
            html.contains("The roles are not named here: no such file"),
            "{html}"
        );
        assert!(!html.contains("granted by"), "{html}");
    }
}
