//! What the backend's API promises to the frontend (`docs/api.md`): versions,
//! repeats, pages, links and bounds.

mod caller;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use e2e::stack::{Options, Stack};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Answer, Api};
use crate::stage::start;
use caller::answer;

async fn stop(stack: Stack) {
    stack.stop(|_| {}).await.expect("everything ends");
}

fn titles(items: &[Value]) -> Vec<&str> {
    let titles = items.iter().map(|item| item["title"].as_str());
    titles.collect::<Option<_>>().expect("titles")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_made_to_the_version_that_it_names_or_not_at_all() {
    let stack = start(Options::default()).await;
    let caller = Api::at(&stack).await;
    let list = caller.list("Home").await;
    let new = json!({ "title": "Buy milk", "notes": "Two litres", "dueOn": "2026-12-24" });
    let todo = caller.post(&format!("{list}/todos"), &new).await.created();
    let path = format!("{list}/todos/{}", todo.text("id"));
    let first = todo.version();

    let read = caller.get(&path).await;
    assert_eq!(read.body, todo.body);
    let edited = caller
        .patch(
            &path,
            &first,
            &json!({ "title": "Buy oat milk", "dueOn": null }),
        )
        .await;
    assert_eq!(edited.status, 200, "{edited:?}");
    assert_eq!(edited.text("title"), "Buy oat milk");
    assert_eq!(edited.text("notes"), "Two litres");
    assert_eq!(edited.body.get("dueOn"), None);
    assert_ne!(edited.version(), first);

    let late = caller
        .patch(&path, &first, &json!({ "title": "Buy beer" }))
        .await;
    late.refused(412, "changed");
    assert_eq!(late.body["current"], edited.body);
    assert_eq!(late.header("etag"), edited.version());
    caller.delete(&path, &first).await.refused(412, "changed");

    let same = json!({ "title": "Buy oat milk" });
    let again = caller.patch(&path, &first, &same).await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &edited.body));
    let done = caller.patch(&path, "*", &json!({ "done": true })).await;
    assert_eq!(done.body["done"], true);
    for _ in 0..2 {
        assert_eq!(caller.delete(&path, &done.version()).await.status, 204);
    }
    caller.get(&path).await.refused(404, "no_such_todo");
    let gone = caller.patch(&path, "*", &json!({ "done": false })).await;
    gone.refused(404, "no_such_todo");
    assert_eq!(
        caller.get(&format!("{list}/todos")).await.items(),
        [json!(null); 0]
    );
    stop(stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_edits_of_one_version_one_is_made() {
    let stack = start(Options::default()).await;
    let caller = Api::at(&stack).await;
    let list = caller.list("Home").await;
    let todo = caller.todo(&list, "Buy milk").await;
    let path = format!("{list}/todos/{}", todo.text("id"));

    let (etag, path) = (&todo.version(), &path);
    let edits = (0..8).map(|number| {
        let (caller, edit) = (caller.clone(), json!({ "title": format!("Edit {number}") }));
        async move { caller.patch(path, etag, &edit).await }
    });
    let answers = join_all(edits).await;

    let made: Vec<&Answer> = answers.iter().filter(|a| a.status == 200).collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    for refused in answers.iter().filter(|a| a.status != 200) {
        refused.refused(412, "changed");
        assert_eq!(refused.body["current"], made[0].body);
    }
    assert_eq!(caller.get(path).await.body, made[0].body);
    stop(stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_is_repeated_makes_one_thing_also_at_the_same_time() {
    let stack = start(Options::default()).await;
    let caller = Api::at(&stack).await;

    let home = json!({ "name": "Home" });
    let lists = (0..6).map(|_| caller.post_once("lists", "k1", &home));
    let lists: BTreeSet<_> = join_all(lists)
        .await
        .into_iter()
        .map(|list| list.created().text("id").to_owned())
        .collect();
    assert_eq!(lists.len(), 1, "{lists:?}");
    let list = format!("lists/{}", lists.first().expect("one"));

    let (todos, milk) = (format!("{list}/todos"), json!({ "title": "Buy milk" }));
    let repeats = (0..6).map(|_| caller.post_once(&todos, "k1", &milk));
    let made: BTreeSet<_> = join_all(repeats)
        .await
        .into_iter()
        .map(|todo| todo.created().body.to_string())
        .collect();
    assert_eq!(made.len(), 1, "{made:?}");
    let other = json!({ "title": "Buy beer" });
    let reused = caller.post_once(&todos, "k1", &other).await;
    reused.refused(422, "idempotency_key_reused");
    let todo = caller.get(&todos).await.items().remove(0);
    assert_eq!(caller.get(&todos).await.items().len(), 1);

    // It is as it is now, and not as it was made.
    let path = format!("{todos}/{}", todo["id"].as_str().expect("an id"));
    let done = caller.patch(&path, "*", &json!({ "done": true })).await;
    let again = caller.post_once(&todos, "k1", &milk).await.created();
    assert_eq!(again.body, done.body);

    let attachments = format!("{path}/attachments");
    let file = json!({ "name": "cat.png", "contentType": "image/png" });
    let announced = (0..4).map(|_| caller.post_once(&attachments, "k1", &file));
    let announced: BTreeSet<_> = join_all(announced)
        .await
        .into_iter()
        .map(|attachment| attachment.created().text("id").to_owned())
        .collect();
    assert_eq!(announced.len(), 1, "{announced:?}");

    // The same key names another thing elsewhere.
    let elsewhere = caller.list("Work").await;
    let work = caller
        .post_once(&format!("{elsewhere}/todos"), "k1", &other)
        .await;
    assert_ne!(work.created().body["id"], todo["id"]);
    caller.delete(&path, "*").await;
    let after = caller.post_once(&todos, "k1", &milk).await;
    after.refused(404, "no_such_todo");
    stop(stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_no_gap_and_no_repeat_while_others_add() {
    let stack = start(Options::default()).await;
    let caller = Api::at(&stack).await;
    let list = caller.list("Home").await;
    let mut expected = Vec::new();
    for number in 0..120 {
        let todo = caller.todo(&list, &format!("Todo {number}")).await;
        expected.insert(0, todo.body);
    }
    let todos = format!("{list}/todos");

    assert_eq!(caller.pages(&todos, 200).await, [expected.clone()]);
    let pages = caller.pages(&todos, 40).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [40, 40, 40]);
    assert_eq!(pages.concat(), expected);
    let usual = caller.get(&todos).await;
    assert_eq!(titles(&usual.items()), titles(&expected[..50]));

    let adding = {
        let (caller, list) = (caller.clone(), list.clone());
        tokio::spawn(async move {
            for number in 0..20 {
                caller.todo(&list, &format!("Later {number}")).await;
            }
        })
    };
    let read = caller.pages(&todos, 7).await.concat();
    adding.await.expect("all are added");
    let read: Vec<&str> = titles(&read)
        .into_iter()
        .filter(|title| title.starts_with("Todo"))
        .collect();
    assert_eq!(read, titles(&expected));

    // What is taken away takes nothing else with it.
    let first = caller.get(&format!("{todos}?limit=100")).await;
    let gone = first.items().remove(99);
    let gone = format!("{todos}/{}", gone["id"].as_str().expect("an id"));
    assert_eq!(caller.delete(&gone, "*").await.status, 204);
    let next = first.text("next");
    let rest = caller.get(&format!("{todos}?limit=200&after={next}")).await;
    assert_eq!(rest.items().len(), 40);
    stop(stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_has_every_list_under_its_last_name() {
    let stack = start(Options::default()).await;
    let caller = Api::at(&stack).await;
    let names = |items: Vec<Value>| -> Vec<String> {
        let name = |item: &Value| item["name"].as_str().expect("a name").to_owned();
        items.iter().map(name).collect()
    };
    let inbox = caller.get("lists/inbox").await;
    assert_eq!(caller.get("lists").await.items(), [inbox.body]);

    for name in ["One", "Two", "Three"] {
        caller.list(name).await;
    }
    let lists = caller.get("lists").await.items();
    assert_eq!(names(lists.clone()), ["Inbox", "Three", "Two", "One"]);
    let pages = caller.pages("lists", 3).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(names(pages.concat()), ["Inbox", "Three", "Two", "One"]);

    let two = format!("lists/{}", lists[2]["id"].as_str().expect("an id"));
    let etag = caller.get(&two).await.version();
    caller.todo(&two, "Its ETag stays").await;
    let renamed = caller.patch(&two, &etag, &json!({ "name": "Zwei" })).await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    let late = caller.patch(&two, &etag, &json!({ "name": "Deux" })).await;
    late.refused(412, "changed");
    assert_eq!(late.body["current"], renamed.body);
    assert_eq!(late.header("etag"), renamed.version());
    let lists = caller.get("lists").await.items();
    assert_eq!(lists[2], renamed.body);
    assert_eq!(names(lists), ["Inbox", "Three", "Zwei", "One"]);

    let nowhere = "lists/00000000-0000-4000-8000-000000000000";
    for path in ["", "/todos", "/attachments"] {
        let answer = caller.get(&format!("{nowhere}{path}")).await;
        answer.refused(404, "no_such_list");
    }
    let new = json!({ "title": "x" });
    let lost = caller.post(&format!("{nowhere}/todos"), &new).await;
    lost.refused(404, "no_such_list");
    stop(stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_shows_one_list_until_its_key_is_withdrawn() {
    let stack = start(Options::default().with("backend", "KEY_CACHE_SECONDS", "1")).await;
    let caller = Api::at(&stack).await;
    let list = caller.list("Party").await;
    let new = json!({ "title": "Cake", "notes": "Chocolate", "dueOn": "2026-12-24" });
    caller.post(&format!("{list}/todos"), &new).await.created();
    caller.todo(&list, "Candles").await;
    let shared = async |link: &str, query: &str| {
        let request = caller.request(Method::GET, &format!("shared{query}"));
        answer(request.header("share-link", link)).await
    };

    let made = caller
        .post(&format!("{list}/share-links"), &json!({}))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let link = made.text("link");
    let seen = shared(link, "").await;
    assert_eq!(
        seen.body,
        json!({
            "list": { "name": "Party" },
            "todos": { "items": [
                { "title": "Candles", "notes": "", "done": false },
                { "title": "Cake", "notes": "Chocolate", "dueOn": "2026-12-24", "done": false }
            ] },
            "expiresAt": made.text("expiresAt")
        })
    );
    let page = shared(link, "?limit=1").await;
    let next = page.body["todos"]["next"].as_str().expect("another page");
    let page = shared(link, &format!("?limit=1&after={next}")).await;
    assert_eq!(
        titles(page.body["todos"]["items"].as_array().expect("items")),
        ["Cake"]
    );

    let mut forged = link.to_owned();
    let end = forged.pop().expect("a signature");
    forged.push(if end == 'A' { 'Q' } else { 'A' });
    for nothing in ["x", "a.b.c", &forged] {
        shared(nothing, "").await.refused(404, "no_such_link");
    }
    caller.get("shared").await.refused(400, "malformed");

    let version = version_of(link);
    let control = stack.control();
    control
        .set_secret_version("vault", "share-link-key", &version, false)
        .await
        .expect("disabled");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let seen = shared(link, "").await;
        if seen.status == 410 {
            seen.refused(410, "link_withdrawn");
            break;
        }
        assert!(Instant::now() < deadline, "still shown: {seen:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop(stack).await;
}

/// The version of the key that signed a link: the `kid` of its header.
fn version_of(link: &str) -> String {
    let header = jsonwebtoken::decode_header(link).expect("a link is a JWT");
    header.kid.expect("it names its key")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_todo_has_twenty_attachments_and_no_more_also_at_the_same_time() {
    let stack = start(Options::default()).await;
    let caller = Api::at(&stack).await;
    let todo = caller.todo("lists/inbox", "Photos").await;
    let other = caller.todo("lists/inbox", "Others").await;
    let of = |todo: &Answer| format!("lists/inbox/todos/{}/attachments", todo.text("id"));
    let file = |name: &str| json!({ "name": name, "contentType": "image/png" });
    for number in 0..16 {
        let name = format!("{number}.png");
        caller.post(&of(&todo), &file(&name)).await.created();
    }
    let others = caller.post(&of(&other), &file("other.png")).await.created();

    let (path, last) = (of(&todo), file("last.png"));
    let rush = (0..8).map(|_| caller.post(&path, &last));
    let answers = join_all(rush).await;

    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 201);
    assert_eq!(made.len(), 4, "{answers:?}");
    for refused in refused {
        refused.refused(409, "too_many_attachments");
    }
    let attachments = "lists/inbox/attachments";
    let all = caller
        .get(&format!("{attachments}?limit=200"))
        .await
        .items();
    assert_eq!(all.len(), 21);
    let of_todo = |todo: &Answer| format!("{attachments}?todo={}", todo.text("id"));
    let pending = caller.get(&of_todo(&other)).await.items();
    assert_eq!(others.text("status"), "pending");
    assert_eq!(pending, [others.body]);
    let page = caller.get(&format!("{}&limit=15", of_todo(&todo))).await;
    let rest = format!("{}&after={}", of_todo(&todo), page.text("next"));
    assert_eq!(
        page.items().len() + caller.get(&rest).await.items().len(),
        20
    );

    let path = format!("lists/inbox/todos/{}", todo.text("id"));
    caller.delete(&path, "*").await;
    let late = caller.post(&of(&todo), &file("late.png")).await;
    late.refused(404, "no_such_todo");
    stop(stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beyond_a_bound_is_refused_and_nothing_is_stored() {
    let stack = start(Options::default()).await;
    let caller = Api::at(&stack).await;
    let todos = "lists/inbox/todos";
    let long = |count: usize| "ü".repeat(count);

    let longest = json!({ "title": long(200), "notes": long(2000), "dueOn": "9999-12-31" });
    let whole = caller.post(todos, &longest).await.created();
    let before = caller.get(todos).await.body;
    let invalid = (422, "invalid");
    for (body, (status, code)) in [
        (json!({ "title": long(201) }), invalid),
        (json!({ "title": "x", "notes": long(2001) }), invalid),
        (json!({ "title": "x", "dueOn": "tomorrow" }), invalid),
        (json!({ "title": "x", "dueOn": 7 }), invalid),
        (json!({ "title": "a\r\nSet-Cookie: b" }), invalid),
        (json!({ "title": "x", "id": "mine" }), invalid),
        (json!([]), invalid),
        (json!({ "title": long(40_000) }), (413, "body_too_large")),
    ] {
        caller.post(todos, &body).await.refused(status, code);
    }
    for query in ["limit=0", "limit=201", "limit=x", "after=x", "page=2"] {
        let answer = caller.get(&format!("{todos}?{query}")).await;
        answer.refused(422, "invalid");
    }
    let raw = |body: &'static [u8], media_type: &str| {
        let request = caller.request(Method::POST, todos).body(body);
        answer(request.header("content-type", media_type))
    };
    let form = raw(b"title=x", "application/x-www-form-urlencoded").await;
    form.refused(415, "unsupported_media_type");
    raw(b"{\"title\":\"\xff\"}", "application/json")
        .await
        .refused(400, "malformed");
    let path = format!("{todos}/{}", whole.text("id"));
    for method in [Method::PATCH, Method::DELETE] {
        let request = caller.request(method, &path).json(&json!({ "done": true }));
        answer(request).await.refused(428, "precondition_required");
    }
    let put = answer(caller.request(Method::PUT, todos)).await;
    put.refused(405, "method_not_allowed");
    caller.get("nothing").await.refused(404, "no_such_route");

    assert_eq!(caller.get(todos).await.body, before);
    stop(stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_a_todo_is_one_point_read() {
    // No sweep comes between.
    let quiet = Options::default()
        .with("backend", "RELAY_SWEEP_SECONDS", "600")
        .with("worker", "WORKER_SWEEP_SECONDS", "600");
    let stack = start(quiet).await;
    let caller = Api::at(&stack).await;
    let todo = caller.todo("lists/inbox", "Buy milk").await;
    let path = format!("lists/inbox/todos/{}", todo.text("id"));
    let last = async || {
        let records = stack.control().audit(0).await.expect("the audit");
        records.last().map_or(0, |record| record.sequence)
    };
    let before = last().await;

    for _ in 0..10 {
        assert_eq!(caller.get(&path).await.status, 200);
    }

    let records = stack.control().audit(before).await.expect("the audit");
    // The relay takes the todo's event out of the outbox. Each operation at Cosmos
    // DB has a check of its own for the metadata.
    let besides = ["DeleteItem", "ReadMetadata"];
    let asked: Vec<&str> = records
        .iter()
        .filter(|r| r.by == "cosmos" && r.identity.as_deref() == Some("backend"))
        .map(|record| record.operation.as_str())
        .filter(|operation| !besides.contains(operation))
        .collect();
    assert_eq!(asked, ["ReadItem"; 10]);
    stop(stack).await;
}
