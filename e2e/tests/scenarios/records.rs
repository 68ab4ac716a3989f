//! What is stored in Cosmos DB, read beside the workload: over HTTP alone, with
//! the worker's identity, which may read both containers.

use e2e::stack::Stack;
use reqwest::Url;
use serde_json::{Value, json};

use crate::outsider::{self, access_token};

/// Someone who may read every document.
pub(crate) struct Records {
    http: reqwest::Client,
    token: String,
}

/// How far the work for a list is.
#[derive(Debug)]
pub(crate) struct Work {
    /// How many events it has had.
    events: Option<u64>,
    /// How many of them wait in the outbox.
    unsent: usize,
    /// How many attachments nobody has looked at.
    pending: usize,
    /// How many events are in the activity.
    recorded: usize,
}

impl Work {
    /// Whether nothing is left to do.
    pub(crate) fn is_done(&self) -> bool {
        let is_idle = self.unsent == 0 && self.pending == 0;
        is_idle && self.recorded as u64 >= self.events.unwrap_or_default()
    }
}

impl Records {
    pub(crate) async fn open(stack: &Stack) -> Self {
        let scope = "https://cosmos.azure.com/.default";
        Self {
            http: outsider::http(stack),
            token: access_token(stack, "worker", scope).await,
        }
    }

    /// The activity of a list, by sequence number.
    pub(crate) async fn activity(&self, list: &str) -> Vec<Value> {
        let mut entries = self.documents("activity", list).await;
        entries.sort_by_key(|entry| entry["sequence"].as_u64());
        entries
    }

    /// How far the work for a list is.
    pub(crate) async fn work(&self, list: &str) -> Work {
        let documents = self.documents("todos", list).await;
        let of_kind = |kind: &'static str| documents.iter().filter(move |d| d["kind"] == kind);
        let is_pending = |attachment: &&Value| attachment["status"] == "pending";
        Work {
            events: of_kind("list").find_map(|list| list["sequence"].as_u64()),
            unsent: of_kind("event").count(),
            pending: of_kind("attachment").filter(is_pending).count(),
            recorded: self.documents("activity", list).await.len(),
        }
    }

    /// How many documents of a kind a list has.
    pub(crate) async fn of_kind(&self, list: &str, kind: &str) -> usize {
        let documents = self.documents("todos", list).await;
        documents.iter().filter(|d| d["kind"] == kind).count()
    }

    /// Every document of a partition.
    async fn documents(&self, container: &str, partition: &str) -> Vec<Value> {
        let url =
            format!("https://localcosmos.documents.azure.com/dbs/todolist/colls/{container}/docs");
        let query = json!({ "query": "SELECT * FROM c", "parameters": [] });
        let mut documents = Vec::new();
        let mut continuation: Option<String> = None;
        loop {
            let mut request = self
                .http
                .post(Url::parse(&url).expect("a URL"))
                .header(
                    "authorization",
                    format!("type%3Daad%26ver%3D1.0%26sig%3D{}", self.token),
                )
                .header("x-ms-version", "2020-07-15")
                .header("x-ms-documentdb-isquery", "True")
                .header(
                    "x-ms-documentdb-partitionkey",
                    json!([partition]).to_string(),
                )
                .header("x-ms-max-item-count", "1000")
                .header("content-type", "application/query+json")
                .body(query.to_string());
            if let Some(continuation) = &continuation {
                request = request.header("x-ms-continuation", continuation);
            }
            let response = request.send().await.expect("Cosmos DB answers");
            let status = response.status();
            let next = response.headers().get("x-ms-continuation").cloned();
            let body: Value = response.json().await.expect("JSON");
            assert!(status.is_success(), "{status} {body}");
            documents.extend(body["Documents"].as_array().expect("documents").clone());
            continuation = next.and_then(|next| next.to_str().ok().map(str::to_owned));
            if continuation.is_none() {
                return documents;
            }
        }
    }
}
