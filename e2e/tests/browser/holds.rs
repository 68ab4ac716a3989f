//! The local cloud holds an operation, so that a moment lasts until it was seen.

use std::time::{Duration, Instant};

use e2e::stack::Stack;
use local_cloud::holds::{Matcher, State};

const PATIENCE: Duration = Duration::from_secs(20);

/// Holds the next operation of this kind.
pub(crate) async fn hold(stack: &Stack, identity: &str, operation: &str, scope: &str) -> u64 {
    let matcher = Matcher {
        identity: Some(identity.to_owned()),
        operation: Some(operation.to_owned()),
        scope: Some(scope.to_owned()),
    };
    let held = stack.control().hold(&matcher).await;
    held.expect("the hold is armed")
}

/// Waits until a hold has something in hand.
pub(crate) async fn until_held(stack: &Stack, hold: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = stack.control().hold_state(hold).await;
        let state = state.expect("the hold is known");
        if state == State::Holding {
            return;
        }
        assert!(Instant::now() < deadline, "nothing is held: {state:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
