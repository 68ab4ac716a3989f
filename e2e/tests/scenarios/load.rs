//! Many people who change the same lists at the same time, through two pods of
//! everything: no update is lost, and every event arrives once and in order.

mod caller;
mod journal;
mod random;

use std::fmt::Debug;
use std::sync::Arc;

use e2e::stack::Stack;
use tokio::task::JoinSet;

use crate::api::Api;
use crate::person::start;
use crate::replicas::two_of_each;
use caller::Caller;
pub(crate) use journal::Journal;
pub(crate) use random::Random;

const LISTS: usize = 50;
const CALLERS: usize = 8;
const CHANGES_OF_EACH: usize = 30;

/// Whether requests may fail because processes are killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Faults {
    None,
    Expected,
}

impl Faults {
    fn may_cause(self, trouble: &impl Debug) {
        assert_eq!(self, Self::Expected, "{trouble:?}");
    }
}

/// A list that everybody changes, and the todo in it that counts edits.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) list: String,
    pub(crate) counter: String,
}

/// How many changes are acknowledged at least.
pub(crate) fn least() -> usize {
    2 * LISTS
}

/// Runs the load to its end.
pub(crate) async fn run(stack: &Stack, journal: &Journal, faults: Faults, mut random: Random) {
    let mut backends = Vec::new();
    for pod in ["backend-0", "backend-1"] {
        backends.push(Api::at_pod(stack, pod).await);
    }
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            let name = format!("caller {number}");
            let backends = backends.clone();
            Caller::new(name, backends, faults, journal.clone(), random.fork())
        })
        .collect();
    let (callers, lists) = make_lists(callers).await;
    let lists = Arc::new(lists);
    let mut changing = JoinSet::new();
    for mut caller in callers {
        let lists = Arc::clone(&lists);
        changing.spawn(async move {
            for _ in 0..CHANGES_OF_EACH {
                caller.change(&lists).await;
            }
        });
    }
    while let Some(changed) = changing.join_next().await {
        changed.expect("nobody gave up");
    }
}

async fn make_lists(callers: Vec<Caller>) -> (Vec<Caller>, Vec<Shared>) {
    let mut making = JoinSet::new();
    for (number, mut caller) in callers.into_iter().enumerate() {
        let own = (number..LISTS).step_by(CALLERS).count();
        making.spawn(async move {
            let mut lists = Vec::new();
            for _ in 0..own {
                lists.push(caller.make_list().await);
            }
            (caller, lists)
        });
    }
    let mut all = (Vec::new(), Vec::new());
    while let Some(made) = making.join_next().await {
        let (caller, lists) = made.expect("nobody gave up");
        all.0.push(caller);
        all.1.extend(lists);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_edit_at_once_through_all_pods_lose_nothing() {
    let stack = start(two_of_each()).await;
    let journal = Journal::default();

    run(&stack, &journal, Faults::None, Random::from(1)).await;

    journal.is_kept(&stack, &Api::at(&stack).await).await;
    stack.stop(|_| {}).await.expect("everything ends");
}
