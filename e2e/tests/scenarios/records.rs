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

    /// The events of a list that wait in the outbox, and how many events the list
    /// has had.
    pub(crate) async fn outbox(&self, list: &str) -> (usize, u64) {
        let documents = self.documents("todos", list).await;
        let of_kind = |kind: &'static str| documents.iter().filter(move |d| d["kind"] == kind);
        let sequence = of_kind("list").find_map(|list| list["sequence"].as_u64());
        (of_kind("event").count(), sequence.unwrap_or_default())
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
