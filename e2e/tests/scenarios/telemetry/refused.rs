//! An exchange that Entra ID refuses, as its spans tell it.

use std::time::{Duration, Instant};

use e2e::stack::Stack;
use serde_json::Value;

use super::collector::Told;
use super::{Logs, STEPS};

/// No federated credential of the identity has this subject.
const NO_TRUST: &str = "AADSTS700213";

/// A worker that says to be the frontend: Entra ID trusts another subject there.
pub(super) async fn an_exchange_is_refused(stack: &Stack, impostor: &str) {
    stack.end_pod("worker").await.expect("it ended");
    let wrong = [("AZURE_CLIENT_ID", impostor)];
    stack
        .start_again("worker", &wrong)
        .await
        .expect("it starts");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let logs = Logs::of(stack);
        let mut lines = logs.0["worker"].iter();
        let refused = |line: &Value| {
            line["why"]
                .as_str()
                .is_some_and(|why| why.contains(NO_TRUST))
        };
        if lines.any(refused) {
            return;
        }
        assert!(Instant::now() < deadline, "the worker is not refused");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The exchange that Entra ID refused fails at the third step, with Entra's code,
/// and goes no further.
pub(super) fn tells_the_refused_exchange(spans: &[Told], impostor: &str) {
    let steps = |step: &str| {
        let spans = spans.iter().filter(move |span| span.name == step);
        spans.collect::<Vec<_>>()
    };
    let refused = steps("3 trust checked");
    assert!(!refused.is_empty(), "{spans:#?}");
    for span in refused {
        assert!(span.failed, "{span:?}");
        assert_eq!(span.why, NO_TRUST, "{span:?}");
        let subject = "system:serviceaccount:todolist:worker";
        assert_eq!(span.says("identity.subject"), subject);
        assert_eq!(span.says("identity.client_id"), impostor);
    }
    for later in &STEPS[3..] {
        assert!(steps(later).is_empty(), "{later}: {:#?}", steps(later));
    }
}
