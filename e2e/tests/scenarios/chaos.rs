//! The load of `load.rs`, while processes of the workload are killed as `kill -9`
//! does, or stopped as `docker stop` and a node's drain do: nothing is lost, and
//! nothing is done twice.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::stack::Stack;
use futures::future::join_all;
use platform::settings::Vars;
use uuid::Uuid;

use crate::api::Api;
use crate::load::{self, Faults, Journal, Random};
use crate::replicas::{two_of_each, until_restarted};
use crate::stage::start;

/// How often every process is killed: once alone, and once with the other of its
/// role.
const TIMES: u32 = 2;

/// How long after an acknowledgement a kill comes at most.
const LATER: Duration = Duration::from_millis(50);

/// A message's lock lasts 30 seconds; that of a killed worker has to expire.
const PAST_THE_LOCK: Duration = Duration::from_secs(31);

/// From `CHAOS_SEED`, to see a failure again; any by default.
fn random() -> Random {
    let given = Vars::from_process().get("CHAOS_SEED");
    let seed = given.map_or_else(
        || Uuid::new_v4().as_u64_pair().0,
        |seed| seed.parse().expect("CHAOS_SEED is a number"),
    );
    println!("to see this run again: CHAOS_SEED={seed}");
    Random::from(seed)
}

/// Two pods of each, which sweep often and are started again at once.
async fn start_two_of_each() -> Stack {
    let options = two_of_each()
        .with("backend", "RELAY_SWEEP_SECONDS", "1")
        .with("worker", "WORKER_SWEEP_SECONDS", "1")
        .with("worker", "PENDING_GRACE_SECONDS", "10")
        .back_off(Duration::from_millis(10));
    let stack = start(options).await;
    stack.supervise();
    stack
}

/// What is killed at once: each pod of a role by itself, and all of them together.
fn turns(stack: &Stack) -> Vec<Vec<String>> {
    let mut roles: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for pod in stack.pods() {
        let (role, _) = pod.rsplit_once('-').expect("a pod of several");
        roles.entry(role).or_default().push(pod.to_owned());
    }
    let roles = roles.into_values();
    let turns = roles.flat_map(|pods| {
        let alone = pods.iter().map(|pod| vec![pod.clone()]);
        alone.chain([pods.clone()]).collect::<Vec<_>>()
    });
    turns.collect()
}

/// Kills every pod's process a few times, in any order and at any moment, as the
/// load goes on.
async fn kill_all(stack: &Stack, journal: &Journal, mut random: Random) {
    let mut turns = turns(stack);
    let count = turns.len();
    let mut acknowledged = journal.acknowledged();
    let mut killed: BTreeMap<String, u32> = BTreeMap::new();
    for turn in 1..=count {
        let due = turn * load::CHANGES / (count + 1);
        let reached = acknowledged.wait_for(|count| *count >= due).await;
        drop(reached.expect("the journal is kept"));
        let victims = random.take(&mut turns);
        for victim in &victims {
            until_restarted(
                stack,
                victim,
                killed.get(victim).copied().unwrap_or_default(),
            )
            .await;
        }
        // An acknowledgement is not the only moment to die at.
        let later = random.below(usize::try_from(LATER.as_micros()).expect("a short time"));
        tokio::time::sleep(Duration::from_micros(later as u64)).await;
        let kills = victims.iter().map(|victim| stack.kill_pod(victim));
        for killed in join_all(kills).await {
            killed.expect("killed");
        }
        for victim in victims {
            *killed.entry(victim).or_default() += 1;
        }
    }
    assert!(killed.values().all(|times| *times == TIMES), "{killed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_are_killed_at_any_time_lose_nothing_and_do_nothing_twice() {
    let mut random = random();
    let stack = start_two_of_each().await;
    let journal = Journal::default();
    // Its token is of now, as pods know the time: they do not go with the cloud's
    // clock below.
    let api = Api::at(&stack).await;

    tokio::join!(
        load::run(&stack, &journal, &Faults::Kills, random.fork()),
        kill_all(&stack, &journal, random.fork()),
    );
    for pod in stack.pods() {
        until_restarted(&stack, pod, TIMES).await;
        stack.wait_until_ready(pod).await.expect("ready again");
    }
    stack
        .control()
        .advance(PAST_THE_LOCK)
        .await
        .expect("advanced");

    journal.is_kept(&stack, &api).await;
    stack.stop(|_| {}).await.expect("everything ends");
}

/// Stops every pod once, one after the other, as the load goes on.
async fn stop_each(stack: &Stack, journal: &Journal) {
    let pods: Vec<String> = stack.pods().map(str::to_owned).collect();
    let mut acknowledged = journal.acknowledged();
    for (number, pod) in (1..).zip(&pods) {
        let due = number * load::CHANGES / (pods.len() + 1);
        let reached = acknowledged.wait_for(|count| *count >= due).await;
        drop(reached.expect("the journal is kept"));
        let ended = stack.end_pod(pod).await.expect("it ends");
        assert!(ended.success(), "{pod} ended with {ended}");
        until_restarted(stack, pod, 1).await;
        stack.wait_until_ready(pod).await.expect("ready again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_are_stopped_one_by_one_end_well_and_lose_nothing() {
    let mut random = random();
    let stack = start_two_of_each().await;
    let journal = Journal::default();
    let api = Api::at(&stack).await;

    // A stopped pod takes no connection any more, as a killed one does.
    tokio::join!(
        load::run(&stack, &journal, &Faults::Kills, random.fork()),
        stop_each(&stack, &journal),
    );

    journal.is_kept(&stack, &api).await;
    stack.stop(|_| {}).await.expect("everything ends");
}
