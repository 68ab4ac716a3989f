//! Somebody who looks at the pages every few minutes: makes a list every hour,
//! adds to-dos, edits them, attaches files, and reads what happened.
//!
//! A person tries nothing twice: whatever does not succeed at once is a failure.
//! What they do is reload a page to see whether the worker is done.

#[path = "../scenarios/person/browser.rs"]
mod browser;
#[path = "../scenarios/person/page.rs"]
#[expect(dead_code, reason = "the scenarios read more of a page")]
mod page;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use browser::Browser;
use page::{Form, Page};

use crate::watcher::Watcher;

/// How long the worker may take, in real time. A message that it had in hand when
/// the clock jumped is handed out again after its lock of half a minute.
const PATIENCE: Duration = Duration::from_secs(90);

/// Every so many visits a file is attached.
const A_FILE_EVERY: u64 = 5;

/// Someone at the pages.
pub(crate) struct Person {
    name: String,
    frontend: SocketAddr,
    browser: Browser,
    list: Option<List>,
    visits: u64,
    requests: Arc<AtomicU64>,
}

struct List {
    path: String,
    /// How many entries its activity has to have.
    entries: usize,
    watcher: Watcher,
}

impl Person {
    pub(crate) fn new(name: String, frontend: SocketAddr, requests: Arc<AtomicU64>) -> Self {
        Self {
            name,
            frontend,
            browser: Browser::at(frontend),
            list: None,
            visits: 0,
            requests,
        }
    }

    /// Comes back to the pages. Between two visits no connection is kept: the
    /// pages close one after half a minute.
    pub(crate) async fn visit(&mut self, is_new_hour: bool) -> Result<u64> {
        self.browser = self.browser.moved_to(self.frontend);
        self.visits += 1;
        let mut reconnects = 0;
        if is_new_hour || self.list.is_none() {
            reconnects = self.leave().await?;
            self.make_list().await?;
        }
        self.work().await?;
        Ok(reconnects)
    }

    /// Leaves the list, once its stream has told all of it. Returns how often the
    /// browser had to open the stream again.
    pub(crate) async fn leave(&mut self) -> Result<u64> {
        match self.list.take() {
            None => Ok(0),
            Some(list) => list.watcher.has_told(list.entries, PATIENCE).await,
        }
    }

    async fn make_list(&mut self) -> Result<()> {
        let form = self.open("/lists").await?.form("/lists");
        let name = format!("{} {}", self.name, self.visits);
        let page = self.send(&form.with("name", &name)).await?;
        // A link is signed with a secret, for which the backend needs its vault.
        let shared = self.send(&page.form("/share")).await?;
        ensure!(shared.text.contains("/shared/"), "{}", shared.words());
        self.list = Some(List {
            watcher: Watcher::start(self.frontend, &page.path),
            path: page.path,
            // That it was made.
            entries: 1,
        });
        Ok(())
    }

    async fn work(&mut self) -> Result<()> {
        let has_file = self.visits.is_multiple_of(A_FILE_EVERY);
        let list = self.list.as_mut().context("a list was made")?;
        // Added and edited; attached and ready.
        list.entries += if has_file { 4 } else { 2 };
        let (path, entries) = (list.path.clone(), list.entries);

        let title = format!("{} does {}", self.name, self.visits);
        let form = self.open(&path).await?.form("/todos");
        let page = self.send(&form.with("title", &title)).await?;
        let todo = page.link(&title);
        let page = self.open(&todo).await?;
        let edited = format!("{title}, edited");
        let page = self.send(&page.form(&todo).with("title", &edited)).await?;
        ensure!(page.text.contains(&edited), "{}", page.words());
        if has_file {
            self.attach(&todo).await?;
        }
        self.reads_activity(&path, entries, &edited).await
    }

    async fn attach(&self, todo: &str) -> Result<()> {
        let content = vec![b'x'; 10_000];
        let form = self.open(todo).await?.form("/attachments");
        self.send(&form.with_file("file", "notes.txt", &content))
            .await?;
        let ready = |page: &Page| {
            let file = page.attachment("notes.txt");
            file.is_some_and(|about| about.contains("ready"))
        };
        let page = self.until(todo, "the file is not ready", ready).await?;
        let link = page.link("notes.txt");
        self.requests.fetch_add(1, Ordering::Relaxed);
        let file = self.browser.fetch(&link).await?.error_for_status()?;
        ensure!(file.bytes().await? == content, "another file came back");
        Ok(())
    }

    /// Reloads the list until its activity tells of what was done last.
    async fn reads_activity(&self, list: &str, entries: usize, newest: &str) -> Result<()> {
        // A page shows the newest twenty.
        let enough = entries.min(20);
        let told = |page: &Page| {
            let activity = page.activity();
            activity.len() >= enough && activity.iter().any(|entry| entry.contains(newest))
        };
        self.until(list, "the activity does not tell all of it", told)
            .await?;
        Ok(())
    }

    async fn until(&self, path: &str, not: &str, shown: impl Fn(&Page) -> bool) -> Result<Page> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let page = self.open(path).await?;
            if shown(&page) {
                return Ok(page);
            }
            if Instant::now() > deadline {
                bail!("{path}: {not}: {}", page.words());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn open(&self, path: &str) -> Result<Page> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        good(
            self.browser
                .get(path)
                .await
                .with_context(|| format!("GET {path}"))?,
        )
    }

    async fn send(&self, form: &Form) -> Result<Page> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let page = self.browser.submit(form).await;
        good(page.with_context(|| format!("POST {}", form.action))?)
    }
}

fn good(page: Page) -> Result<Page> {
    ensure!(
        page.status.is_success(),
        "{} answered {}: {}",
        page.path,
        page.status,
        page.words()
    );
    Ok(page)
}
