//! What a scenario plays on: the workload on a local cloud, which it can hold at an
//! exact point, and wait for.

use std::time::{Duration, Instant};

use e2e::stack::{Options, Stack};
use local_cloud::holds::{Matcher, State};

use crate::records::Records;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Says which executable plays the workload.
pub(crate) fn prepare() {
    e2e::use_executable(env!("CARGO_BIN_EXE_e2e"));
    platform::pod::install_crypto_provider();
}

/// Starts the workload for one scenario.
pub(crate) async fn start(options: Options) -> Stack {
    prepare();
    containers::use_target()
        .await
        .expect("what E2E_TARGET names is there");
    Stack::start(options, |_| {})
        .await
        .expect("the workload starts")
}

/// Arms a hold on the local cloud.
pub(crate) async fn hold(stack: &Stack, identity: &str, operation: &str, scope: &str) -> u64 {
    let matcher = Matcher {
        identity: Some(identity.to_owned()),
        operation: Some(operation.to_owned()),
        scope: Some(scope.to_owned()),
    };
    stack
        .control()
        .hold(&matcher)
        .await
        .expect("the hold is armed")
}

/// Waits until a hold has something in hand.
pub(crate) async fn until_held(stack: &Stack, hold: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = stack
            .control()
            .hold_state(hold)
            .await
            .expect("the hold is known");
        if state == State::Holding {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "nothing is held: {state:?}\n{}",
            story(stack).await
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until nothing is left to do for a list: every event is in its activity,
/// and every attachment was looked at.
pub(crate) async fn settled(stack: &Stack, list: &str) {
    let records = Records::open(stack).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let work = records.work(list).await;
        if work.is_done() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{list}: {work:?}\n{}",
            story(stack).await
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The audit trail, for a failure's story.
pub(crate) async fn story(stack: &Stack) -> String {
    let records = stack.control().audit(0).await.unwrap_or_default();
    let last = records.len().saturating_sub(40);
    format!(
        "the end of the audit:\n{}",
        e2e::story::told(&records[last..])
    )
}
