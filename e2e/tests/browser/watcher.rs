//! Watches a window from before its first page: what its console says, what is
//! thrown, where its requests go. At the end of a scenario there must be nothing
//! to tell.

use std::sync::Mutex;

use anyhow::Result;
use chromiumoxide::Page;
use chromiumoxide::cdp::IntoEventKind;
use chromiumoxide::cdp::browser_protocol::log::{EventEntryAdded, LogEntryLevel, LogEntrySource};
use chromiumoxide::cdp::browser_protocol::network::{
    EventRequestWillBeSent, EventWebSocketCreated, ResourceType,
};
use chromiumoxide::cdp::js_protocol::runtime::{
    ConsoleApiCalledType, EventConsoleApiCalled, EventExceptionThrown,
};
use chromiumoxide::listeners::EventStream;
use futures::{FutureExt as _, StreamExt as _};
use url::Url;

use crate::chromium::Chromium;

/// What is watched in one window.
pub(crate) struct Watcher {
    streams: Mutex<Streams>,
    seen: Mutex<Seen>,
}

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// What the console says of errors and warnings, and what was thrown.
    pub(crate) console: Vec<String>,
    /// Where requests went.
    pub(crate) requests: Vec<String>,
    /// The ids of requests for whole pages.
    pages: Vec<String>,
}

struct Streams {
    said: EventStream<EventConsoleApiCalled>,
    thrown: EventStream<EventExceptionThrown>,
    logged: EventStream<EventEntryAdded>,
    requested: EventStream<EventRequestWillBeSent>,
    connected: EventStream<EventWebSocketCreated>,
}

impl Watcher {
    /// Begins to watch a window, which has to be empty still.
    pub(crate) async fn of(page: &Page) -> Result<Self> {
        let streams = Streams {
            said: page.event_listener().await?,
            thrown: page.event_listener().await?,
            logged: page.event_listener().await?,
            requested: page.event_listener().await?,
            connected: page.event_listener().await?,
        };
        Ok(Self {
            streams: Mutex::new(streams),
            seen: Mutex::default(),
        })
    }

    /// Everything until now.
    pub(crate) fn seen(&self) -> Seen {
        let mut streams = self.streams.lock().expect("no holder panics");
        let mut seen = self.seen.lock().expect("no holder panics");
        // First, so that the requests that they are about are known below.
        let logged: Vec<_> = std::iter::from_fn(|| next(&mut streams.logged)).collect();
        while let Some(event) = next(&mut streams.requested) {
            if event.r#type == Some(ResourceType::Document) {
                seen.pages.push(event.request_id.inner().clone());
            }
            seen.requests.push(event.request.url.clone());
        }
        while let Some(event) = next(&mut streams.connected) {
            seen.requests.push(event.url.clone());
        }
        while let Some(event) = next(&mut streams.said) {
            if matches!(
                event.r#type,
                ConsoleApiCalledType::Error
                    | ConsoleApiCalledType::Warning
                    | ConsoleApiCalledType::Assert
            ) {
                let words = event.args.iter().map(|argument| {
                    let value = argument.value.as_ref().map(ToString::to_string);
                    value
                        .or_else(|| argument.description.clone())
                        .unwrap_or_default()
                });
                let words: Vec<_> = words.collect();
                seen.console.push(format!("console: {}", words.join(" ")));
            }
        }
        while let Some(event) = next(&mut streams.thrown) {
            let details = &event.exception_details;
            let thrown = details.exception.as_ref();
            let what = thrown.and_then(|thrown| thrown.description.clone());
            seen.console
                .push(format!("thrown: {}", what.unwrap_or(details.text.clone())));
        }
        for event in logged {
            let entry = &event.entry;
            let is_bad = matches!(entry.level, LogEntryLevel::Error | LogEntryLevel::Warning);
            // A page that is a refusal is told by the page itself.
            let is_page = entry.source == LogEntrySource::Network
                && entry
                    .network_request_id
                    .as_ref()
                    .is_some_and(|request| seen.pages.contains(request.inner()));
            if is_bad && !is_page {
                let url = entry.url.as_deref().unwrap_or_default();
                seen.console.push(format!("log: {}: {url}", entry.text));
            }
        }
        seen.clone()
    }
}

impl Watcher {
    /// Everything until now, which is not told again: a scenario judges it itself.
    pub(crate) fn take(&self) -> Seen {
        let seen = self.seen();
        *self.seen.lock().expect("no holder panics") = Seen::default();
        seen
    }
}

impl Seen {
    /// What is not as it should be for pages of this origin.
    pub(crate) fn complaints(&self, origin: &Url) -> Vec<String> {
        let foreign = self.requests.iter().filter(|request| {
            let url = Url::parse(request);
            !url.is_ok_and(|url| url.origin() == origin.origin() || is_inline(&url))
        });
        let foreign = foreign.map(|request| format!("a request to {request}"));
        self.console.iter().cloned().chain(foreign).collect()
    }
}

/// Whether what is loaded is in the address itself.
fn is_inline(url: &Url) -> bool {
    matches!(url.scheme(), "data" | "blob" | "about")
}

/// Events that nobody saw, because a newer browser says them in another form.
pub(crate) fn overlooked(chromium: &Chromium) -> Vec<String> {
    let watched = [
        EventConsoleApiCalled::IDENTIFIER,
        EventExceptionThrown::IDENTIFIER,
        EventEntryAdded::IDENTIFIER,
        EventRequestWillBeSent::IDENTIFIER,
        EventWebSocketCreated::IDENTIFIER,
    ];
    let mut unreadable = chromium.unreadable();
    unreadable.retain(|event| {
        watched
            .iter()
            .any(|name| event.contains(&format!("\"{name}\"")))
    });
    unreadable
}

/// The next event that has already come.
fn next<T: IntoEventKind + Unpin>(stream: &mut EventStream<T>) -> Option<std::sync::Arc<T>> {
    stream.next().now_or_never().flatten()
}
