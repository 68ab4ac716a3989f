//! What a load did, as far as whoever did it can know, and whether all of it is
//! there in the end: once, and in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use e2e::stack::Stack;
use serde_json::Value;
use tokio::sync::watch;

use crate::api::Api;
use crate::person::Browser;
use crate::records::Records;
use crate::stage::settled;

/// A change of a list that makes an event.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    pub(crate) list: String,
    /// The event's type, such as `todo.added`.
    pub(crate) event: &'static str,
    /// The event's text, which no other event of this type has.
    pub(crate) text: String,
    /// Whether it was acknowledged. What was not may have been done or not.
    pub(crate) acknowledged: bool,
}

/// The deeds of everybody. A cheap handle.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    /// Held for a line.
    deeds: Arc<Mutex<Vec<Deed>>>,
    /// How many of them were acknowledged.
    count: Arc<watch::Sender<usize>>,
    /// How many edits somebody else was faster with.
    overtaken: Arc<AtomicUsize>,
}

impl Journal {
    pub(crate) fn note(&self, deed: Deed) {
        if deed.acknowledged {
            self.count.send_modify(|count| *count += 1);
        }
        self.deeds.lock().expect("no panic").push(deed);
    }

    /// An edit was refused, because somebody else's came between reading and writing.
    pub(crate) fn note_overtaken(&self) {
        self.overtaken.fetch_add(1, Ordering::Relaxed);
    }

    /// How many edits somebody else was faster with.
    pub(crate) fn overtaken(&self) -> usize {
        self.overtaken.load(Ordering::Relaxed)
    }

    /// How many deeds were acknowledged, as it grows.
    pub(crate) fn acknowledged(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// Nothing more is done: whoever waits for more need not.
    pub(crate) fn close(&self) {
        self.count.send_replace(usize::MAX);
    }

    fn deeds(&self) -> Vec<Deed> {
        self.deeds.lock().expect("no panic").clone()
    }

    /// Waits until every event has arrived, and looks at each list.
    pub(crate) async fn is_kept(&self, stack: &Stack, api: &Api) {
        let mut by_list: BTreeMap<String, Vec<Deed>> = BTreeMap::new();
        for deed in self.deeds() {
            by_list.entry(deed.list.clone()).or_default().push(deed);
        }
        let records = Records::open(stack).await;
        let browser = Browser::at(stack.address("frontend").expect("the frontend serves"));
        for (list, deeds) in by_list {
            settled(stack, &list).await;
            let activity = records.activity(&list).await;
            each_event_is_there_once_and_in_order(&list, &activity, &deeds);
            what_ends_a_todo_comes_after_it(&list, &activity);
            let todos = api.all(&format!("lists/{list}/todos")).await;
            each_todo_is_as_it_was_left(&list, &todos, &deeds);
            no_edit_is_lost(&list, &activity, &todos);
            each_file_is_as_it_was_sent(&browser, &list, &todos, &deeds).await;
        }
    }
}

fn each_event_is_there_once_and_in_order(list: &str, activity: &[Value], deeds: &[Deed]) {
    let sequence: Vec<_> = activity
        .iter()
        .map(|entry| entry["sequence"].as_u64())
        .collect();
    let gapless: Vec<_> = (1..=activity.len() as u64).map(Some).collect();
    assert_eq!(sequence, gapless, "{list}: {activity:#?}");
    let mut times: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for entry in activity {
        let text = |member: &str| entry[member].as_str().unwrap_or_default();
        *times.entry((text("type"), text("text"))).or_default() += 1;
    }
    for deed in deeds {
        let found = times.remove(&(deed.event, &*deed.text)).unwrap_or_default();
        let right = found == 1 || (found == 0 && !deed.acknowledged);
        assert!(right, "{deed:?} is there {found} times: {activity:#?}");
    }
    assert!(times.is_empty(), "{list}: nobody did {times:?}: {deeds:#?}");
}

/// A todo is completed or deleted after it was added.
fn what_ends_a_todo_comes_after_it(list: &str, activity: &[Value]) {
    let subject = |entry: &Value| entry["subject"].as_str().map(str::to_owned);
    for (place, entry) in activity.iter().enumerate() {
        let kind = entry["type"].as_str().unwrap_or_default();
        if ["todo.completed", "todo.deleted"].contains(&kind) {
            let added = activity[..place]
                .iter()
                .any(|before| before["type"] == "todo.added" && subject(before) == subject(entry));
            assert!(
                added,
                "{list}: {entry:#?} without a beginning: {activity:#?}"
            );
        }
    }
}

/// Each todo is there once unless it was deleted, and done if it was completed.
/// Whoever completes or deletes one asks until that is acknowledged.
fn each_todo_is_as_it_was_left(list: &str, todos: &[Value], deeds: &[Deed]) {
    for deed in deeds.iter().filter(|deed| deed.event == "todo.added") {
        // A counter's title has changed since.
        if counted(&deed.text).is_some() {
            continue;
        }
        let was = |event: &str| {
            let mut deeds = deeds.iter();
            deeds.any(|other| other.event == event && other.text == deed.text)
        };
        let done: Vec<_> = todos
            .iter()
            .filter(|todo| todo["title"] == *deed.text)
            .map(|todo| todo["done"].as_bool().unwrap_or_default())
            .collect();
        let expected = if was("todo.deleted") {
            vec![]
        } else {
            vec![was("todo.completed")]
        };
        let right = done == expected || (done.is_empty() && !deed.acknowledged);
        assert!(
            right,
            "{list}: {deed:?} is there as {done:?} and not {expected:?}: {todos:#?}"
        );
    }
}

/// Each file that was taken can be had again. They are attached to the counter, and
/// each says its own name.
async fn each_file_is_as_it_was_sent(
    browser: &Browser,
    list: &str,
    todos: &[Value],
    deeds: &[Deed],
) {
    let files = deeds.iter().filter(|deed| deed.event == "attachment.ready");
    let names: Vec<_> = files.map(|deed| &*deed.text).collect();
    if names.is_empty() {
        return;
    }
    let counter = todos
        .iter()
        .find(|todo| todo["title"].as_str().and_then(counted).is_some());
    let counter = counter.and_then(|todo| todo["id"].as_str());
    let path = format!("/lists/{list}/todos/{}", counter.expect("a counter"));
    let page = browser.get(&path).await.expect("the counter's page");
    for name in names {
        let file = browser.fetch(&page.link(name)).await.expect("an answer");
        let status = file.status();
        let content = file.text().await.expect("the whole file");
        assert!(
            status == 200 && content == name,
            "{name} at {path} has its own name as its content; it answers {status}: {content}"
        );
    }
}

/// Whoever edits the counter of a list counts one further than what they read.
/// So the edits of its history count from 1 to the last, if none was lost.
fn no_edit_is_lost(list: &str, activity: &[Value], todos: &[Value]) {
    let edits: Vec<_> = activity
        .iter()
        .filter(|entry| entry["type"] == "todo.edited")
        .map(|entry| counted(entry["text"].as_str().unwrap_or_default()))
        .collect();
    let counting: Vec<_> = (1..=edits.len()).map(Some).collect();
    assert_eq!(edits, counting, "{list}: {activity:#?}");
    let counters = todos
        .iter()
        .filter_map(|todo| counted(todo["title"].as_str()?));
    let counters: Vec<_> = counters.collect();
    assert_eq!(counters, [edits.len()], "{list}: {todos:#?}");
}

/// What a counter's title says, after this many edits.
pub(crate) fn counter(count: usize, by: &str) -> String {
    format!("Counted to {count} by {by}")
}

/// How far a counter's title says that it was counted.
pub(crate) fn counted(title: &str) -> Option<usize> {
    let (count, _) = title.strip_prefix("Counted to ")?.split_once(" by ")?;
    count.parse().ok()
}
