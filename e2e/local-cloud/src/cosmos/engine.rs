//! The state of an account, behind one trait: what the wire has classified and
//! the gate has admitted goes in, an answer comes out.
//!
//! The engine is Microsoft's in-memory emulator out of `azure_data_cosmos_driver`.
//! It is an internal feature of that crate, so the crate is pinned and nothing
//! outside this file names it. It checks neither tokens nor roles, and its
//! clock is the system's. Its charges are made up.

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256};
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::{Method, Request, Url};
use azure_data_cosmos_driver::in_memory_emulator::{
    ConsistencyLevel, ContainerConfig, InMemoryEmulatorHttpClient, VirtualAccountConfig,
    VirtualRegion,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderMap, Response, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::operation::{Kind, Target};
use super::refusal::Refusal;
use crate::gate::Admitted;
use crate::model::CosmosSpec;

/// The account's only region, by the name that Cosmos DB gives it.
const REGION: &str = "East US";

const IN_A_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The headers by which a request says what it is. The engine gets those of the
/// classified operation, so that it does what was admitted and nothing else.
pub(super) const MODE_HEADERS: [&str; 5] = [
    "x-ms-documentdb-isquery",
    "x-ms-documentdb-query",
    "x-ms-cosmos-is-query-plan-request",
    "x-ms-cosmos-is-batch-request",
    "x-ms-documentdb-is-upsert",
];

/// An admitted request.
pub(super) struct Execution<'a> {
    pub(super) target: &'a Target,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Bytes,
}

/// Holds an account's items and answers for them as Cosmos DB does.
#[async_trait]
pub(super) trait Engine: Send + Sync {
    /// Does what the gate has admitted.
    async fn execute(
        &self,
        admitted: &Admitted,
        execution: Execution<'_>,
    ) -> Result<Response<Bytes>, Refusal>;

    /// Per container (`database/container`), the number of items and a hash over
    /// their ids and `ETag`s.
    fn digest(&self) -> Value;
}

/// Microsoft's in-memory emulator.
pub(super) struct Emulator {
    client: InMemoryEmulatorHttpClient,
    base: Url,
    containers: Vec<(String, String)>,
}

impl Emulator {
    /// An emulator with the databases and containers of the model.
    pub(super) fn new(host: &str, spec: &CosmosSpec) -> Self {
        let base: Url = format!("https://{host}/")
            .parse()
            .expect("a host name of the cloud makes a URL");
        let config = VirtualAccountConfig::new(vec![VirtualRegion::new(REGION, base.clone())])
            .expect("there is one region")
            .with_consistency(ConsistencyLevel::Session);
        let client = InMemoryEmulatorHttpClient::new(config);
        let store = client.store();
        let mut containers = Vec::new();
        for (database, of_database) in &spec.databases {
            store.create_database(database);
            for (container, of_container) in &of_database.containers {
                let config = ContainerConfig::new()
                    .with_partition_count(1)
                    .build()
                    .expect("one partition is allowed");
                let partition_key = of_container.partition_key.clone().into();
                store.create_container_with_config(database, container, partition_key, config);
                containers.push((database.clone(), container.clone()));
            }
        }
        Self {
            client,
            base,
            containers,
        }
    }

    async fn ask(
        &self,
        kind: Kind,
        segments: &[String],
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, Refusal> {
        let mut url = self.base.clone();
        url.set_path(&path(segments));
        let mut request = Request::new(url, method(kind));
        for name in headers.keys() {
            if name == header::AUTHORIZATION || MODE_HEADERS.contains(&name.as_str()) {
                continue;
            }
            // The first value decides, as it did when the request was classified.
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            let value = value.ok_or_else(|| Refusal::bad_request("A header is not ASCII."))?;
            request.insert_header(
                HeaderName::from(name.as_str().to_owned()),
                HeaderValue::from(value.to_owned()),
            );
        }
        if let Some(mode) = mode_header(kind) {
            request.insert_header(HeaderName::from_static(mode), "True");
        }
        request.set_body(body);

        let answer = self.client.execute_request(&request).await;
        let answer = answer.map_err(|error| Refusal::Internal(error.to_string()))?;
        let answer = answer.try_into_raw_response().await;
        let answer = answer.map_err(|error| Refusal::Internal(error.to_string()))?;
        let mut response = Response::builder().status(u16::from(answer.status()));
        for (name, value) in answer.headers().iter() {
            response = response.header(name.as_str(), value.as_str());
        }
        response
            .body(answer.into_body().into())
            .map_err(|error| Refusal::Internal(error.to_string()))
    }

    fn digest_of(&self, database: &str, container: &str) -> Value {
        let segments = ["dbs", database, "colls", container, "docs"].map(str::to_owned);
        let mut items: Vec<String> = Vec::new();
        let mut headers = HeaderMap::new();
        loop {
            let page = self
                .ask(Kind::ReadChangeFeed, &segments, &headers, Bytes::new())
                .now_or_never()
                .expect("the emulator answers a feed without waiting")
                .expect("the emulator knows its own containers");
            let body: Value =
                serde_json::from_slice(page.body()).expect("the emulator answers in JSON");
            let documents = body["Documents"].as_array();
            items.extend(documents.into_iter().flatten().map(identity));
            let Some(next) = page.headers().get("x-ms-continuation") else {
                break;
            };
            headers.insert("x-ms-continuation", next.clone());
        }
        items.sort_unstable();
        let mut hash = Context::new(&SHA256);
        for item in &items {
            hash.update(item.as_bytes());
        }
        let hash = URL_SAFE_NO_PAD.encode(hash.finish());
        json!({ "items": items.len(), "sha256": hash })
    }
}

#[async_trait]
impl Engine for Emulator {
    async fn execute(
        &self,
        _admitted: &Admitted,
        execution: Execution<'_>,
    ) -> Result<Response<Bytes>, Refusal> {
        let Target { kind, segments } = execution.target;
        self.ask(*kind, segments, execution.headers, execution.body)
            .await
    }

    fn digest(&self) -> Value {
        let digests = self.containers.iter().map(|(database, container)| {
            let digest = self.digest_of(database, container);
            (format!("{database}/{container}"), digest)
        });
        Value::Object(digests.collect::<Map<_, _>>())
    }
}

/// A path with every segment encoded.
pub(super) fn path(segments: &[String]) -> String {
    let encoded: Vec<String> = segments
        .iter()
        .map(|segment| utf8_percent_encode(segment, IN_A_SEGMENT).to_string())
        .collect();
    encoded.join("/")
}

/// What tells one state of an item from any other.
fn identity(item: &Value) -> String {
    json!([item["id"], item["_rid"], item["_etag"]]).to_string()
}

fn method(kind: Kind) -> Method {
    match kind.method() {
        http::Method::POST => Method::Post,
        http::Method::PUT => Method::Put,
        http::Method::PATCH => Method::Patch,
        http::Method::DELETE => Method::Delete,
        _ => Method::Get,
    }
}

pub(super) fn mode_header(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::QueryItems => Some("x-ms-documentdb-isquery"),
        Kind::PlanQuery => Some("x-ms-cosmos-is-query-plan-request"),
        Kind::ExecuteBatch => Some("x-ms-cosmos-is-batch-request"),
        Kind::UpsertItem => Some("x-ms-documentdb-is-upsert"),
        _ => None,
    }
}
