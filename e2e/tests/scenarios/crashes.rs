//! Processes killed at the worst moment. The local cloud holds the operation
//! right after that moment, so that the kill always comes there.

use std::time::Duration;

use e2e::stack::{Options, Stack};

use crate::person::Person;
use crate::stage::{hold, start, until_held};

/// A message's lock lasts 30 seconds.
const PAST_THE_LOCK: Duration = Duration::from_secs(31);

async fn one_entry(stack: &Stack, person: &Person, title: &str) {
    let page = person
        .until(stack, "the activity has the event", |page| {
            page.activity().iter().any(|entry| entry.contains(title))
        })
        .await;
    // Whatever is sent twice arrives before what is sent later.
    person.add("Later").await;
    let later =
        |page: &crate::person::Page| page.activity().iter().any(|entry| entry.contains("Later"));
    let page = if later(&page) {
        page
    } else {
        person.until(stack, "a later event arrives", later).await
    };
    let times = page
        .activity()
        .iter()
        .filter(|entry| entry.contains(title))
        .count();
    assert_eq!(times, 1, "{:?}", page.activity());
}

/// Kills the worker when it is about to do this, lets the message's lock expire,
/// and looks for the effect.
async fn a_worker_killed_at(operation: &str, scope: &str) {
    let stack = start(Options::default()).await;
    let person = Person::at(&stack);
    let moment = hold(&stack, "worker", operation, scope).await;

    person.add("Survive").await;
    until_held(&stack, moment).await;
    stack.kill_pod("worker").await.expect("killed");
    stack.control().release(moment).await.expect("released");
    stack
        .control()
        .advance(PAST_THE_LOCK)
        .await
        .expect("advanced");
    stack.restart_pod("worker").await.expect("restarted");

    one_entry(&stack, &person, "Survive").await;
    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_before_its_effect_does_it_once_after_all() {
    let activity = "cosmos/databases/todolist/containers/activity";
    a_worker_killed_at("CreateItem", activity).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_between_effect_and_settlement_does_not_do_it_twice() {
    a_worker_killed_at("Complete", "bus/queues/todo-events").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_killed_between_commit_and_send_loses_no_event() {
    let stack = start(Options::default().with("backend", "RELAY_SWEEP_SECONDS", "1")).await;
    let person = Person::at(&stack);
    let send = hold(&stack, "backend", "Send", "bus/queues/todo-events").await;

    person.add("Survive").await;
    until_held(&stack, send).await;
    stack.kill_pod("backend").await.expect("killed");
    stack.control().release(send).await.expect("released");
    stack.restart_pod("backend").await.expect("restarted");

    one_entry(&stack, &person, "Survive").await;
    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frontend_killed_between_upload_and_send_loses_no_file() {
    let options = Options::default()
        .with("worker", "PENDING_GRACE_SECONDS", "1")
        .with("worker", "WORKER_SWEEP_SECONDS", "1")
        .with("backend", "RELAY_SWEEP_SECONDS", "1");
    let stack = start(options).await;
    let person = Person::at(&stack);
    person.add("Survive").await;
    let send = hold(&stack, "frontend", "Send", "bus/queues/attachment-jobs").await;

    let uploading = tokio::spawn({
        let person = person.clone();
        async move {
            person
                .attach("Survive", "notes.txt", b"Remember the milk.")
                .await
        }
    });
    until_held(&stack, send).await;
    stack.kill_pod("frontend").await.expect("killed");
    assert!(
        uploading.await.is_err(),
        "the person sees the connection break"
    );
    stack.control().release(send).await.expect("released");
    stack.restart_pod("frontend").await.expect("restarted");

    // The worker's sweep finds it.
    person.until_ready(&stack, "Survive", "notes.txt").await;
    let file = person.download("Survive", "notes.txt").await;
    assert_eq!(file, b"Remember the milk.");
    stack.stop(|_| {}).await.expect("everything ends");
}
