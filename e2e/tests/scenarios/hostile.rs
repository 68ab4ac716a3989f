//! What nobody should send: refused clearly, by status, code and a page that says
//! what to do; and nothing is stored.

mod api;
mod pages;
mod scene;
mod sessions;
mod slow;
mod texts;
mod uploads;

use e2e::stack::Stack;
use serde_json::Value;

/// A summary of all that is stored, whatever was done.
async fn stored(stack: &Stack) -> Value {
    stack.control().state().await.expect("the cloud's state")
}
