//! The workload with one to-do, someone who may change it, and how whatever is
//! refused has to be refused.

use std::net::SocketAddr;

use e2e::stack::{Options, Stack};
use url::form_urlencoded;

use super::stored;
use crate::person::{Browser, Form, INBOX, Person};
use crate::raw::{Answer, Request};
use crate::stage::{settled, start};

/// The largest file of these scenarios.
pub(super) const LIMIT: usize = 64 * 1024;

/// What is sent, and the status that it is refused with.
pub(super) type Refusal = (String, Request, u16);

/// Requests that are refused with one status.
pub(super) fn refused<const N: usize>(status: u16, requests: [(&str, Request); N]) -> Vec<Refusal> {
    let refusal = |(what, request): (&str, Request)| (what.to_owned(), request, status);
    requests.into_iter().map(refusal).collect()
}

/// The workload with a to-do, and someone who may change it.
pub(super) struct Scene {
    pub(super) stack: Stack,
    pub(super) person: Person,
    pub(super) frontend: SocketAddr,
    pub(super) todo: String,
}

impl Scene {
    pub(super) async fn start() -> Self {
        let limit = LIMIT.to_string();
        let options = Options::default().with("frontend", "UPLOAD_LIMIT_BYTES", &limit);
        let stack = start(options).await;
        let person = Person::at(&stack);
        person.add("As it was").await;
        let todo = person.open(INBOX).await.link("As it was");
        settled(&stack, "inbox").await;
        Self {
            frontend: stack.address("frontend").expect("the frontend serves"),
            stack,
            person,
            todo,
        }
    }

    /// A form as the browser sends it.
    pub(super) fn sent(&self, form: &Form) -> Request {
        sent_by(&self.person.browser, form, self.frontend)
    }

    /// Sends what is refused, and compares what is stored before and after.
    pub(super) async fn refuses(&self, refusals: &[Refusal]) {
        let before = stored(&self.stack).await;
        let mut wrong = Vec::new();
        for (what, request, status) in refusals {
            let answer = request.send(self.frontend).await;
            if answer.status != *status || !says_what_to_do(&answer) {
                wrong.push(format!("{what}: expected {status}, found {answer:#?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(stored(&self.stack).await, before, "nothing is stored");
    }

    pub(super) async fn end(self) {
        self.stack.stop(|_| {}).await.expect("everything ends");
    }
}

pub(super) fn sent_by(browser: &Browser, form: &Form, frontend: SocketAddr) -> Request {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&form.fields)
        .finish();
    Request::new("POST", &form.action)
        .header("cookie", browser.cookie())
        .header("origin", format!("http://{frontend}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

/// Whether an answer is a page with a heading, that leads on, and that neither
/// runs nor loads anything of others.
pub(super) fn says_what_to_do(answer: &Answer) -> bool {
    let html = scraper::Html::parse_document(&answer.body);
    let has = |css: &str| {
        let selector = scraper::Selector::parse(css).expect("a selector");
        html.select(&selector).next().is_some()
    };
    let policy = answer.header("content-security-policy").unwrap_or_default();
    answer.header("content-type") == Some("text/html; charset=utf-8")
        && answer.header("x-injected").is_none()
        && answer
            .header("set-cookie")
            .is_none_or(|cookie| cookie != "b=c")
        && policy.contains("default-src 'none'")
        && !policy.contains("unsafe")
        && has("main h1")
        && has("main a[href], main form")
}
