//! What nobody should send: refused clearly, by status, code and a page that says
//! what to do; and nothing is stored.

mod api;
mod pages;
mod scene;
mod sessions;
mod slow;
mod texts;
mod uploads;

use std::time::{Duration, Instant};

use e2e::stack::Stack;
use serde_json::Value;

use crate::stage::{PATIENCE, story};

/// A summary of all that is stored, once no message is under way.
async fn stored(stack: &Stack) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = stack.control().state().await.expect("the cloud's state");
        let queues = state["bus"]["queues"].as_object().expect("queues");
        let mut waiting = queues.values().map(|queue| &queue["queue"]["messages"]);
        if waiting.all(|messages| messages.as_array().is_some_and(Vec::is_empty)) {
            return state;
        }
        assert!(
            Instant::now() < deadline,
            "messages are left: {queues:#?}\n{}",
            story(stack).await
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
