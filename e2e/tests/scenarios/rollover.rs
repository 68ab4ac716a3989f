//! Signing keys of the two issuers that are rolled over while people use the
//! workload: nothing is restarted for it, and nobody notices.

use std::time::{Duration, Instant};

use e2e::stack::{Options, Stack};
use reqwest::StatusCode;

use crate::api::Api;
use crate::person::Person;
use crate::stage::{start, story};

/// How often the backend has fetched the issuer's keys.
fn fetches(stack: &Stack) -> usize {
    let log = std::fs::read_to_string(stack.logs().join("backend.log")).expect("a log");
    let fetched = log
        .lines()
        .filter(|line| line.contains("issuer's keys fetched"));
    fetched.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_takes_the_clusters_new_keys_up_as_they_come() {
    let stack = start(Options::default()).await;
    let before = Api::at(&stack).await;
    let control = stack.control();

    // The next key was published before it signed, so it is known.
    control.rotate_cluster_key().await.expect("rotated");
    let known = Api::at(&stack).await;
    assert_eq!(known.get("lists").await.status, StatusCode::OK);
    assert_eq!(fetches(&stack), 1);

    // This one is not. The backend asks again, but not more often than every ten
    // seconds.
    control.rotate_cluster_key().await.expect("rotated");
    let unknown = Api::at(&stack).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = unknown.get("lists").await;
        if answer.status == StatusCode::OK {
            break;
        }
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{:?}", answer.body);
        assert!(Instant::now() < deadline, "{}", story(&stack).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(fetches(&stack), 2);

    // The first key is gone, and what it signed with it.
    let answer = before.get("lists").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{:?}", answer.body);
    assert_eq!(known.get("lists").await.status, StatusCode::OK);
    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn entras_new_key_signs_beside_the_old_one_and_everything_goes_on() {
    let stack = start(Options::default()).await;
    stack.supervise();
    let person = Person::at(&stack);
    person.add("Before").await;

    stack
        .control()
        .publish_entra_key()
        .await
        .expect("published");
    stack.control().rotate_entra_key().await.expect("rotated");
    // This pod gets tokens of the new key; the others have those of the old one.
    stack.kill_pod("worker").await.expect("killed");
    crate::replicas::until_restarted(&stack, "worker", 1).await;
    stack.wait_until_ready("worker").await.expect("ready again");
    person.add("After").await;

    let page = person
        .until(&stack, "the activity tells of both", |page| {
            page.activity().len() == 2
        })
        .await;
    assert_eq!(page.titles().len(), 2, "{}", page.words());
    stack.stop(|_| {}).await.expect("everything ends");
}
