//! A person in front of the pages, without JavaScript: they read a page, follow
//! its links and send its forms.

mod browser;
mod page;

use std::time::{Duration, Instant};

use e2e::stack::Stack;

use crate::stage::story;
pub(crate) use browser::Browser;
pub(crate) use page::{Form, Page};

/// How long a person waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// The list that everybody starts with.
pub(crate) const INBOX: &str = "/lists/inbox";

/// Someone with a browser, who works in the inbox.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) browser: Browser,
}

impl Person {
    pub(crate) fn at(stack: &Stack) -> Self {
        Self::at_pod(stack, "frontend")
    }

    /// At one of several pods of the frontend.
    pub(crate) fn at_pod(stack: &Stack, pod: &str) -> Self {
        let address = stack.address(pod).expect("the frontend serves pages");
        Self {
            browser: Browser::at(address),
        }
    }

    /// Opens a page.
    pub(crate) async fn open(&self, path: &str) -> Page {
        let page = self.browser.get(path).await;
        page.expect("the frontend answers")
    }

    /// Sends a form.
    pub(crate) async fn send(&self, form: &Form) -> Page {
        let page = self.browser.submit(form).await;
        page.expect("the frontend answers")
    }

    /// Adds a to-do.
    pub(crate) async fn add(&self, title: &str) -> Page {
        let form = self.open(INBOX).await.form("/todos");
        self.send(&form.with("title", title)).await
    }

    /// Presses a to-do's button in the list, by the end of its form's address.
    pub(crate) async fn press(&self, title: &str, what: &str) -> Page {
        let form = self.open(INBOX).await.form_of(title, what);
        self.send(&form).await
    }

    /// Opens a to-do's own page.
    pub(crate) async fn todo(&self, title: &str) -> Page {
        let link = self.open(INBOX).await.link(title);
        self.open(&link).await
    }

    /// Attaches a file to a to-do.
    pub(crate) async fn attach(&self, title: &str, name: &str, content: &[u8]) -> Page {
        let form = self.todo(title).await.form("/attachments");
        self.send(&form.with_file("file", name, content)).await
    }

    /// Downloads a to-do's attachment by its name.
    pub(crate) async fn download(&self, title: &str, name: &str) -> Vec<u8> {
        let link = self.todo(title).await.link(name);
        let response = self.browser.fetch(&link).await.expect("an answer");
        assert!(response.status().is_success(), "{response:?}");
        let disposition = &response.headers()["content-disposition"];
        let disposition = disposition.to_str().expect("text");
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
        self.until_at(stack, INBOX, what, shown).await
    }

    /// Reloads a to-do's page until a file of it is ready.
    pub(crate) async fn until_ready(&self, stack: &Stack, title: &str, name: &str) -> Page {
        let path = self.open(INBOX).await.link(title);
        let ready = |page: &Page| {
            let file = page.attachment(name);
            file.is_some_and(|about| about.contains("ready"))
        };
        let what = format!("the worker has processed {name}");
        self.until_at(stack, &path, &what, ready).await
    }

    /// Reloads a page until it shows what is waited for.
    pub(crate) async fn until_at(
        &self,
        stack: &Stack,
        path: &str,
        what: &str,
        shown: impl Fn(&Page) -> bool,
    ) -> Page {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let page = self.open(path).await;
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
}
