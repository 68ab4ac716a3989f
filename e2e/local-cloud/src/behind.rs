//! Data planes behind the gate that third-party emulators hold: the gate decides as
//! always, and what it admits goes on to the emulator instead of an own engine,
//! signed anew with the emulator's own key.
//!
//! Emulators check no role, and most of them no token. So what the gate refuses
//! never reaches them, and the caller's token never does either. Each emulator that
//! speaks HTTP is one implementation of [`Emulator`]; that of Service Bus speaks AMQP,
//! whose links are opened again there (`service_bus/relay.rs`).

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, Method, StatusCode};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use url::Url;

use crate::clock::Clock;
use crate::gate::Admitted;
use crate::model::{Model, Resource};
use crate::service_bus::{Relay, RelayError};

mod azurite;
mod cosmos_emulator;
mod key_vault_emulator;
mod place;
#[cfg(test)]
mod tests;

use azurite::Azurite;
use cosmos_emulator::CosmosEmulator;
use key_vault_emulator::KeyVaultEmulator;
pub use place::Behind;

/// How long an emulator may take until it starts to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The headers of one connection, which go no further, and those that are made anew.
const NOT_FORWARDED: [HeaderName; 10] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Why an emulator cannot stand behind the gate.
#[derive(Debug, thiserror::Error)]
pub enum BehindError {
    /// The access model has no such resource.
    #[error("the access model has no resource `{0}`")]
    NoResource(String),
    /// A resource of this type has no emulator, or it is not reached so.
    #[error("`{resource}` cannot be behind the gate: {why}")]
    Unsupported {
        /// The resource.
        resource: String,
        /// What stands in the way.
        why: &'static str,
    },
    /// The file of its certificates cannot be read.
    #[error("{} cannot be read", file.display())]
    CaFile {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its certificates make no sense.
    #[error("the certificates of the emulator of `{resource}` cannot be used")]
    Certificates {
        /// The resource.
        resource: String,
        /// Why.
        source: reqwest::Error,
    },
    /// It is not there.
    #[error("no emulator answers for `{resource}` at {url}: start it first")]
    Silent {
        /// The resource.
        resource: String,
        /// Where it was asked.
        url: Url,
        /// Why.
        source: Unanswered,
    },
    /// It is not there, or it is none of Service Bus.
    #[error("no Service Bus emulator for `{resource}` at {url}: {source}")]
    Bus {
        /// The resource.
        resource: String,
        /// Where it was asked.
        url: Url,
        /// Why.
        source: Box<RelayError>,
    },
    /// It refuses to make what the access model wants.
    #[error("the emulator of `{resource}` does not make {what}: {status} {answer}")]
    Provisioning {
        /// The resource.
        resource: String,
        /// What was asked for.
        what: String,
        /// Its status.
        status: StatusCode,
        /// The start of its answer.
        answer: String,
    },
}

/// An emulator did not answer a request. The text names nothing of the request.
#[derive(Debug, thiserror::Error)]
#[error("the emulator behind the gate does not answer")]
pub struct Unanswered(#[source] reqwest::Error);

/// Something of the access model that an emulator has to have before it is used.
struct Wanted {
    what: String,
    method: Method,
    /// As it is on the wire, with its query, below the emulator's own path.
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

/// A third party's emulator of one data plane.
trait Emulator: Send + Sync {
    /// Puts the emulator's own credential on a request that is complete but for it.
    fn sign(&self, request: &mut reqwest::Request, now: time::OffsetDateTime);

    /// What has to be made in it, in this order; what is there already may stay.
    fn wanted(&self) -> Vec<Wanted>;
}

/// The way to one emulator.
pub(crate) struct Forwarder {
    emulator: Box<dyn Emulator>,
    url: Url,
    client: reqwest::Client,
    clock: Clock,
}

/// The ways to the emulators of a cloud, by the names of their resources. Each was
/// found, and has what the access model wants.
#[derive(Default)]
pub(crate) struct Emulators {
    pub(crate) http: BTreeMap<String, Arc<Forwarder>>,
    pub(crate) buses: BTreeMap<String, Arc<Relay>>,
}

/// Finds the emulators.
pub(crate) async fn connect(
    model: &Model,
    behind: Vec<Behind>,
    clock: &Clock,
) -> Result<Emulators, BehindError> {
    let mut emulators = Emulators::default();
    for one in behind {
        let resource = model.resources.get(&one.resource);
        let resource = resource.ok_or_else(|| BehindError::NoResource(one.resource.clone()))?;
        let unsupported = |why| BehindError::Unsupported {
            resource: one.resource.clone(),
            why,
        };
        if !one.is_near() {
            return Err(unsupported(
                "an emulator is on this machine or in its network of containers: \
                 localhost, a loopback or private address, or a name without a dot",
            ));
        }
        let name = one.resource.clone();
        let is_amqp = one.url.scheme() == "amqp";
        let emulator: Box<dyn Emulator> = match resource {
            Resource::ServiceBus(_) if !is_amqp => {
                return Err(unsupported(
                    "the Service Bus emulator speaks AMQP alone: amqp://HOST:PORT",
                ));
            }
            Resource::ServiceBus(spec) => {
                let relay = Relay::connect(one.url.clone(), spec.queues.keys(), clock.clone());
                let relay = relay.await.map_err(|source| BehindError::Bus {
                    resource: one.resource,
                    url: one.url,
                    source: Box::new(source),
                })?;
                emulators.buses.insert(name, relay);
                continue;
            }
            Resource::Graph(_) => {
                return Err(unsupported("there is no emulator of Microsoft Graph"));
            }
            _ if is_amqp => {
                return Err(unsupported("its emulator speaks HTTP: http:// or https://"));
            }
            Resource::Storage(spec) => Box::new(Azurite::new(&one.url, spec)),
            Resource::Cosmos(spec) => Box::new(CosmosEmulator::new(spec)),
            Resource::KeyVault(spec) => Box::new(KeyVaultEmulator::new(spec)),
        };
        let forwarder = Forwarder::new(one, emulator, clock.clone())?;
        forwarder.provision(&name).await?;
        emulators.http.insert(name, Arc::new(forwarder));
    }
    Ok(emulators)
}

/// What stands for the state of a resource that an emulator holds.
pub(crate) fn digest(url: &Url) -> Value {
    json!({ "behind": url.as_str(), "state": "the emulator's own: not read" })
}

impl Forwarder {
    fn new(behind: Behind, emulator: Box<dyn Emulator>, clock: Clock) -> Result<Self, BehindError> {
        let Behind {
            resource: name,
            url,
            ca,
        } = behind;
        let certificates = |source| BehindError::Certificates {
            resource: name.clone(),
            source,
        };
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE);
        if let Some(file) = ca {
            let pem = std::fs::read(&file);
            let pem = pem.map_err(|source| BehindError::CaFile { file, source })?;
            let bundle = reqwest::Certificate::from_pem_bundle(&pem);
            builder = builder.tls_certs_only(bundle.map_err(certificates)?);
        }
        Ok(Self {
            emulator,
            client: builder.build().map_err(certificates)?,
            url,
            clock,
        })
    }

    /// Makes what the access model wants. What is there already is left.
    async fn provision(&self, resource: &str) -> Result<(), BehindError> {
        for wanted in self.emulator.wanted() {
            let sent = self.send(
                wanted.method,
                &wanted.target,
                wanted.headers,
                wanted.body.into(),
            );
            let answer = sent.await.map_err(|source| BehindError::Silent {
                resource: resource.to_owned(),
                url: self.url.clone(),
                source,
            })?;
            let status = answer.status();
            if !status.is_success() && status != StatusCode::CONFLICT {
                let answer = answer.text().await.unwrap_or_default();
                return Err(BehindError::Provisioning {
                    resource: resource.to_owned(),
                    what: wanted.what,
                    status,
                    answer: answer.chars().take(300).collect(),
                });
            }
        }
        Ok(())
    }

    /// Sends on what the gate has admitted. `target` is the path and query as they
    /// are on the wire. The answer is the emulator's own, whatever it is; its body
    /// streams.
    pub(crate) async fn forward(
        &self,
        _admitted: &Admitted,
        method: &Method,
        target: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Unanswered> {
        let forwarded = onward(headers.clone());
        // A request without a body is sent without one.
        let has_body = headers.contains_key(header::CONTENT_LENGTH)
            || headers.contains_key(header::TRANSFER_ENCODING);
        let body = if has_body {
            reqwest::Body::wrap_stream(body.into_data_stream())
        } else {
            reqwest::Body::from(Bytes::new())
        };
        let answer = self.send(method.clone(), target, forwarded, body).await?;
        let (mut parts, body) = http::Response::from(answer).into_parts();
        parts.headers = onward(parts.headers);
        Ok(Response::from_parts(parts, Body::new(body)))
    }

    async fn send(
        &self,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: reqwest::Body,
    ) -> Result<reqwest::Response, Unanswered> {
        let url = format!("{}{target}", self.url.as_str().trim_end_matches('/'));
        let mut request = self
            .client
            .request(method, url)
            .headers(headers)
            .body(body)
            .build()
            .map_err(Unanswered)?;
        self.emulator.sign(&mut request, self.clock.now());
        let answer = self.client.execute(request).await;
        answer.map_err(|error| {
            tracing::warn!(%error, "the emulator behind the gate does not answer");
            Unanswered(error)
        })
    }

    /// Where the emulator is.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// What stands for the state of a resource that an emulator holds.
    pub(crate) fn digest(&self) -> Value {
        digest(&self.url)
    }
}

/// The headers that go on, to the emulator or back: not the credential, which is for
/// the gate alone, nor what belongs to one connection.
fn onward(mut headers: HeaderMap) -> HeaderMap {
    for name in &NOT_FORWARDED {
        headers.remove(name);
    }
    headers
}
