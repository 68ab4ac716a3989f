//! Someone who changes lists at the pages, at both pods of the frontend: with the
//! same session, and moving on to the other pod whenever one is in trouble.

use std::time::{Duration, Instant};

use reqwest::StatusCode;

use super::journal::{Deed, Journal, counted, counter};
use super::random::Random;
use super::{Faults, Shared, which};
use crate::person::{Browser, Form, Page};

/// How long someone tries again who gets no page.
const PATIENCE: Duration = Duration::from_secs(30);

/// Someone at the pages.
pub(crate) struct Visitor {
    name: String,
    /// One browser, at each pod.
    browsers: Vec<Browser>,
    faults: Faults,
    journal: Journal,
    random: Random,
    /// For titles that nobody else has.
    number: usize,
}

impl Visitor {
    pub(super) fn new(
        name: String,
        browsers: Vec<Browser>,
        faults: Faults,
        journal: Journal,
        random: Random,
    ) -> Self {
        Self {
            name,
            browsers,
            faults,
            journal,
            random,
            number: 0,
        }
    }

    /// Changes something in one of the lists.
    pub(crate) async fn change(&mut self, lists: &[Shared]) {
        let shared = which(lists, &mut self.random).clone();
        match self.random.below(4) {
            0 => self.add(&shared).await,
            1 => self.attach(&shared).await,
            _ => self.count(&shared).await,
        }
    }

    /// Adds a to-do. The form has a key: sending it again adds nothing.
    async fn add(&mut self, shared: &Shared) {
        let title = self.unique();
        let fill = |list: &Page| list.form("/todos").with("title", &title);
        let page = self.fill(&shared.path(), fill).await;
        assert!(page.status.is_success(), "{}", page.words());
        self.note(shared, "todo.added", &title, true);
    }

    /// Edits the list's counter in its form: one further than the page shows.
    async fn count(&mut self, shared: &Shared) {
        let page = self.open(&shared.path_of_counter()).await;
        let form = page.form(&shared.counter);
        let count = counted(form.value("title")).expect("a counter");
        let title = counter(count + 1, &self.unique());
        let form = form.with("title", &title);
        match self.send(&form).await {
            Some(page) if page.status.is_success() => {
                self.note(shared, "todo.edited", &title, true);
            }
            Some(page) if page.status == StatusCode::FORBIDDEN => {}
            Some(page) => {
                assert_eq!(page.status, StatusCode::CONFLICT, "{}", page.words());
                self.journal.note_overtaken();
                // The frontend asks again when the backend's answer is lost: what
                // was faster may have been this edit, or one after it.
                if self.faults.are_kills() {
                    self.note(shared, "todo.edited", &title, false);
                }
            }
            None => self.note(shared, "todo.edited", &title, false),
        }
    }

    /// Attaches a file to the counter, and waits for no more than that it is taken.
    async fn attach(&mut self, shared: &Shared) {
        let name = format!("{}.txt", self.unique());
        let fill = |counter: &Page| {
            let form = counter.form("/attachments");
            form.with_file("file", &name, name.as_bytes())
        };
        let page = self.fill(&shared.path_of_counter(), fill).await;
        assert!(page.status.is_success(), "{}", page.words());
        self.note(shared, "attachment.added", &name, true);
        self.note(shared, "attachment.ready", &name, true);
    }

    fn note(&self, shared: &Shared, event: &'static str, text: &str, acknowledged: bool) {
        self.journal.note(Deed {
            list: shared.list.clone(),
            event,
            text: text.to_owned(),
            acknowledged,
        });
    }

    fn unique(&mut self) -> String {
        self.number += 1;
        format!("{} {}", self.name, self.number)
    }

    async fn open(&mut self, path: &str) -> Page {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let browser = self.random.one_of(&self.browsers).clone();
            match browser.get(path).await {
                Ok(page) if page.status.is_success() => return page,
                trouble => self.may_be(&trouble),
            }
            pause(deadline, path).await;
        }
    }

    /// Fills a form of a page and sends it. Whose session is refused opens the page
    /// anew, as it says: nothing was changed.
    async fn fill(&mut self, path: &str, fill: impl Fn(&Page) -> Form) -> Page {
        loop {
            let form = fill(&self.open(path).await);
            let page = self.insist(&form).await;
            if page.status != StatusCode::FORBIDDEN {
                return page;
            }
        }
    }

    /// Sends a form that may be sent again until there is an answer.
    async fn insist(&mut self, form: &Form) -> Page {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(page) = self.send(form).await {
                return page;
            }
            pause(deadline, &form.action).await;
        }
    }

    /// Sends a form once. No page, or one of a pod in trouble, says nothing of
    /// what was done.
    async fn send(&mut self, form: &Form) -> Option<Page> {
        let browser = self.random.one_of(&self.browsers).clone();
        let session = browser.cookie();
        match browser.submit(form).await {
            Ok(page) if page.status == StatusCode::FORBIDDEN => {
                self.faults.may_end(&session, &page.words());
                Some(page)
            }
            Ok(page) if !page.status.is_server_error() => Some(page),
            trouble => {
                self.may_be(&trouble);
                None
            }
        }
    }

    fn may_be(&self, trouble: &Result<Page, reqwest::Error>) {
        match trouble {
            Ok(page) => self.faults.may_cause(&(page.status, page.words())),
            Err(error) => self.faults.may_cause(error),
        }
    }
}

async fn pause(deadline: Instant, what: &str) {
    assert!(Instant::now() < deadline, "no page at {what}");
    tokio::time::sleep(Duration::from_millis(20)).await;
}
