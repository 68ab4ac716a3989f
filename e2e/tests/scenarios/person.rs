//! A person in front of the pages, without JavaScript: they read the page and
//! send its forms.

use std::time::{Duration, Instant};

use e2e::stack::{Options, Stack};
use local_cloud::holds::{Matcher, State};
use reqwest::multipart::{Form, Part};
use reqwest::{StatusCode, Url};
use scraper::{ElementRef, Html, Selector};

use crate::records::Records;

/// How long a person waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts the workload for one scenario.
pub(crate) async fn start(options: Options) -> Stack {
    e2e::use_executable(env!("CARGO_BIN_EXE_e2e"));
    platform::pod::install_crypto_provider();
    Stack::start(options, |_| {})
        .await
        .expect("the workload starts")
}

/// Arms a hold on the local cloud.
pub(crate) async fn hold(stack: &Stack, identity: &str, operation: &str, scope: &str) -> u64 {
    let matcher = Matcher {
        identity: Some(identity.to_owned()),
        operation: Some(operation.to_owned()),
        scope: Some(scope.to_owned()),
    };
    stack
        .control()
        .hold(&matcher)
        .await
        .expect("the hold is armed")
}

/// Waits until a hold has something in hand.
pub(crate) async fn until_held(stack: &Stack, hold: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = stack
            .control()
            .hold_state(hold)
            .await
            .expect("the hold is known");
        if state == State::Holding {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "nothing is held: {state:?}\n{}",
            story(stack).await
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until all events of a list have arrived in its activity.
pub(crate) async fn settled(stack: &Stack, list: &str) {
    let records = Records::open(stack).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (waiting, sequence) = records.outbox(list).await;
        let arrived = records.activity(list).await.len() as u64;
        if waiting == 0 && arrived >= sequence {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{list}: {waiting} events wait, {arrived} of {sequence} have arrived\n{}",
            story(stack).await
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The audit trail, for a failure's story.
pub(crate) async fn story(stack: &Stack) -> String {
    let records = stack.control().audit(0).await.unwrap_or_default();
    let lines = records.iter().rev().take(40).rev().map(|record| {
        let identity = record.identity.as_deref().unwrap_or("-");
        let (by, operation, scope) = (&record.by, &record.operation, &record.scope);
        format!(
            "  {} {identity}: {by} {operation} at {scope}: {:?}, {}",
            record.at, record.decision, record.why
        )
    });
    format!(
        "the end of the audit:\n{}",
        lines.collect::<Vec<_>>().join("\n")
    )
}

/// Someone with a browser.
#[derive(Clone)]
pub(crate) struct Person {
    client: reqwest::Client,
    base: Url,
}

/// A page as it was answered.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl Person {
    pub(crate) fn at(stack: &Stack) -> Self {
        Self::at_pod(stack, "frontend")
    }

    /// At one of several pods of the frontend.
    pub(crate) fn at_pod(stack: &Stack, pod: &str) -> Self {
        let address = stack.address(pod).expect("the frontend serves pages");
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .expect("a client");
        let base = Url::parse(&format!("http://{address}/")).expect("a URL");
        Self { client, base }
    }

    /// Opens a page.
    pub(crate) async fn open(&self, path: &str) -> Page {
        self.read(self.client.get(self.url(path))).await
    }

    /// Adds a to-do through the page's form.
    pub(crate) async fn add(&self, title: &str) -> Page {
        let action = self.open("/").await.form_with("input[name=title]", None);
        self.send(
            self.client
                .post(self.url(&action))
                .form(&[("title", title)]),
        )
        .await
    }

    /// Presses a to-do's button, by the end of its form's address.
    pub(crate) async fn press(&self, title: &str, what: &str) -> Page {
        let action = self.open("/").await.form_of(title, what);
        self.send(self.client.post(self.url(&action))).await
    }

    /// Attaches a file to a to-do.
    pub(crate) async fn attach(&self, title: &str, name: &str, content: &[u8]) -> Page {
        let action = self.open("/").await.form_of(title, "attachments");
        let part = Part::bytes(content.to_vec()).file_name(name.to_owned());
        let part = part
            .mime_str("application/octet-stream")
            .expect("a media type");
        self.send(
            self.client
                .post(self.url(&action))
                .multipart(Form::new().part("file", part)),
        )
        .await
    }

    /// Downloads an attachment by its name.
    pub(crate) async fn download(&self, name: &str) -> Vec<u8> {
        let link = self.open("/").await.link(name);
        let response = self
            .client
            .get(self.url(&link))
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        let disposition = response.headers()["content-disposition"]
            .to_str()
            .expect("text")
            .to_owned();
        assert!(disposition.starts_with("attachment"), "{disposition}");
        response.bytes().await.expect("the whole file").to_vec()
    }

    /// Reloads the list until it shows what is waited for.
    pub(crate) async fn until(
        &self,
        stack: &Stack,
        what: &str,
        shown: impl Fn(&Page) -> bool,
    ) -> Page {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let page = self.open("/").await;
            if page.status.is_success() && shown(&page) {
                return page;
            }
            assert!(
                Instant::now() < deadline,
                "{what} does not happen; the page says:\n{}\n{}",
                page.words(),
                story(stack).await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Page {
        let origin = self.base.origin().ascii_serialization();
        self.read(request.header("origin", origin)).await
    }

    async fn read(&self, request: reqwest::RequestBuilder) -> Page {
        let response = request.send().await.expect("the frontend answers");
        Page {
            status: response.status(),
            text: response.text().await.expect("a page"),
        }
    }

    fn url(&self, path: &str) -> Url {
        self.base.join(path).expect("a path of the pages")
    }
}

impl Page {
    /// What the activity feed says, newest first: what happened, and to what.
    pub(crate) fn activity(&self) -> Vec<String> {
        let html = Html::parse_document(&self.text);
        html.select(&selector("ol.activity li p"))
            .map(words)
            .collect()
    }

    /// The titles of the to-dos.
    pub(crate) fn titles(&self) -> Vec<String> {
        let html = Html::parse_document(&self.text);
        html.select(&selector("li.todo p.title"))
            .map(words)
            .collect()
    }

    /// What the page says of an attachment: its name, size, status.
    pub(crate) fn attachment(&self, name: &str) -> Option<String> {
        let html = Html::parse_document(&self.text);
        html.select(&selector("ul.files > li"))
            .map(words)
            .find(|text| text.contains(name))
    }

    /// All words of the page.
    pub(crate) fn words(&self) -> String {
        words(Html::parse_document(&self.text).root_element())
    }

    fn form_with(&self, field: &str, within: Option<ElementRef<'_>>) -> String {
        let html = Html::parse_document(&self.text);
        let root = within.unwrap_or_else(|| html.root_element());
        let form = root
            .select(&selector("form"))
            .find(|form| form.select(&selector(field)).next().is_some());
        let form = form.unwrap_or_else(|| panic!("no form has {field}: {}", self.words()));
        form.attr("action")
            .expect("a form has an action")
            .to_owned()
    }

    fn form_of(&self, title: &str, what: &str) -> String {
        let html = Html::parse_document(&self.text);
        let todo = html
            .select(&selector("li.todo"))
            .find(|todo| words(*todo).contains(title));
        let todo = todo.unwrap_or_else(|| panic!("there is no to-do {title:?}: {}", self.words()));
        let forms = selector("form");
        let actions = todo.select(&forms).filter_map(|form| form.attr("action"));
        let action = actions.into_iter().find(|action| action.ends_with(what));
        action
            .unwrap_or_else(|| panic!("{title:?} cannot be {what}"))
            .to_owned()
    }

    fn link(&self, name: &str) -> String {
        let html = Html::parse_document(&self.text);
        let link = html
            .select(&selector("ul.files a"))
            .find(|link| words(*link) == name);
        let link = link.unwrap_or_else(|| panic!("there is no link {name:?}: {}", self.words()));
        link.attr("href").expect("a link has an address").to_owned()
    }
}

fn selector(css: &str) -> Selector {
    Selector::parse(css).expect("a selector")
}

fn words(element: ElementRef<'_>) -> String {
    let text: String = element.text().collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
