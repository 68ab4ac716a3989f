//! Bodies that arrive a byte at a time. They never stand still, so that only a
//! bound on the whole ends them: ten seconds, at the pages and at the API.

use std::time::{Duration, Instant};

use e2e::stack::Options;
use serde_json::{Value, json};

use super::scene::{says_what_to_do, sent_by};
use super::stored;
use crate::api::token_of;
use crate::person::{INBOX, Person};
use crate::raw::Request;
use crate::stage::start;

/// Between two bytes.
const PAUSE: Duration = Duration::from_millis(100);

/// The bound, and time for a busy machine.
const BOUND: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_dribbles_in_is_not_waited_for() {
    let stack = start(Options::default()).await;
    let person = Person::at(&stack);
    let frontend = stack.address("frontend").expect("an address");
    let backend = stack.address("backend").expect("an address");
    let form = person.open(INBOX).await.form("/todos");
    let form = sent_by(
        &person.browser,
        &form.with("title", &"a".repeat(200)),
        frontend,
    );
    let own = token_of("frontend", "todolist-backend");
    let token = stack.control().sign_token(&own).await.expect("signed");
    let todo = Request::new("POST", "/api/v1/lists/inbox/todos")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(json!({ "title": "a".repeat(200) }).to_string());
    let before = stored(&stack).await;

    let begin = Instant::now();
    let (page, problem) =
        tokio::join!(form.dribble(frontend, PAUSE), todo.dribble(backend, PAUSE),);
    let took = begin.elapsed();

    assert!(took < BOUND, "{took:?}");
    assert_eq!(page.status, 408, "{page:#?}");
    assert!(says_what_to_do(&page), "{page:#?}");
    let body: Value = serde_json::from_str(&problem.body).unwrap_or_default();
    assert_eq!(
        (problem.status, &body["code"]),
        (408, &json!("body_too_slow"))
    );
    assert_eq!(stored(&stack).await, before, "nothing is stored");
    stack.stop(|_| {}).await.expect("everything ends");
}
