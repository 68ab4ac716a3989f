//! Many people who change the same lists at the same time, through two pods of
//! everything: no update is lost, and every event arrives once and in order.

mod caller;
mod faults;
mod journal;
mod random;
mod visitor;

use std::sync::Arc;

use e2e::stack::Stack;
use tokio::task::JoinSet;

use crate::api::Api;
use crate::person::Browser;
use crate::replicas::two_of_each;
use crate::stage::start;
use caller::Caller;
use faults::CHANGES_OF_EACH;
pub(crate) use faults::{Faults, Withdrawn};
pub(crate) use journal::Journal;
pub(crate) use random::Random;
use visitor::Visitor;

const LISTS: usize = 50;
/// As many are enough for people who go on for as long as keys take to change.
const FEW_LISTS: usize = 10;
/// How many of them everybody is at all the time: half of all changes.
const HOT: usize = 4;
const CALLERS: usize = 6;
const VISITORS: usize = 4;

/// How often somebody is overtaken at least, when everybody edits at once.
const RACES: usize = 5;

/// A list that everybody changes, and the todo in it that counts edits.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) list: String,
    pub(crate) counter: String,
}

/// How many changes are acknowledged, more or less: the lists with their counters,
/// and half of what everybody tries.
pub(crate) const CHANGES: usize = BEGINNING + (CALLERS + VISITORS) * CHANGES_OF_EACH / 2;

/// How many of them make the lists that are changed then.
const BEGINNING: usize = 2 * LISTS;

/// The same with few lists.
pub(crate) const FEW_BEGINNING: usize = 2 * FEW_LISTS;

impl Shared {
    fn path(&self) -> String {
        format!("/lists/{}", self.list)
    }

    fn path_of_counter(&self) -> String {
        format!("{}/todos/{}", self.path(), self.counter)
    }
}

/// The list to change next: one of the hot ones as often as any.
fn which<'a>(lists: &'a [Shared], random: &mut Random) -> &'a Shared {
    match random.below(2) {
        0 => random.one_of(&lists[..HOT]),
        _ => random.one_of(lists),
    }
}

/// Runs the load to its end.
pub(crate) async fn run(stack: &Stack, journal: &Journal, faults: &Faults, mut random: Random) {
    let callers = callers(stack, journal, faults, &mut random).await;
    let visitors = visitors(stack, journal, faults, &mut random);
    let (callers, lists) = make_lists(callers, faults.lists()).await;
    let lists = Arc::new(lists);
    let mut changing = JoinSet::new();
    for mut caller in callers {
        let (lists, faults) = (Arc::clone(&lists), faults.clone());
        changing.spawn(async move {
            let mut changes = 0;
            while faults.go_on_after(changes).await {
                caller.change(&lists).await;
                changes += 1;
            }
        });
    }
    for mut visitor in visitors {
        let (lists, faults) = (Arc::clone(&lists), faults.clone());
        changing.spawn(async move {
            let mut changes = 0;
            while faults.go_on_after(changes).await {
                visitor.change(&lists).await;
                changes += 1;
            }
        });
    }
    while let Some(changed) = changing.join_next().await {
        changed.expect("nobody gave up");
    }
    journal.close();
}

async fn callers(
    stack: &Stack,
    journal: &Journal,
    faults: &Faults,
    random: &mut Random,
) -> Vec<Caller> {
    let mut backends = Vec::new();
    for pod in ["backend-0", "backend-1"] {
        backends.push(Api::at_pod(stack, pod).await);
    }
    let callers = (0..CALLERS).map(|number| {
        let name = format!("caller {number}");
        Caller::new(
            name,
            backends.clone(),
            faults.clone(),
            journal.clone(),
            random.fork(),
        )
    });
    callers.collect()
}

fn visitors(
    stack: &Stack,
    journal: &Journal,
    faults: &Faults,
    random: &mut Random,
) -> Vec<Visitor> {
    let [one, other] = ["frontend-0", "frontend-1"]
        .map(|pod| stack.address(pod).expect("the frontend serves pages"));
    let visitors = (0..VISITORS).map(|number| {
        let browser = Browser::at(one);
        let name = format!("visitor {number}");
        let browsers = vec![browser.moved_to(other), browser];
        Visitor::new(
            name,
            browsers,
            faults.clone(),
            journal.clone(),
            random.fork(),
        )
    });
    visitors.collect()
}

async fn make_lists(callers: Vec<Caller>, count: usize) -> (Vec<Caller>, Vec<Shared>) {
    let mut making = JoinSet::new();
    for (number, mut caller) in callers.into_iter().enumerate() {
        let own = (number..count).step_by(CALLERS).count();
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

    run(&stack, &journal, &Faults::None, Random::from(1)).await;

    let overtaken = journal.overtaken();
    println!("{overtaken} edits were overtaken by others");
    assert!(overtaken >= RACES, "nobody edits at once: {overtaken}");
    journal.is_kept(&stack, &Api::at(&stack).await).await;
    stack.stop(|_| {}).await.expect("everything ends");
}
