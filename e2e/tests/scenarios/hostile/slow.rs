//! Bodies that arrive a byte at a time. They never stand still, so that only a
//! bound on the whole ends them: ten seconds, at the pages and at the API. A file may
//! take longer, if it comes at some pace: these do not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::scene::{Scene, says_what_to_do};
use super::stored;
use super::uploads::{field, file, uploaded};
use crate::api::token_of;
use crate::person::INBOX;
use crate::raw::{Answer, Request};
use crate::stage::PATIENCE;

/// Between two bytes.
const PAUSE: Duration = Duration::from_millis(100);

/// The bound, and time for a busy machine.
const BOUND: Duration = Duration::from_secs(15);

/// How many files may come in at the same time.
const PLACES: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_dribbles_in_is_not_waited_for_and_keeps_nobody_out() {
    let scene = Scene::start().await;
    let backend = scene.stack.address("backend").expect("an address");
    let form = scene.person.open(INBOX).await.form("/todos");
    let form = scene.sent(&form.with("title", &"a".repeat(200)));
    let own = token_of("frontend", "todolist-backend");
    let token = scene.stack.control().sign_token(&own).await;
    let token = token.expect("signed");
    let todo = Request::new("POST", "/api/v1/lists/inbox/todos")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(json!({ "title": "a".repeat(200) }).to_string());
    let before = stored(&scene.stack).await;

    let begin = Instant::now();
    let (page, problem, files) = tokio::join!(
        form.dribble(scene.frontend, 0, PAUSE),
        todo.dribble(backend, 0, PAUSE),
        files_in_every_place(&scene),
    );
    let took = begin.elapsed();

    assert!(took < BOUND, "{took:?}");
    for refused in files.iter().chain([&page]) {
        assert_eq!(refused.status, 408, "{refused:#?}");
        assert!(says_what_to_do(refused), "{refused:#?}");
    }
    let body: Value = serde_json::from_str(&problem.body).unwrap_or_default();
    assert_eq!(
        (problem.status, &body["code"]),
        (408, &json!("body_too_slow"))
    );
    let after = stored(&scene.stack).await;
    assert_eq!(after["storage"], before["storage"], "no file is stored");
    let list = scene.person.open(INBOX).await;
    assert_eq!(list.titles(), ["As it was"], "no to-do is stored");

    // The places are free again.
    let page = scene
        .person
        .attach("As it was", "quick.txt", b"quick")
        .await;
    assert!(page.status.is_success(), "{}", page.words());
    scene.end().await;
}

/// As many files as there are places, all a byte at a time. While they have the
/// places, somebody else is told that there is none.
async fn files_in_every_place(scene: &Scene) -> Vec<Answer> {
    let form = scene.person.open(&scene.todo).await.form("/attachments");
    let mut files = JoinSet::new();
    for number in 0..PLACES {
        let parts = [
            field("csrf", form.value("csrf")),
            field("key", form.value("key")),
            file("slow.txt", &[b'a'; 1000]),
        ];
        let upload = uploaded(scene, &form, &parts);
        let frontend = scene.frontend;
        // Some dribble from the beginning, some once their file has begun.
        let at_once = if number % 2 == 0 { 0 } else { 800 };
        files.spawn(async move {
            loop {
                let answer = upload.dribble(frontend, at_once, PAUSE).await;
                // Whoever looks below had the last place for a moment.
                if answer.status != 503 {
                    return answer;
                }
            }
        });
    }

    let nothing = form.with_file("file", "", b"");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = scene.person.send(&nothing).await;
        match page.status.as_u16() {
            503 => break,
            // There is a place: that no file was chosen is said next.
            422 => {
                assert!(Instant::now() < deadline, "there are places");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            _ => panic!("{} {}", page.status, page.words()),
        }
    }
    files.join_all().await
}
