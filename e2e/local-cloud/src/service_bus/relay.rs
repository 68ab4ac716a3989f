//! The way to Microsoft's Service Bus emulator: one connection to it, on which the
//! links that the gate has admitted are opened again.
//!
//! The emulator speaks AMQP without TLS and knows no Entra token, only its own
//! published key. It takes about ten connections at once (Microsoft Learn,
//! *Overview of the Azure Service Bus emulator: usage quotas*), so all links share
//! one, each on a session of its own. A connection that breaks ends the links that
//! are on it; the next link makes a new one.
//!
//! It is written on the plane's own frames. A client library shows too little of them:
//! fe2o3-amqp takes messages apart, and keeps to itself the answer to a receiver's
//! decision and the end of a drain, all of which have to pass unchanged.
//!
//! The emulator itself was not run here: what is said of it is what its
//! documentation says, and what is unconfirmed is marked so. The tests have our own
//! plane in its place, with a `$cbs` that takes this key alone, and a server of another
//! make.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_amqp::Value;
use time::OffsetDateTime;
use tokio::{net::TcpStream, sync::Notify, time::timeout};
use tokio_util::task::AbortOnDropHandle;
use url::Url;
use uuid::Uuid;

use super::{
    codec::{self, Malformed},
    message::{Map, Plain},
    refusal::Refusal,
    request,
};
use crate::clock::Clock;

mod requests;
mod sas;
mod session;
mod wire;

pub(super) use requests::Requests;
pub(super) use session::{Delivery, Heard, Modes, Session};
use wire::Wire;

/// How long the emulator may take to open a connection or a link, or to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The port of AMQP without TLS.
const PORT: u16 = 5672;

/// How long a token is good for, and how long before its end there is a new one.
const LIFETIME: Duration = Duration::from_hours(1);
const AHEAD: Duration = Duration::from_mins(15);

/// Why the emulator cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// There is no connection.
    #[error("there is no connection")]
    Connection(#[from] io::Error),
    /// It says nothing.
    #[error("it does not answer in time")]
    Silent,
    /// It is no AMQP server that takes anonymous clients, or ends what was begun.
    #[error("{0}")]
    Ended(String),
    /// It does not take the token that its published key has signed.
    #[error("it does not take its published key: {status} {description}")]
    Key {
        /// The status of its answer.
        status: i32,
        /// What it says.
        description: String,
    },
}

impl From<Malformed> for RelayError {
    fn from(malformed: Malformed) -> Self {
        Self::Ended(format!("it does not speak AMQP 1.0: {malformed}"))
    }
}

impl From<Refusal> for RelayError {
    fn from(refusal: Refusal) -> Self {
        Self::Ended(format!("{}: {}", refusal.condition, refusal.description))
    }
}

/// The way to one emulator.
pub(crate) struct Relay {
    url: Url,
    clock: Clock,
    upstream: tokio::sync::Mutex<Option<Upstream>>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Relay").field(&self.url.as_str()).finish()
    }
}

impl Relay {
    /// Finds the emulator, and sees whether it takes the key for these queues. They
    /// have to be in its configuration: over AMQP none can be made.
    pub(crate) async fn connect(
        url: Url,
        queues: impl Iterator<Item = &String> + Send,
        clock: Clock,
    ) -> Result<Arc<Self>, RelayError> {
        let relay = Self {
            url,
            clock,
            upstream: tokio::sync::Mutex::new(None),
        };
        for queue in queues {
            relay.wire(queue).await?;
        }
        Ok(Arc::new(relay))
    }

    /// Where the emulator is.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// A link on which messages go to the emulator.
    pub(super) async fn sender(
        &self,
        path: &str,
        name: &str,
        modes: Modes,
    ) -> Result<Session, Refusal> {
        self.patiently(async {
            let mut session = self.session(path).await?;
            session.attach_sender(name, path, modes).await?;
            Ok(session)
        })
        .await
    }

    /// A link on which messages come from it; none does before there is credit.
    pub(super) async fn receiver(
        &self,
        path: &str,
        name: &str,
        modes: Modes,
    ) -> Result<Session, Refusal> {
        self.patiently(async {
            let mut session = self.session(path).await?;
            session.attach_receiver(name, path, None, modes).await?;
            Ok(session)
        })
        .await
    }

    /// Links for requests and their answers.
    pub(super) async fn requests(&self, path: &str, name: &str) -> Result<Requests, Refusal> {
        self.patiently(async { Requests::open(self.session(path).await?, path, name).await })
            .await
    }

    async fn session(&self, path: &str) -> Result<Session, Refusal> {
        let wire = self.wire(path).await.map_err(|error| {
            tracing::warn!(%error, url = %self.url, "the emulator behind the gate cannot be used");
            gone()
        })?;
        Session::begin(wire).await
    }

    async fn patiently<T>(
        &self,
        opening: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        timeout(PATIENCE, opening).await.unwrap_or_else(|_elapsed| {
            tracing::warn!(url = %self.url, "the emulator behind the gate does not answer in time");
            Err(gone())
        })
    }

    /// The connection, with a token for `path` put on it; a new one if it broke.
    async fn wire(&self, path: &str) -> Result<Arc<Wire>, RelayError> {
        let mut upstream = self.upstream.lock().await;
        if upstream
            .as_ref()
            .is_none_or(|upstream| upstream.wire.is_over())
        {
            // The old one goes first: its place is needed.
            *upstream = None;
            *upstream = Some(self.open().await?);
        }
        let Some(upstream) = upstream.as_ref() else {
            return Err(RelayError::Silent);
        };
        let put = timeout(PATIENCE, upstream.tokens.put(&upstream.wire, path)).await;
        put.map_err(|_elapsed| RelayError::Silent)??;
        Ok(Arc::clone(&upstream.wire))
    }

    async fn open(&self) -> Result<Upstream, RelayError> {
        let host = self.url.host_str().unwrap_or_default();
        let address = (
            host.trim_matches(['[', ']']),
            self.url.port().unwrap_or(PORT),
        );
        let opening = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Wire::open(stream, host).await
        };
        let opened = timeout(PATIENCE, opening).await;
        let wire = Arc::new(opened.map_err(|_elapsed| RelayError::Silent)??);
        let tokens = Arc::new(Tokens {
            host: host.to_owned(),
            clock: self.clock.clone(),
            due: Mutex::default(),
            changed: Notify::new(),
        });
        let renewal = Arc::clone(&tokens).keep_renewing(Arc::clone(&wire));
        Ok(Upstream {
            wire,
            tokens,
            _renewal: AbortOnDropHandle::new(tokio::spawn(renewal)),
        })
    }
}

/// The connection and its tokens.
struct Upstream {
    wire: Arc<Wire>,
    tokens: Arc<Tokens>,
    _renewal: AbortOnDropHandle<()>,
}

/// The tokens that were put on the connection, by the paths that they are for.
struct Tokens {
    host: String,
    clock: Clock,
    /// When there has to be a new one.
    due: Mutex<BTreeMap<String, OffsetDateTime>>,
    changed: Notify,
}

impl Tokens {
    /// Puts a token for an entity, as the official clients do before each link
    /// (Microsoft Learn, *AMQP 1.0 in Service Bus: protocol guide*). The links to
    /// `$cbs` are opened for it and closed again, so none can go idle.
    async fn put(&self, wire: &Arc<Wire>, path: &str) -> Result<(), RelayError> {
        let now = self.clock.now();
        let audience = format!("sb://{}/{path}", self.host);
        let token = sas::token(sas::PUBLISHED_KEY, &audience, now + LIFETIME);
        let session = Session::begin(Arc::clone(wire)).await?;
        // Two may be put at once, and names of links are unique.
        let name = format!("cbs-{}", Uuid::new_v4().simple());
        let mut cbs = Requests::open(session, "$cbs", &name).await?;
        let answer = cbs
            .ask(|reply_to| put_token(&audience, token, reply_to))
            .await?;
        let answer = Plain::parse(&answer)?;
        let property = |name| codec::entry(&answer.application_properties, name);
        let status = match property("status-code") {
            Some(Value::Int(status)) => *status,
            _ => 0,
        };
        if !(200..300).contains(&status) {
            let description = property("status-description").and_then(codec::text);
            return Err(RelayError::Key {
                status,
                description: description.unwrap_or_default().to_owned(),
            });
        }
        let mut due = self.due.lock().expect("no one panicked with the tokens");
        due.insert(path.to_owned(), now + LIFETIME - AHEAD);
        self.changed.notify_one();
        Ok(())
    }

    /// Puts new tokens before the old ones end. One that is not taken is given up:
    /// the emulator then ends the links that stood on the old one.
    async fn keep_renewing(self: Arc<Self>, wire: Arc<Wire>) {
        loop {
            let next = {
                let due = self.due.lock().expect("no one panicked with the tokens");
                due.iter()
                    .min_by_key(|(_, at)| **at)
                    .map(|(path, at)| (path.clone(), *at))
            };
            let Some((path, at)) = next else {
                self.changed.notified().await;
                continue;
            };
            tokio::select! {
                () = self.changed.notified() => continue,
                () = self.clock.sleep_until(at) => {}
            }
            if wire.is_over() {
                return;
            }
            self.due
                .lock()
                .expect("no one panicked with the tokens")
                .remove(&path);
            match timeout(PATIENCE, self.put(&wire, &path)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, path, "the emulator's token is not renewed");
                }
                Err(_elapsed) => {
                    tracing::warn!(path, "the emulator's token is not renewed in time");
                }
            }
        }
    }
}

fn put_token(audience: &str, token: String, reply_to: &str) -> bytes::Bytes {
    let properties = [
        ("operation", "put-token"),
        ("type", sas::TOKEN_TYPE),
        ("name", audience),
    ]
    .map(|(name, value)| (Value::from(name), Value::from(value)));
    let properties = Map::from_iter(properties);
    request::message(
        Value::from("put"),
        reply_to,
        properties,
        Value::String(token),
    )
}

/// What ends the client's links when the emulator is gone. Azure says so when it
/// moves an entity; the official clients open the link again (*Service Bus messaging
/// exceptions*).
pub(super) fn gone() -> Refusal {
    Refusal::new(
        "amqp:link:detach-forced",
        "local cloud, not Azure: the emulator behind the gate does not answer",
    )
}
