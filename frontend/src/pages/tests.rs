//! The pages as a browser meets them, with a backend that answers on a port, and
//! blobs, jobs, activity and keys in memory.

mod downloads;
mod escaping;
mod events;
mod forms;
mod guards;
mod list;
mod lists;
mod problems;
mod shared;
mod todo;
mod uploads;

use serde_json::{Value, json};

use crate::testing::FakeBackend;

const TODO: &str = "11111111-1111-4111-8111-111111111111";
const FILE: &str = "22222222-2222-4222-8222-222222222222";
const KEY: &str = "33333333-3333-4333-8333-333333333333";

/// The path of the todo, behind `/lists/inbox` and before what is said.
fn at_todo(more: &str) -> String {
    format!("/lists/inbox/todos/{TODO}{more}")
}

fn list(name: &str) -> Value {
    json!({ "id": "inbox", "name": name, "createdAt": "2026-11-23T10:00:00Z", "etag": "\"1\"" })
}

fn todo(title: &str) -> Value {
    json!({ "id": TODO, "listId": "inbox", "title": title, "notes": "", "done": false,
        "createdAt": "2026-11-23T10:00:00Z", "updatedAt": "2026-11-23T10:00:00Z",
        "etag": "\"7\"" })
}

/// The same with other members.
fn with(mut value: Value, members: Value) -> Value {
    let Value::Object(members) = members else {
        panic!("{members} are no members");
    };
    value.as_object_mut().expect("an object").extend(members);
    value
}

fn attachment(name: &str, status: &str) -> Value {
    json!({ "id": FILE, "todoId": TODO, "name": name, "contentType": "text/plain",
        "status": status, "sizeBytes": 11, "detectedType": "text/plain",
        "reason": "there is no blob", "createdAt": "2026-11-23T10:00:00Z" })
}

fn page(items: &[Value]) -> Value {
    json!({ "items": items })
}

/// A backend with an inbox that has these todos.
fn inbox(todos: &[Value]) -> FakeBackend {
    FakeBackend::default()
        .on("GET /lists", 200, page(&[list("Inbox")]))
        .on("GET /lists/inbox", 200, list("Inbox"))
        .on("GET /lists/inbox/todos", 200, page(todos))
}

/// A backend with a todo that has these files.
fn one_todo(todo: Value, files: &[Value]) -> FakeBackend {
    inbox(&[])
        .on(&format!("GET {}", at_todo("")), 200, todo)
        .on("GET /lists/inbox/attachments", 200, page(files))
}
