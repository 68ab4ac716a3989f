//! Which operation a request is, by its method, path and headers, and what it
//! takes to do it. It never looks at a body.
//!
//! Actions and scopes after Microsoft Learn, *Azure Cosmos DB for `NoSQL` data
//! plane security reference*. Assumed, for want of a source: a query plan needs
//! `executeQuery`, a patch needs `items/replace`.

use bytes::Bytes;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use super::refusal::Refusal;
use crate::model::Scope;

/// What reading anything but items takes.
pub(super) const READ_METADATA: &str = "Microsoft.DocumentDB/databaseAccounts/readMetadata";

pub(super) const CREATE: &str =
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/create";
pub(super) const READ: &str =
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/read";
pub(super) const REPLACE: &str =
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/replace";
pub(super) const UPSERT: &str =
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/upsert";
pub(super) const DELETE: &str =
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/delete";
const QUERY: &str = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/executeQuery";
const CHANGE_FEED: &str =
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/readChangeFeed";

const PARTITION_KEY: &str = "x-ms-documentdb-partitionkey";

/// An operation of the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ReadAccount,
    ListDatabases,
    ReadDatabase,
    ListContainers,
    ReadContainer,
    ListPartitionKeyRanges,
    ReadItem,
    ReadChangeFeed,
    QueryItems,
    PlanQuery,
    CreateItem,
    UpsertItem,
    ReplaceItem,
    PatchItem,
    DeleteItem,
    ExecuteBatch,
}

impl Kind {
    /// Its name in the audit log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ReadAccount => "ReadAccount",
            Self::ListDatabases => "ListDatabases",
            Self::ReadDatabase => "ReadDatabase",
            Self::ListContainers => "ListContainers",
            Self::ReadContainer => "ReadContainer",
            Self::ListPartitionKeyRanges => "ListPartitionKeyRanges",
            Self::ReadItem => "ReadItem",
            Self::ReadChangeFeed => "ReadChangeFeed",
            Self::QueryItems => "QueryItems",
            Self::PlanQuery => "PlanQuery",
            Self::CreateItem => "CreateItem",
            Self::UpsertItem => "UpsertItem",
            Self::ReplaceItem => "ReplaceItem",
            Self::PatchItem => "PatchItem",
            Self::DeleteItem => "DeleteItem",
            Self::ExecuteBatch => "ExecuteTransactionalBatch",
        }
    }

    /// The action that it needs beyond the metadata; a batch's are in its body.
    pub(super) fn action(self) -> Option<&'static str> {
        match self {
            Self::ReadAccount
            | Self::ListDatabases
            | Self::ReadDatabase
            | Self::ListContainers
            | Self::ReadContainer
            | Self::ListPartitionKeyRanges
            | Self::ExecuteBatch => None,
            Self::ReadItem => Some(READ),
            Self::ReadChangeFeed => Some(CHANGE_FEED),
            Self::QueryItems | Self::PlanQuery => Some(QUERY),
            Self::CreateItem => Some(CREATE),
            Self::UpsertItem => Some(UPSERT),
            Self::ReplaceItem | Self::PatchItem => Some(REPLACE),
            Self::DeleteItem => Some(DELETE),
        }
    }

    /// Whether it reads nothing but metadata.
    pub(super) fn is_metadata(self) -> bool {
        self.action().is_none() && self != Self::ExecuteBatch
    }

    /// The HTTP method that asks for it.
    pub(super) fn method(self) -> Method {
        match self {
            Self::QueryItems
            | Self::PlanQuery
            | Self::CreateItem
            | Self::UpsertItem
            | Self::ExecuteBatch => Method::POST,
            Self::ReplaceItem => Method::PUT,
            Self::PatchItem => Method::PATCH,
            Self::DeleteItem => Method::DELETE,
            _ => Method::GET,
        }
    }
}

/// An operation and the place that it is about.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) kind: Kind,
    /// The path's segments, percent-decoded: `dbs`, a name, `colls`, and so on.
    pub(super) segments: Vec<String>,
}

impl Target {
    /// Classifies a request. A trailing slash makes no difference (Python's
    /// client sends one).
    pub(super) fn of(method: &Method, path: &str, headers: &HeaderMap) -> Result<Self, Refusal> {
        let segments = segments(path)?;
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let kind = match (method.as_str(), parts.as_slice()) {
            ("GET", []) => Kind::ReadAccount,
            ("GET", ["dbs"]) => Kind::ListDatabases,
            ("GET", ["dbs", _]) => Kind::ReadDatabase,
            ("GET", ["dbs", _, "colls"]) => Kind::ListContainers,
            ("GET", ["dbs", _, "colls", _]) => Kind::ReadContainer,
            ("GET", ["dbs", _, "colls", _, "pkranges"]) => Kind::ListPartitionKeyRanges,
            ("GET", ["dbs", _, "colls", _, "docs"]) => change_feed(headers)?,
            ("POST", ["dbs", _, "colls", _, "docs"]) => post(headers)?,
            ("GET", ["dbs", _, "colls", _, "docs", _]) => Kind::ReadItem,
            ("PUT", ["dbs", _, "colls", _, "docs", _]) => Kind::ReplaceItem,
            ("PATCH", ["dbs", _, "colls", _, "docs", _]) => Kind::PatchItem,
            ("DELETE", ["dbs", _, "colls", _, "docs", _]) => Kind::DeleteItem,
            (method, parts) => return Err(unknown(method, parts, path, headers)),
        };
        for trigger in [
            "x-ms-documentdb-pre-trigger-include",
            "x-ms-documentdb-post-trigger-include",
        ] {
            if headers.contains_key(trigger) {
                return Err(Refusal::not_implemented(format!("triggers ({trigger})")));
            }
        }
        Ok(Self { kind, segments })
    }

    /// Where a role has to grant the operation; `account` is the account's logical name.
    pub(super) fn scope(&self, account: &str) -> Scope {
        let mut scope = vec![account];
        if let Some(database) = self.segments.get(1) {
            scope.extend(["databases", database]);
        }
        if let Some(container) = self.segments.get(3) {
            scope.extend(["containers", container]);
        }
        Scope::new(scope)
    }

    /// The same place, as Azure's refusals print it: `/`, `dbs/x`, `dbs/x/colls/y`.
    pub(super) fn resource(&self) -> String {
        match self.segments.get(..4).or(self.segments.get(..2)) {
            Some(place) => place.join("/"),
            None => "/".to_owned(),
        }
    }
}

/// The engine takes the operations of a patch in an object; the JavaScript
/// client sends the bare array, which Azure takes as well.
pub(super) fn patch_body(body: Bytes) -> Bytes {
    let text = body.trim_ascii();
    if !text.starts_with(b"[") {
        return body;
    }
    [b"{\"operations\":", text, b"}"].concat().into()
}

/// Reads a header that says `True`.
fn says_true(headers: &HeaderMap, name: &str) -> bool {
    headers
        .get(name)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

fn is_query(headers: &HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE);
    says_true(headers, "x-ms-documentdb-isquery")
        || says_true(headers, "x-ms-documentdb-query")
        || content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"application/query+json"))
}

fn post(headers: &HeaderMap) -> Result<Kind, Refusal> {
    if says_true(headers, "x-ms-cosmos-is-query-plan-request") {
        return Ok(Kind::PlanQuery);
    }
    if is_query(headers) {
        return Ok(Kind::QueryItems);
    }
    if says_true(headers, "x-ms-cosmos-is-batch-request") {
        return Ok(Kind::ExecuteBatch);
    }
    // The engine would take the key from the item; Azure does not (assumed text).
    if !headers.contains_key(PARTITION_KEY) {
        return Err(Refusal::bad_request(
            "PartitionKey value must be supplied for this operation.",
        ));
    }
    if says_true(headers, "x-ms-documentdb-is-upsert") {
        return Ok(Kind::UpsertItem);
    }
    Ok(Kind::CreateItem)
}

/// Every read of a feed of items is the change feed's action
/// (azure-cosmos-dotnet-v3#2927). The engine keeps no old versions, so the feed
/// of all versions would be made up.
fn change_feed(headers: &HeaderMap) -> Result<Kind, Refusal> {
    let mode = headers.get("a-im").map(http::HeaderValue::as_bytes);
    if mode.is_some_and(|mode| mode.eq_ignore_ascii_case(b"full-fidelity feed")) {
        return Err(Refusal::not_implemented(
            "the change feed of all versions and deletes",
        ));
    }
    Ok(Kind::ReadChangeFeed)
}

/// What is asked of databases, containers, throughput, users and the code of a
/// container belongs to the control plane (documented: "This permission model
/// covers only database operations that involve reading and writing data").
fn unknown(method: &str, parts: &[&str], path: &str, headers: &HeaderMap) -> Refusal {
    let manages = matches!(method, "POST" | "PUT" | "PATCH" | "DELETE");
    let control_plane = match parts {
        ["dbs"] | ["dbs", _, "colls"] => manages && !is_query(headers),
        ["dbs", _] | ["dbs", _, "colls", _] => manages,
        ["dbs", _, "colls", _, "sprocs", _] => method != "POST",
        ["offers", ..]
        | ["dbs", _, "users" | "clientencryptionkeys", ..]
        | ["dbs", _, "colls", _, "sprocs" | "triggers" | "udfs", ..] => true,
        _ => false,
    };
    if control_plane {
        return Refusal::ControlPlane {
            request: format!("{method} {path}"),
        };
    }
    Refusal::not_implemented(format!("{method} {path}"))
}

/// The path is taken apart once, and the engine's path is made of these
/// segments, so that both mean the same place.
fn segments(path: &str) -> Result<Vec<String>, Refusal> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/').map(segment).collect()
}

/// Names cannot contain `/`, `\`, `?` or `#` (documented).
fn segment(encoded: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| Refusal::bad_request("The path is not UTF-8."))?;
    let names_nothing = matches!(&*decoded, "" | "." | "..");
    if names_nothing || decoded.contains(['/', '\\', '?', '#']) {
        return Err(Refusal::bad_request("The path names no resource."));
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests;
