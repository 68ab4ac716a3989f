//! The worker and its queues: what becomes of a message, however long it takes,
//! whatever fails meanwhile, and whoever else is working.

mod at_work;
mod left_behind;

use std::time::Duration;

use e2e::stack::Options;
use local_cloud::control::GrantBody;
use local_cloud::holds::State;
use reqwest::Method;
use serde_json::json;

use crate::api::{Answer, Api};
use crate::outsider::Outsider;
use crate::stage::{hold, until_held};
use at_work::{AtWork, EVENTS, JOBS, queue_with};

const ACTIVITY: &str = "cosmos/databases/todolist/containers/activity";
const TODOS: &str = "cosmos/databases/todolist/containers/todos";
const ATTACHMENTS: &str = "storage/containers/attachments";

/// A list of which nothing is stored but its activity.
const LIST: &str = "6f1c7e0a-3b0d-4c4e-9d1a-0c5a1f0e2b77";

/// Longer than it takes to renew a lock a few times, and shorter than anything
/// that a lock of three seconds could outlast without.
const RENEWALS: usize = 4;

/// A job that takes longer than its lock: the worker renews it, and nobody else
/// gets the message.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_job_outlives_the_lock_that_it_began_with() {
    let model = queue_with("attachment-jobs", json!({ "lockDuration": "PT3S" }));
    let work = AtWork::start(Options::default(), Some(&model)).await;
    let attachment = work.attachment("Long").await;
    let read = hold(&work.stack, "worker", "GetBlob", ATTACHMENTS).await;

    work.send_job(&attachment).await;
    until_held(&work.stack, read).await;
    work.until_did("RenewLock", JOBS, RENEWALS).await;
    work.release(read).await;
    work.until_did("Complete", JOBS, 1).await;

    assert_eq!(work.did("Receive", JOBS).await, 1);
    work.until_recorded("inbox", "attachment.failed", 1).await;
    work.stop().await;
}

/// As many jobs as the worker has slots for are under way; the broker has handed
/// over no more.
#[tokio::test(flavor = "multi_thread")]
async fn as_many_jobs_as_there_are_slots_are_under_way_and_no_more() {
    let model = queue_with("attachment-jobs", json!({ "lockDuration": "PT3S" }));
    let options = Options::default().with("worker", "WORKER_CONCURRENCY", "3");
    let work = AtWork::start(options, Some(&model)).await;
    let mut reads = Vec::new();
    let mut attachments = Vec::new();
    for number in 0..5 {
        attachments.push(work.attachment(&format!("Job {number}")).await);
        reads.push(hold(&work.stack, "worker", "GetBlob", ATTACHMENTS).await);
    }

    for attachment in &attachments {
        work.send_job(attachment).await;
    }
    for read in &reads[..3] {
        until_held(&work.stack, *read).await;
    }
    // Time passes: each of the three has renewed its lock.
    work.until_did("RenewLock", JOBS, 3).await;
    assert_eq!(work.did("Receive", JOBS).await, 3);
    for read in &reads[3..] {
        let state = work.stack.control().hold_state(*read).await;
        assert_eq!(state.expect("a hold"), State::Armed);
    }

    work.release(reads[1]).await;
    until_held(&work.stack, reads[3]).await;
    work.until_did("Complete", JOBS, 1).await;
    assert_eq!(work.did("Receive", JOBS).await, 4);
    for read in reads {
        work.release(read).await;
    }
    work.until_did("Complete", JOBS, 5).await;
    assert_eq!(work.did("Receive", JOBS).await, 5);
    work.stop().await;
}

/// A role that is missing for a while costs no delivery.
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_a_while_is_done_in_the_end_and_never_dead_lettered() {
    let work = AtWork::start(Options::default(), None).await;
    let role = GrantBody {
        identity: "worker".to_owned(),
        role: "Cosmos DB Built-in Data Contributor".to_owned(),
        scope: ACTIVITY.to_owned(),
    };
    work.stack.control().revoke(&role).await.expect("revoked");

    work.send_events(LIST, 1..=1, "Wait for it").await;
    work.until_denied("ReadMetadata", ACTIVITY, 2).await;
    assert_eq!(work.did("Abandon", EVENTS).await, 0);
    work.stack.control().grant(&role).await.expect("granted");

    work.until_recorded(LIST, "todo.added", 1).await;
    work.until_did("Complete", EVENTS, 1).await;
    assert_eq!(work.did("Receive", EVENTS).await, 1);
    assert_eq!(work.dead_letters("todo-events").await, 0);
    work.stop().await;
}

/// What never can be understood is dead-lettered at once, with a reason that says
/// what is wrong; what follows it is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_poison_message_is_dead_lettered_with_a_reason_and_the_queue_goes_on() {
    let work = AtWork::start(Options::default(), None).await;
    let worker = Outsider::as_identity(&work.stack, "worker").await;
    for (id, body, reason, description) in [
        (
            "no JSON",
            "{ this is no event",
            "UnreadableMessage",
            "the message cannot be read: key must be a string at line 1 column 3",
        ),
        (
            "from the future",
            "{\"schema\":2,\"whatever\":[]}",
            "UnknownSchema",
            "the message has schema 2, and schema 1 is the one known here",
        ),
    ] {
        work.backend.send("todo-events", id, body.as_bytes()).await;

        let dead = worker.receive_dead_letter("todo-events").await;

        assert_eq!(dead.body, body.as_bytes());
        assert_eq!(dead.reason, reason);
        assert_eq!(dead.description, description);
    }

    work.send_events(LIST, 1..=1, "The queue goes on").await;
    work.until_recorded(LIST, "todo.added", 1).await;
    assert_eq!(work.did("DeadLetter", EVENTS).await, 2);
    work.stop().await;
}

/// After its last delivery the broker dead-letters a message by itself. The worker
/// that comes back says so.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_dead_letters_is_seen() {
    let model = queue_with("todo-events", json!({ "maxDeliveryCount": 1 }));
    let options = Options::default().with("worker", "WORKER_SWEEP_SECONDS", "1");
    let work = AtWork::start(options, Some(&model)).await;
    let effect = hold(&work.stack, "worker", "CreateItem", ACTIVITY).await;

    work.send_events(LIST, 1..=1, "It kills the worker").await;
    until_held(&work.stack, effect).await;
    work.stack.kill_pod("worker").await.expect("killed");
    let past_the_lock = Duration::from_secs(31);
    work.stack
        .control()
        .advance(past_the_lock)
        .await
        .expect("advanced");
    work.stack.restart_pod("worker").await.expect("restarted");

    let told = "todo-events has a dead letter: MaxDeliveryCountExceeded";
    work.until_logged("worker", told).await;
    assert_eq!(work.dead_letters("todo-events").await, 1);
    work.stop().await;
}

/// Asked to end, a worker takes no more messages, and finishes the one in hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_asked_to_end_finishes_what_it_has_in_hand() {
    let work = AtWork::start(Options::default(), None).await;
    let in_hand = work.attachment("In hand").await;
    let too_late = work.attachment("Too late").await;
    let read = hold(&work.stack, "worker", "GetBlob", ATTACHMENTS).await;
    work.send_job(&in_hand).await;
    until_held(&work.stack, read).await;

    let finished = async {
        work.until_logged("worker", "shutdown requested").await;
        work.send_job(&too_late).await;
        work.release(read).await;
    };
    let (ended, ()) = tokio::join!(work.stack.end_pod("worker"), finished);

    assert_eq!(ended.expect("it ended").code(), Some(0));
    assert_eq!(work.did("Receive", JOBS).await, 1);
    assert_eq!(work.did("Complete", JOBS).await, 1);
    work.stack.restart_pod("worker").await.expect("restarted");
    work.until_did("Complete", JOBS, 2).await;
    assert_eq!(work.did("Receive", JOBS).await, 2);
    work.until_recorded("inbox", "attachment.failed", 2).await;
    work.stop().await;
}

/// Asked to end, a worker gives back what takes longer than it may, and another
/// gets it at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_runs_out_of_time_gives_back_what_it_has_in_hand() {
    let options = Options::default().with("worker", "DRAIN_SECONDS", "1");
    let work = AtWork::start(options, None).await;
    let attachment = work.attachment("Too long").await;
    let read = hold(&work.stack, "worker", "GetBlob", ATTACHMENTS).await;
    work.send_job(&attachment).await;
    until_held(&work.stack, read).await;

    let ended = work.stack.end_pod("worker").await.expect("it ended");

    assert_eq!(ended.code(), Some(0));
    assert_eq!(work.did("Abandon", JOBS).await, 1);
    work.stack.restart_pod("worker").await.expect("restarted");
    work.until_did("Complete", JOBS, 1).await;
    work.until_recorded("inbox", "attachment.failed", 1).await;
    work.stop().await;
}

/// Two workers at the same queues: both work, and every event is recorded once.
#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_work_and_record_each_event_once() {
    let options =
        Options::default()
            .replicas("worker", 2)
            .with("worker", "WORKER_CONCURRENCY", "1");
    let work = AtWork::start(options, None).await;
    let mut reads = Vec::new();
    for title in ["One", "Other"] {
        let attachment = work.attachment(title).await;
        reads.push(hold(&work.stack, "worker", "GetBlob", ATTACHMENTS).await);
        work.send_job(&attachment).await;
    }
    // Each of the two has one slot: what is held at once is in both.
    for read in &reads {
        until_held(&work.stack, *read).await;
    }
    for read in reads {
        work.release(read).await;
    }

    work.send_events(LIST, 1..=40, "Share it").await;

    work.until_recorded(LIST, "todo.added", 40).await;
    // Adding and failing of two attachments, and of their to-dos, are events too.
    work.until_did("Complete", EVENTS, 46).await;
    assert_eq!(work.did("CreateItem", ACTIVITY).await, 46, "each once");
    for pod in ["worker-0", "worker-1"] {
        work.until_logged(pod, "recorded todo.added").await;
    }
    work.stop().await;
}

/// What is attached to a to-do goes with it: bytes and metadata.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_todo_takes_its_files_with_it() {
    let work = AtWork::start(Options::default(), None).await;
    let kept = work.attachment("Keep").await;
    let gone = work.attachment("Delete").await;
    for attachment in [&kept, &gone] {
        work.upload(attachment, b"Remember the milk.").await;
        work.send_job(attachment).await;
    }
    work.until_recorded("inbox", "attachment.ready", 2).await;

    let api = Api::at(&work.stack).await;
    let path = format!("lists/inbox/todos/{}", gone.todo);
    let request = api.request(Method::DELETE, &path).header("if-match", "*");
    let answer = Answer::to(request).await.expect("the backend answers");
    assert_eq!(answer.status, 204, "{:?}", answer.body);

    work.until_files_are(&[&kept]).await;
    work.stop().await;
}

/// The page of lists shows what happened to a list also when the backend did not
/// get as far as to write it there.
#[tokio::test(flavor = "multi_thread")]
async fn the_worker_makes_sure_of_a_lists_entry_in_the_catalogue() {
    let work = AtWork::start(Options::default(), None).await;
    let api = Api::at(&work.stack).await;

    let writing = hold(&work.stack, "backend", "CreateItem", TODOS).await;
    let create = api.request(Method::POST, "lists");
    let creating = tokio::spawn(Answer::to(create.json(&json!({ "name": "Before" }))));
    until_held(&work.stack, writing).await;
    work.until_did("CreateItem", TODOS, 1).await;
    assert!(names(&api).await.contains(&"Before".to_owned()));
    work.release(writing).await;
    let created = creating.await.expect("a task").expect("an answer");
    assert_eq!(created.status, 201, "{:?}", created.body);

    let writing = hold(&work.stack, "backend", "ReplaceItem", TODOS).await;
    let path = format!("lists/{}", created.text("id"));
    let rename = api.request(Method::PATCH, &path);
    let rename = rename.header("if-match", created.etag());
    let renaming = tokio::spawn(Answer::to(rename.json(&json!({ "name": "After" }))));
    until_held(&work.stack, writing).await;
    work.until_did("ReplaceItem", TODOS, 1).await;
    let names = names(&api).await;
    assert!(names.contains(&"After".to_owned()), "{names:?}");
    assert!(!names.contains(&"Before".to_owned()), "{names:?}");
    work.release(writing).await;
    let renamed = renaming.await.expect("a task").expect("an answer");
    assert_eq!(renamed.status, 200, "{:?}", renamed.body);
    work.stop().await;
}

async fn names(api: &Api) -> Vec<String> {
    let lists = api.all("lists").await;
    let names = lists.iter().filter_map(|list| list["name"].as_str());
    names.map(str::to_owned).collect()
}
