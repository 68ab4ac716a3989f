//! What a crash leaves behind: the worker's sweep takes care of it, and of nothing
//! else.

use std::time::Duration;

use e2e::stack::Options;

use super::ATTACHMENTS;
use super::at_work::AtWork;
use crate::person::Person;
use crate::stage::{hold, until_held};

/// How long the cloud is ahead of the pods: what it stores then is young for them.
const AHEAD: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_removes_blobs_that_nobody_knows_and_fails_files_that_never_came() {
    let options = Options::default()
        .with("worker", "PENDING_GRACE_SECONDS", "1")
        .with("worker", "WORKER_SWEEP_SECONDS", "1")
        .with("backend", "RELAY_SWEEP_SECONDS", "1");
    let work = AtWork::start(options, None).await;

    a_file_that_never_came_fails(&work).await;
    only_old_blobs_that_nobody_knows_are_removed(&work).await;

    work.stop().await;
}

/// The frontend dies when the file is announced, and before any of it is stored.
async fn a_file_that_never_came_fails(work: &AtWork) {
    let person = Person::at(&work.stack);
    person.add("Never comes").await;
    let begin = hold(&work.stack, "frontend", "PutBlock", ATTACHMENTS).await;

    let uploading = tokio::spawn({
        let person = person.clone();
        async move { person.attach("Never comes", "lost.txt", b"Lost.").await }
    });
    until_held(&work.stack, begin).await;
    work.stack.kill_pod("frontend").await.expect("killed");
    assert!(uploading.await.is_err(), "the connection breaks");
    work.release(begin).await;

    work.until_recorded("inbox", "attachment.failed", 1).await;
    work.stack.restart_pod("frontend").await.expect("restarted");
    let file = person.todo("Never comes").await.attachment("lost.txt");
    let about = file.expect("the file that was announced");
    assert!(about.contains("failed"), "{about}");
}

async fn only_old_blobs_that_nobody_knows_are_removed(work: &AtWork) {
    let known = work.attachment("Known").await;
    work.upload(&known, b"Somebody knows me.").await;
    work.send_job(&known).await;
    work.until_recorded("inbox", "attachment.ready", 1).await;
    let replaced = "inbox/6b1f7c52-3a43-4f5e-9f8e-0a8f5d0c1e00";
    let unknown = "inbox/6b1f7c52-3a43-4f5e-9f8e-0a8f5d0c1e11";
    let young = "inbox/6b1f7c52-3a43-4f5e-9f8e-0a8f5d0c1e22";
    let foreign = "readme/of-somebody-else.txt";
    let removing = hold(&work.stack, "worker", "DeleteBlob", ATTACHMENTS).await;
    work.put_blob(replaced, b"I am the first in the list.")
        .await;
    work.put_blob(foreign, b"I am none of yours.").await;
    work.put_blob(unknown, b"Nobody knows me.").await;
    work.stack.control().advance(AHEAD).await.expect("advanced");
    work.put_blob(young, b"I may be announced yet.").await;
    until_held(&work.stack, removing).await;
    work.put_blob(replaced, b"I came in its place.").await;
    work.release(removing).await;

    work.until_gone(unknown).await;

    // Whole rounds more, which see all that is left.
    let rounds = work.did("ListBlobs", ATTACHMENTS).await;
    work.until_did("ListBlobs", ATTACHMENTS, rounds + 2).await;
    for blob in [young, replaced, foreign, &known.blob()] {
        assert!(work.is_stored(blob).await, "{blob} is removed");
    }
}
