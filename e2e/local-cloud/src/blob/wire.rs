//! The account's wire: a request becomes an operation, goes through the gate to
//! the engine, and comes back with Azure Storage's headers.
//!
//! Order of the checks: is the operation played, is there a token and is it
//! good, does a role grant it; only then the body, the preconditions, and
//! whether container and blob exist. That authorisation comes first: assumed.

use std::mem;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, DATE, HOST, SERVER};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use uuid::Uuid;

use super::conditions::Conditions;
use super::engine::{Select, Upload};
use super::listing::{self, BlockListType, Echo};
use super::malformed::Malformed;
use super::operation::{Asked, Kind};
use super::properties::{ContentHeaders, Metadata};
use super::range::Requested;
use super::refusal::Refusal;
use super::response::{
    Context, ascii, content, described, empty, encrypted, http_date, insert, stamp, stamped, xml,
};
use super::{Blob, body};
use crate::gate::{Admitted, Caller, Operation};
use crate::model::Scope;

/// The first version of the service that knows bearer tokens.
const BEARER_SINCE: &str = "2017-11-09";
/// Documented: the most that a page holds, and the default.
const PAGE_SIZE: usize = 5000;
/// Documented: a block id has at most 64 bytes before it is encoded.
const MAX_BLOCK_ID_BYTES: usize = 64;

/// Answers any request to the account.
pub(super) async fn answer(State(account): State<Arc<Blob>>, request: Request<Body>) -> Response {
    let (parts, mut body) = request.into_parts();
    let context = Context {
        method: parts.method.clone(),
        request_id: Uuid::new_v4(),
        now: account.clock.now(),
    };
    let mut response = match account.serve(&parts, &mut body).await {
        Ok(response) => response,
        Err(refusal) => {
            body::drain(body).await;
            refusal.answer(&context)
        }
    };
    let headers = response.headers_mut();
    headers.insert("x-ms-request-id", ascii(context.request_id.to_string()));
    headers.insert(DATE, ascii(http_date(context.now)));
    headers.insert(SERVER, HeaderValue::from_static("local-cloud"));
    for echoed in ["x-ms-version", "x-ms-client-request-id"] {
        if let Some(value) = parts.headers.get(echoed) {
            headers.insert(echoed, value.clone());
        }
    }
    response
}

impl Blob {
    /// Answers a request of any kind. It takes the body only where it reads it.
    async fn serve(&self, parts: &Parts, body: &mut Body) -> Result<Response, Refusal> {
        let asked = self.asked(parts)?;
        let caller = self.authenticate(&parts.headers)?;
        let admitted = self.admit(&caller, &asked).await?;
        let Some(emulator) = &self.emulator else {
            return self.engine_answers(&admitted, &asked, parts, body).await;
        };
        let target = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let (method, headers) = (&parts.method, &parts.headers);
        let forwarded = emulator.forward(&admitted, method, target, headers, mem::take(body));
        Ok(forwarded.await?)
    }

    /// The own engine does what the gate has admitted.
    async fn engine_answers(
        &self,
        admitted: &Admitted,
        asked: &Asked,
        parts: &Parts,
        body: &mut Body,
    ) -> Result<Response, Refusal> {
        match asked.kind {
            Kind::ListContainers => self.list_containers(admitted, asked, parts),
            Kind::CreateContainer => {
                let metadata = Metadata::of(&parts.headers)?;
                let now = self.clock.now();
                let stamp = self.engine().create_container(admitted, metadata, now)?;
                Ok(stamped(StatusCode::CREATED, &stamp))
            }
            Kind::DeleteContainer => {
                self.engine().delete_container(admitted, self.clock.now())?;
                Ok(empty(StatusCode::ACCEPTED))
            }
            Kind::GetContainerProperties => {
                let container = self.engine().container(admitted)?;
                let mut response = stamped(StatusCode::OK, &container.stamp);
                let headers = response.headers_mut();
                headers.extend(container.metadata.headers());
                insert(
                    headers,
                    &[
                        ("x-ms-lease-status", "unlocked"),
                        ("x-ms-lease-state", "available"),
                        ("x-ms-has-immutability-policy", "false"),
                        ("x-ms-has-legal-hold", "false"),
                    ],
                );
                Ok(response)
            }
            Kind::ListBlobs => self.list_blobs(admitted, asked, parts),
            Kind::PutBlob => {
                let upload = Upload {
                    headers: ContentHeaders::of_put(&parts.headers),
                    metadata: Metadata::of(&parts.headers)?,
                    conditions: Conditions::of(&parts.headers)?,
                };
                let data = body::read(&parts.headers, mem::take(body)).await?;
                let now = self.clock.now();
                let stamp = self
                    .engine()
                    .put(admitted, &asked.blob, data, upload, now)?;
                Ok(encrypted(stamped(StatusCode::CREATED, &stamp)))
            }
            Kind::PutBlock => {
                let id = block_id(asked)?;
                let data = body::read(&parts.headers, mem::take(body)).await?;
                self.engine().put_block(admitted, &asked.blob, id, data)?;
                Ok(encrypted(empty(StatusCode::CREATED)))
            }
            Kind::PutBlockList => {
                let upload = Upload {
                    headers: ContentHeaders::of_put_block_list(&parts.headers),
                    metadata: Metadata::of(&parts.headers)?,
                    conditions: Conditions::of(&parts.headers)?,
                };
                let list = body::read(&parts.headers, mem::take(body)).await?;
                let list = body::block_list(&list)?;
                let now = self.clock.now();
                let stamp =
                    self.engine()
                        .put_block_list(admitted, &asked.blob, &list, upload, now)?;
                Ok(encrypted(stamped(StatusCode::CREATED, &stamp)))
            }
            Kind::GetBlockList => self.get_block_list(admitted, asked),
            Kind::GetBlob => {
                let conditions = Conditions::of(&parts.headers)?;
                let requested = Requested::of(&parts.headers)?;
                let blob = self.engine().get(admitted, &asked.blob, &conditions)?;
                let range = requested.map(|requested| requested.within(blob.length));
                Ok(content(&blob, range.transpose()?))
            }
            Kind::GetBlobProperties => {
                let conditions = Conditions::of(&parts.headers)?;
                let blob = self.engine().get(admitted, &asked.blob, &conditions)?;
                Ok(described(StatusCode::OK, &blob, blob.length))
            }
            Kind::SetBlobMetadata => {
                let metadata = Metadata::of(&parts.headers)?;
                let conditions = Conditions::of(&parts.headers)?;
                let now = self.clock.now();
                let stamp = self.engine().set_metadata(
                    admitted,
                    &asked.blob,
                    metadata,
                    &conditions,
                    now,
                )?;
                Ok(encrypted(stamped(StatusCode::OK, &stamp)))
            }
            Kind::DeleteBlob => {
                let conditions = Conditions::of(&parts.headers)?;
                self.engine().delete(admitted, &asked.blob, &conditions)?;
                Ok(empty(StatusCode::ACCEPTED))
            }
        }
    }

    /// What a request asks for, unless it is signed with the account's key.
    fn asked(&self, parts: &Parts) -> Result<Asked, Refusal> {
        if is_signed_with_the_key(parts) {
            self.audit_as_missing();
            return Err(Refusal::SharedKey);
        }
        Asked::of(parts)
    }

    fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let token = bearer(headers).inspect_err(|_| self.audit_as_missing())?;
        let version = match headers.get("x-ms-version").map(HeaderValue::to_str) {
            None => None,
            Some(Ok(version)) if is_version(version) => Some(version),
            Some(_) => return Err(Malformed::InvalidHeader("x-ms-version".to_owned()).into()),
        };
        // Versions are dates, which sort as text.
        if token.is_some() && version.is_none_or(|version| version < BEARER_SINCE) {
            return Err(Refusal::VersionTooOld);
        }
        self.gate
            .authenticate(token, &self.audience)
            .map_err(Refusal::Token)
    }

    /// Whatever is no Entra token is audited as a missing one.
    fn audit_as_missing(&self) {
        let _refused_either_way = self.gate.authenticate(None, &self.audience);
    }

    async fn admit(&self, caller: &Caller, asked: &Asked) -> Result<Admitted, Refusal> {
        let scope = match asked.container.as_str() {
            "" => Scope::new([self.resource.as_str()]),
            container => Scope::new([self.resource.as_str(), "containers", container]),
        };
        let (operation, permission) = asked.kind.needs();
        self.gate
            .admit(caller, Operation::at(operation, permission, scope))
            .await
            .map_err(|_| Refusal::Denied)
    }

    fn list_containers(
        &self,
        admitted: &Admitted,
        asked: &Asked,
        parts: &Parts,
    ) -> Result<Response, Refusal> {
        let (echo, from) = self.echo(asked, parts)?;
        let page = self
            .engine()
            .list_containers(admitted, &select(&echo, from.as_deref()));
        Ok(xml(listing::containers(&page, &echo)))
    }

    fn list_blobs(
        &self,
        admitted: &Admitted,
        asked: &Asked,
        parts: &Parts,
    ) -> Result<Response, Refusal> {
        let (echo, from) = self.echo(asked, parts)?;
        let page = self
            .engine()
            .list_blobs(admitted, &select(&echo, from.as_deref()))?;
        Ok(xml(listing::blobs(&page, &asked.container, &echo)))
    }

    fn get_block_list(&self, admitted: &Admitted, asked: &Asked) -> Result<Response, Refusal> {
        let wanted = match asked.parameter("blocklisttype") {
            None | Some("committed") => BlockListType::Committed,
            Some("uncommitted") => BlockListType::Uncommitted,
            Some("all") => BlockListType::All,
            Some(_) => return Err(Malformed::InvalidParameter("blocklisttype").into()),
        };
        let list = self.engine().block_list(admitted, &asked.blob)?;
        let mut response = xml(listing::blocks(&list, wanted));
        let headers = response.headers_mut();
        let length = list.blob.as_ref().map_or(0, |blob| blob.length);
        headers.insert("x-ms-blob-content-length", length.into());
        // Documented: only when there is a committed blob.
        if let Some(blob) = &list.blob {
            stamp(headers, &blob.stamp);
        }
        Ok(response)
    }

    /// What a listing asks for, and the entry that it starts with.
    fn echo<'a>(
        &self,
        asked: &'a Asked,
        parts: &Parts,
    ) -> Result<(Echo<'a>, Option<String>), Refusal> {
        let max_results = match asked.parameter("maxresults") {
            None => None,
            Some(text) => {
                let most: usize = text
                    .parse()
                    .map_err(|_| Malformed::InvalidParameter("maxresults"))?;
                if most == 0 {
                    return Err(Malformed::OutOfRangeParameter("maxresults").into());
                }
                Some(most)
            }
        };
        let marker = asked.parameter("marker");
        let from = marker
            .map(|marker| listing::from_marker(marker).ok_or(Malformed::InvalidParameter("marker")))
            .transpose()?;
        let mut with_metadata = false;
        for include in asked.parameter("include").unwrap_or_default().split(',') {
            match include {
                "" => {}
                "metadata" => with_metadata = true,
                other => {
                    let (name, _) = asked.kind.needs();
                    let what = format!("include={other} of {name}");
                    return Err(Refusal::NotPlayed(what));
                }
            }
        }
        // As the client reached the account, on the plain port as well.
        let host = parts
            .headers
            .get(HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or(&self.host);
        let echo = Echo {
            service_endpoint: format!("https://{host}/"),
            prefix: asked.parameter("prefix"),
            delimiter: asked.parameter("delimiter"),
            marker,
            max_results,
            with_metadata,
        };
        Ok((echo, from))
    }
}

fn select<'a>(echo: &Echo<'a>, from: Option<&'a str>) -> Select<'a> {
    Select {
        prefix: echo.prefix.unwrap_or_default(),
        delimiter: echo.delimiter,
        from,
        most: echo
            .max_results
            .map_or(PAGE_SIZE, |most| most.min(PAGE_SIZE)),
    }
}

/// The token of `Authorization: Bearer`. The account takes no shared keys, as
/// every account should; another scheme counts as no token.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let value = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
    let Some((scheme, token)) = value.and_then(|value| value.split_once(' ')) else {
        return Ok(None);
    };
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Ok(Some(token.trim())),
        "sharedkey" | "sharedkeylite" => Err(Refusal::SharedKey),
        _ => Ok(None),
    }
}

/// Whether a shared access signature stands in the query that was made with the
/// account's key. One that was made with a key of Entra ID (user delegation) names
/// whose it is (`skoid`).
///
/// Documented: an account that disallows shared keys refuses the former and takes
/// the latter (Microsoft Learn: *Prevent Shared Key authorization for an Azure
/// Storage account*).
fn is_signed_with_the_key(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    let has = |name: &str| {
        let mut fields = url::form_urlencoded::parse(query.as_bytes());
        fields.any(|(key, _)| key.eq_ignore_ascii_case(name))
    };
    has("sig") && !has("skoid")
}

fn is_version(text: &str) -> bool {
    let digits = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 10 && text.bytes().enumerate().all(digits)
}

/// The id is kept as it was sent. That it must be base64 is documented.
fn block_id(asked: &Asked) -> Result<String, Refusal> {
    let id = asked
        .parameter("blockid")
        .ok_or(Malformed::MissingParameter("blockid"))?;
    let decoded = STANDARD.decode(id);
    if decoded.is_ok_and(|bytes| bytes.len() <= MAX_BLOCK_ID_BYTES) {
        return Ok(id.to_owned());
    }
    Err(Malformed::InvalidParameter("blockid").into())
}
