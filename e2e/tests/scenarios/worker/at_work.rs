//! A workload whose worker is looked at: messages are put into its queues by
//! hand, and what it does is read from the audit and from what is stored.

use std::fmt::Debug;
use std::future::Future;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use e2e::stack::{Options, Stack};
use local_cloud::audit::{Decision, Record};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use uuid::Uuid;

use crate::api::{Answer, Api};
use crate::outsider::{self, Outsider, access_token};
use crate::records::Records;
use crate::stage::{start, story};

pub(super) const EVENTS: &str = "bus/queues/todo-events";
pub(super) const JOBS: &str = "bus/queues/attachment-jobs";

/// How long something may take to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running workload, and those who give its worker something to do.
pub(super) struct AtWork {
    pub(super) stack: Stack,
    pub(super) backend: Outsider,
    frontend: Outsider,
    records: Records,
}

/// An attachment that is announced.
pub(super) struct Announced {
    pub(super) todo: String,
    id: String,
}

impl Announced {
    /// Where its bytes are.
    pub(super) fn blob(&self) -> String {
        format!("inbox/{}", self.id)
    }
}

/// The repository's access model with other settings of a queue.
pub(super) fn queue_with(queue: &str, settings: Value) -> NamedTempFile {
    let text = std::fs::read_to_string(e2e::default_model()).expect("infra/access.json");
    let mut model: Value = serde_json::from_str(&text).expect("JSON");
    let Value::Object(settings) = settings else {
        panic!("settings are members: {settings}");
    };
    let known = &mut model["resources"]["bus"]["queues"][queue];
    known.as_object_mut().expect("a queue").extend(settings);
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), model.to_string()).expect("written");
    file
}

impl AtWork {
    pub(super) async fn start(options: Options, model: Option<&NamedTempFile>) -> Self {
        let stack = start(Options {
            model: model.map(|file| file.path().to_owned()),
            ..options
        })
        .await;
        Self {
            backend: Outsider::as_identity(&stack, "backend").await,
            frontend: Outsider::as_identity(&stack, "frontend").await,
            records: Records::open(&stack).await,
            stack,
        }
    }

    pub(super) async fn stop(self) {
        self.stack.stop(|_| {}).await.expect("everything ends");
    }

    /// Sends events as the relay would.
    pub(super) async fn send_events(&self, list: &str, numbers: RangeInclusive<u64>, text: &str) {
        let messages: Vec<_> = numbers
            .map(|sequence| {
                let id = Uuid::new_v4().to_string();
                let event = json!({
                    "schema": 1, "id": id, "listId": list, "sequence": sequence,
                    "type": "todo.added", "subject": Uuid::new_v4(), "text": text,
                    "at": "2026-11-23T22:05:07.000000Z",
                });
                (id, event.to_string().into_bytes())
            })
            .collect();
        self.backend.send_all("todo-events", &messages).await;
    }

    /// Adds a to-do to the inbox, and announces a file for it.
    pub(super) async fn attachment(&self, title: &str) -> Announced {
        let api = Api::at(&self.stack).await;
        let todo = json!({ "title": title });
        let todo = created(&api, "lists/inbox/todos", &todo).await;
        let path = format!("lists/inbox/todos/{todo}/attachments");
        let file = json!({ "name": "notes.txt", "contentType": "text/plain" });
        let id = created(&api, &path, &file).await;
        Announced { todo, id }
    }

    /// Puts the bytes where the frontend would.
    pub(super) async fn upload(&self, attachment: &Announced, bytes: &'static [u8]) {
        self.put_blob(&attachment.blob(), bytes).await;
    }

    /// Puts a blob under any name.
    pub(super) async fn put_blob(&self, name: &str, bytes: &'static [u8]) {
        let scope = "https://storage.azure.com/.default";
        let token = access_token(&self.stack, "frontend", scope).await;
        let host = "localstorage.blob.core.windows.net";
        let url = format!("https://{host}/attachments/{name}");
        let request = outsider::http(&self.stack)
            .put(Url::parse(&url).expect("a URL"))
            .bearer_auth(token)
            .header("x-ms-version", "2026-04-06")
            .header("x-ms-blob-type", "BlockBlob")
            .body(bytes);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 201, "{:?}", answer.text().await);
    }

    /// Sends the job as the frontend would.
    pub(super) async fn send_job(&self, attachment: &Announced) {
        let Announced { id, .. } = attachment;
        let job = json!({ "schema": 1, "listId": "inbox", "attachmentId": id }).to_string();
        self.frontend
            .send("attachment-jobs", id, job.as_bytes())
            .await;
    }

    /// How often the worker was let do this.
    pub(super) async fn did(&self, operation: &str, scope: &str) -> usize {
        self.audited(operation, scope, Decision::Allowed).await
    }

    pub(super) async fn until_did(&self, operation: &str, scope: &str, times: usize) {
        let what = format!("{operation} at {scope}, {times} times");
        self.until(&what, times, || self.did(operation, scope))
            .await;
    }

    pub(super) async fn until_denied(&self, operation: &str, scope: &str, times: usize) {
        let what = format!("denied {operation} at {scope}, {times} times");
        let denied = || self.audited(operation, scope, Decision::Denied);
        self.until(&what, times, denied).await;
    }

    /// Waits until a list's activity has so many entries of a type, and looks that
    /// no sequence number is there twice.
    pub(super) async fn until_recorded(&self, list: &str, kind: &str, times: usize) {
        let what = format!("{times} entries {kind} of {list}");
        let recorded = || async {
            let activity = self.records.activity(list).await;
            let mut numbers: Vec<_> = activity.iter().map(|entry| &entry["sequence"]).collect();
            numbers.dedup();
            assert_eq!(numbers.len(), activity.len(), "{activity:#?}");
            activity
                .iter()
                .filter(|entry| entry["type"] == kind)
                .count()
        };
        self.until(&what, times, recorded).await;
    }

    /// How many messages are in a queue's dead-letter sub-queue.
    pub(super) async fn dead_letters(&self, queue: &str) -> usize {
        let state = self.stack.control().state().await.expect("the state");
        let dead = &state["bus"]["queues"][queue]["deadLetterQueue"];
        dead["messages"].as_array().expect("messages").len()
    }

    /// Waits until these files are stored, and their metadata, and no others.
    pub(super) async fn until_files_are(&self, kept: &[&Announced]) {
        let stored = || async {
            let state = self.stack.control().state().await.expect("the state");
            let text = state["storage"].to_string();
            let metadata = self.records.of_kind("inbox", "attachment").await;
            let all = kept.iter().all(|kept| text.contains(&kept.id));
            let only = text.matches("inbox/").count() == kept.len() && metadata == kept.len();
            usize::from(all && only)
        };
        self.until("no other files are there", 1, stored).await;
    }

    /// Whether a blob is stored under this name.
    pub(super) async fn is_stored(&self, name: &str) -> bool {
        let state = self.stack.control().state().await.expect("the state");
        state["storage"].to_string().contains(name)
    }

    /// Waits until no blob is stored under this name.
    pub(super) async fn until_gone(&self, name: &str) {
        let gone = || async { usize::from(!self.is_stored(name).await) };
        self.until(&format!("{name} is removed"), 1, gone).await;
    }

    /// Lets a held operation go on.
    pub(super) async fn release(&self, hold: u64) {
        self.stack.control().release(hold).await.expect("released");
    }

    /// Waits for these words in a pod's log.
    pub(super) async fn until_logged(&self, pod: &str, words: &str) {
        let log = self.stack.logs().join(format!("{pod}.log"));
        let logged = || async {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            usize::from(text.contains(words))
        };
        self.until(&format!("{pod} says {words:?}"), 1, logged)
            .await;
    }

    async fn audited(&self, operation: &str, scope: &str, decision: Decision) -> usize {
        let is_it = |record: &&Record| {
            record.identity.as_deref() == Some("worker")
                && record.operation == operation
                && record.scope == scope
                && record.decision == decision
        };
        let audit = self.stack.control().audit(0).await.expect("the audit");
        audit.iter().filter(is_it).count()
    }

    /// Waits until a number has grown to what it should be.
    async fn until<N, F>(&self, what: &str, wanted: N, number: impl Fn() -> F)
    where
        N: PartialOrd + Debug,
        F: Future<Output = N>,
    {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let last = number().await;
            if last >= wanted {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{what}: it is {last:?}\n{}",
                story(&self.stack).await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Makes something through the API; returns its id.
async fn created(api: &Api, path: &str, body: &Value) -> String {
    let request = api.request(Method::POST, path).json(body);
    let answer = Answer::to(request).await.expect("the backend answers");
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    answer.text("id").to_owned()
}
