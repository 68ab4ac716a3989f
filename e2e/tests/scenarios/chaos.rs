//! The load of `load.rs`, while processes of the workload are killed as `kill -9`
//! does: nothing is lost, and nothing is done twice.

use std::time::Duration;

use e2e::stack::Stack;
use platform::settings::Vars;
use uuid::Uuid;

use crate::api::Api;
use crate::load::{self, Faults, Journal, Random};
use crate::replicas::{two_of_each, until_restarted};
use crate::stage::start;

/// How often every process is killed.
const TIMES: u32 = 2;

/// A message's lock lasts 30 seconds; that of a killed worker has to expire.
const PAST_THE_LOCK: Duration = Duration::from_secs(31);

/// `CHAOS_SEED`, to see a failure again; any by default.
fn seed() -> u64 {
    let given = Vars::from_process().get("CHAOS_SEED");
    given.map_or_else(
        || Uuid::new_v4().as_u64_pair().0,
        |seed| seed.parse().expect("CHAOS_SEED is a number"),
    )
}

/// Kills every pod's process a few times, in any order, as the load goes on.
async fn kill_all(stack: &Stack, journal: &Journal, mut random: Random) {
    let kills = |pod: &str| (0..TIMES).map(|before| (pod.to_owned(), before)).collect();
    let mut kills: Vec<Vec<_>> = stack.pods().map(kills).collect();
    let count = kills.iter().map(Vec::len).sum::<usize>();
    let mut acknowledged = journal.acknowledged();
    for turn in 1..=count {
        let due = turn * load::CHANGES / (count + 1);
        let reached = acknowledged.wait_for(|count| *count >= due).await;
        drop(reached.expect("the journal is kept"));
        let (victim, before) = random.take_from_one_of(&mut kills);
        until_restarted(stack, &victim, before).await;
        stack.kill_pod(&victim).await.expect("killed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_are_killed_at_any_time_lose_nothing_and_do_nothing_twice() {
    let seed = seed();
    println!("to see this run again: CHAOS_SEED={seed}");
    let mut random = Random::from(seed);
    let options = two_of_each()
        .with("backend", "RELAY_SWEEP_SECONDS", "1")
        .with("worker", "WORKER_SWEEP_SECONDS", "1")
        .with("worker", "PENDING_GRACE_SECONDS", "10")
        .back_off(Duration::from_millis(10));
    let stack = start(options).await;
    stack.supervise();
    let journal = Journal::default();
    // Its token is of now, as pods know the time: they do not go with the cloud's
    // clock below.
    let api = Api::at(&stack).await;

    tokio::join!(
        load::run(&stack, &journal, Faults::Expected, random.fork()),
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
