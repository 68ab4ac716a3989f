//! Microsoft's Cosmos DB emulator: requests signed with its master key.
//!
//! After the Azure Cosmos DB REST reference, *Access control on Azure Cosmos DB
//! resources: authorization header*. The emulator itself was not run here.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::json;
use time::OffsetDateTime;

use super::{Emulator, Wanted};
use crate::blob::http_date;
use crate::model::CosmosSpec;

/// The emulator's key. It is no secret: it is the same in every emulator, and
/// published (Microsoft Learn, *Develop locally using the Azure Cosmos DB emulator:
/// authentication*).
const PUBLISHED_KEY: &str =
    "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==";

/// The version of the service for what is made at the start.
const VERSION: &str = "2018-12-31";

pub(super) struct CosmosEmulator {
    key: hmac::Key,
    /// Each database with its containers and their partition keys.
    databases: Vec<(String, Vec<(String, String)>)>,
}

impl CosmosEmulator {
    pub(super) fn new(spec: &CosmosSpec) -> Self {
        let key = STANDARD.decode(PUBLISHED_KEY).expect("it is base64");
        let databases = spec.databases.iter().map(|(name, database)| {
            let containers = database.containers.iter();
            let containers =
                containers.map(|(name, spec)| (name.clone(), spec.partition_key.clone()));
            (name.clone(), containers.collect())
        });
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            databases: databases.collect(),
        }
    }
}

impl Emulator for CosmosEmulator {
    fn sign(&self, request: &mut reqwest::Request, now: OffsetDateTime) {
        let date = http_date(now);
        let path = request.url().path();
        let text = string_to_sign(request.method(), path, &date);
        let signature = STANDARD.encode(hmac::sign(&self.key, text.as_bytes()));
        let token = format!("type=master&ver=1.0&sig={signature}");
        let token = utf8_percent_encode(&token, NON_ALPHANUMERIC).to_string();
        let headers = request.headers_mut();
        let ascii = |text| HeaderValue::try_from(text).expect("it is ASCII");
        headers.insert("x-ms-date", ascii(date));
        headers.insert(header::AUTHORIZATION, ascii(token));
    }

    fn wanted(&self) -> Vec<Wanted> {
        let headers = HeaderMap::from_iter([
            (
                HeaderName::from_static("x-ms-version"),
                HeaderValue::from_static(VERSION),
            ),
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            ),
        ]);
        let make = |what: String, target: String, body: serde_json::Value| Wanted {
            what,
            method: Method::POST,
            target,
            headers: headers.clone(),
            body: body.to_string().into(),
        };
        let mut wanted = Vec::new();
        for (database, containers) in &self.databases {
            let what = format!("the database `{database}`");
            wanted.push(make(what, "/dbs".to_owned(), json!({ "id": database })));
            for (container, partition_key) in containers {
                let body = json!({
                    "id": container,
                    "partitionKey": { "paths": [partition_key], "kind": "Hash", "version": 2 },
                });
                let what = format!("the container `{database}/{container}`");
                wanted.push(make(what, format!("/dbs/{database}/colls"), body));
            }
        }
        wanted
    }
}

/// The resource's type is the last word of its path that names one; the link is
/// what that word is about: the resource itself, or the parent of a feed.
fn string_to_sign(method: &Method, path: &str, date: &str) -> String {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let segments: Vec<&str> = decoded.split('/').filter(|part| !part.is_empty()).collect();
    let (kind, link) = if segments.len() % 2 == 1 {
        // A feed: `dbs/x/colls` is the containers of `dbs/x`.
        let (kind, parent) = segments.split_last().expect("its length is odd");
        (*kind, parent.join("/"))
    } else {
        let kind = segments.iter().rev().nth(1).copied().unwrap_or_default();
        (kind, segments.join("/"))
    };
    format!(
        "{}\n{kind}\n{link}\n{}\n\n",
        method.as_str().to_ascii_lowercase(),
        date.to_ascii_lowercase()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Thu, 27 Apr 2017 00:51:12 GMT";

    /// The reference's own example; its key is not the emulator's.
    #[test]
    fn the_references_example_is_signed_as_the_reference_says() {
        let text = string_to_sign(&Method::GET, "/dbs/ToDoList", DATE);
        assert_eq!(
            text,
            "get\ndbs\ndbs/ToDoList\nthu, 27 apr 2017 00:51:12 gmt\n\n"
        );
    }

    #[test]
    fn a_feed_is_signed_as_what_is_in_its_parent() {
        for (path, kind, link) in [
            ("/", "", ""),
            ("/dbs", "dbs", ""),
            ("/dbs/a/colls/b/docs", "docs", "dbs/a/colls/b"),
            (
                "/dbs/a/colls/b/docs/c%20d",
                "docs",
                "dbs/a/colls/b/docs/c d",
            ),
            ("/dbs/a/colls/b/pkranges", "pkranges", "dbs/a/colls/b"),
        ] {
            let expected = format!("post\n{kind}\n{link}\nthu, 27 apr 2017 00:51:12 gmt\n\n");
            assert_eq!(
                string_to_sign(&Method::POST, path, DATE),
                expected,
                "{path}"
            );
        }
    }
}
