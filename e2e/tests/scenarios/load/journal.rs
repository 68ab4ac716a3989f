//! What a load did, as far as whoever did it can know, and whether all of it is
//! there in the end: once, and in order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use e2e::stack::Stack;
use serde_json::Value;
use tokio::sync::watch;

use crate::api::Api;
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
}

impl Journal {
    pub(crate) fn note(&self, deed: Deed) {
        if deed.acknowledged {
            self.count.send_modify(|count| *count += 1);
        }
        self.deeds.lock().expect("no panic").push(deed);
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
        for (list, deeds) in by_list {
            settled(stack, &list).await;
            let activity = records.activity(&list).await;
            each_event_is_there_once_and_in_order(&list, &activity, &deeds);
            let todos = api.all(&format!("lists/{list}/todos")).await;
            each_todo_is_there_once(&list, &todos, &deeds);
            no_edit_is_lost(&list, &activity, &todos);
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

fn each_todo_is_there_once(list: &str, todos: &[Value], deeds: &[Deed]) {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for todo in todos {
        *times
            .entry(todo["title"].as_str().unwrap_or_default())
            .or_default() += 1;
    }
    for deed in deeds.iter().filter(|deed| deed.event == "todo.added") {
        let deleted = deeds
            .iter()
            .any(|other| other.event == "todo.deleted" && other.text == deed.text);
        let found = times.get(&*deed.text).copied().unwrap_or_default();
        let right = match (deed.acknowledged, deleted || counted(&deed.text).is_some()) {
            (true, false) => found == 1,
            _ => found <= 1,
        };
        assert!(right, "{list}: {deed:?} is there {found} times: {todos:#?}");
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
