//! Azurite, the emulator of Azure Storage: requests signed with its Shared Key.
//!
//! After the Azure Storage REST reference, *Authorize with Shared Key*.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use time::OffsetDateTime;
use url::Url;

use super::{Emulator, Wanted};
use crate::blob::http_date;
use crate::model::StorageSpec;

/// The key of `devstoreaccount1`. It is no secret: it is the same in every Azurite,
/// and published (Microsoft Learn, *Use the Azurite emulator: well-known storage
/// account and key*).
const PUBLISHED_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A version of the service that every Azurite of the last years knows, for what is
/// made at the start.
const VERSION: &str = "2021-12-02";

/// What is signed of a request before its own headers, in this order.
const SIGNED: [HeaderName; 11] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    HeaderName::from_static("content-md5"),
    header::CONTENT_TYPE,
    header::DATE,
    header::IF_MODIFIED_SINCE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];

pub(super) struct Azurite {
    account: String,
    key: hmac::Key,
    containers: Vec<String>,
}

impl Azurite {
    /// The account that the URL names: its first segment, as Azurite has it on this
    /// machine.
    pub(super) fn new(url: &Url, spec: &StorageSpec) -> Self {
        let account = url.path_segments().and_then(|mut segments| segments.next());
        let key = STANDARD.decode(PUBLISHED_KEY).expect("it is base64");
        Self {
            account: account.unwrap_or_default().to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            containers: spec.containers.clone(),
        }
    }
}

impl Emulator for Azurite {
    fn sign(&self, request: &mut reqwest::Request, now: OffsetDateTime) {
        let date = HeaderValue::try_from(http_date(now)).expect("a date is ASCII");
        request.headers_mut().insert("x-ms-date", date);
        let text = string_to_sign(
            request.method(),
            request.url(),
            request.headers(),
            &self.account,
        );
        let signature = STANDARD.encode(hmac::sign(&self.key, text.as_bytes()));
        let value = HeaderValue::try_from(format!("SharedKey {}:{signature}", self.account))
            .expect("an account's name is ASCII");
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }

    fn wanted(&self) -> Vec<Wanted> {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("x-ms-version"),
            HeaderValue::from_static(VERSION),
        )]);
        let wanted = self.containers.iter().map(|container| Wanted {
            what: format!("the container `{container}`"),
            method: Method::PUT,
            target: format!("/{container}?restype=container"),
            headers: headers.clone(),
            body: Bytes::new(),
        });
        wanted.collect()
    }
}

fn string_to_sign(method: &Method, url: &Url, headers: &HeaderMap, account: &str) -> String {
    let value = |name: &HeaderName| {
        let value = headers.get(name).map_or("", text);
        // Since version 2015-02-21 no length is signed as none.
        match value {
            "0" if *name == header::CONTENT_LENGTH => "",
            other => other,
        }
    };
    let mut lines = vec![method.as_str().to_owned()];
    lines.extend(SIGNED.iter().map(|name| value(name).to_owned()));
    let mut own: Vec<String> = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-ms-"))
        .map(|(name, value)| format!("{name}:{}", text(value).trim()))
        .collect();
    own.sort_unstable();
    lines.extend(own);
    lines.push(format!("/{account}{}", url.path()));
    let mut parameters: Vec<(String, String)> = url
        .query_pairs()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
        .collect();
    parameters.sort_unstable();
    lines.extend(
        parameters
            .iter()
            .map(|(name, value)| format!("{name}:{value}")),
    );
    lines.join("\n")
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request of the reference's own example for version 2015-02-21 and later,
    /// as it stands there.
    #[test]
    fn the_references_example_is_signed_as_the_reference_says() {
        let url = "http://myaccount.blob.core.windows.net/mycontainer?comp=metadata&restype=container&timeout=20"
            .parse()
            .expect("a URL");
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-version", HeaderValue::from_static("2015-02-21"));
        headers.insert(
            "x-ms-date",
            HeaderValue::from_static("Fri, 26 Jun 2015 23:39:12 GMT"),
        );
        headers.insert("content-length", HeaderValue::from_static("0"));

        let text = string_to_sign(&Method::GET, &url, &headers, "myaccount");

        assert_eq!(
            text,
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n\
             /myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"
        );
    }

    #[test]
    fn the_account_is_named_twice_where_it_is_in_the_path() {
        let url: Url = "http://127.0.0.1:10000/devstoreaccount1/c/a%20b?blockid=QUE%3D&comp=block"
            .parse()
            .expect("a URL");
        let mut headers = HeaderMap::new();
        headers.insert("content-length", HeaderValue::from_static("3"));
        headers.insert("range", HeaderValue::from_static("bytes=0-1"));

        let text = string_to_sign(&Method::PUT, &url, &headers, "devstoreaccount1");

        assert_eq!(
            text,
            "PUT\n\n\n3\n\n\n\n\n\n\n\nbytes=0-1\n/devstoreaccount1/devstoreaccount1/c/a%20b\nblockid:QUE=\ncomp:block"
        );
    }
}
