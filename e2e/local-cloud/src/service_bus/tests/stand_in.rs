//! Our own plane in the emulator's place, as far as its documentation tells: TCP
//! without TLS, and a `$cbs` that takes tokens of one key and of nobody else.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use serde_amqp::Value;
use time::OffsetDateTime;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy, duplex},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

use super::client::*;
use crate::{
    behind::{self, BehindError},
    gate::{Audience, Caller},
    service_bus::{Relay, ServiceBus, address, request::Request},
    testing::Fixture,
};

/// Who bears the key may do everything, as with the emulator's own.
pub(in crate::service_bus) struct Keyholder {
    key: &'static str,
    /// Of a cloud in which one identity has every role.
    root: Fixture,
}

const ROOT: &str = "backend";

impl Keyholder {
    pub(in crate::service_bus) fn put_token(
        &self,
        bus: &ServiceBus,
        request: &Request,
    ) -> Result<(String, Caller), (i32, String)> {
        let refused = |why: &str| (401, format!("InvalidSignature: {why}"));
        if request.text("type") != Some("servicebus.windows.net:sastoken") {
            return Err(refused("it is no SAS token"));
        }
        let Value::String(token) = &request.body else {
            return Err(refused("it is no text"));
        };
        let (host, path) = request
            .text("name")
            .and_then(address::audience)
            .ok_or_else(|| refused("it is for nothing"))?;
        let ends = self.check(token, &format!("sb://{host}/{path}"))?;
        if ends <= bus.clock.now() {
            return Err(refused("it has ended"));
        }
        let audience = Audience::service_bus(HOST);
        let token = self.root.token(ROOT, AUDIENCE);
        let caller = self.root.gate.authenticate(Some(&token), &audience);
        let mut caller = caller.expect("the identity is there");
        caller.expires_at = ends;
        Ok((path, caller))
    }

    /// When a token ends that is for this resource and signed with the key.
    fn check(&self, token: &str, resource: &str) -> Result<OffsetDateTime, (i32, String)> {
        let refused = |why: &str| (401, format!("InvalidSignature: {why}"));
        let fields = token
            .strip_prefix("SharedAccessSignature ")
            .ok_or_else(|| refused("it is no signature"))?;
        let field = |name: &str| {
            let mut fields = fields.split('&').filter_map(|field| field.split_once('='));
            let found = fields.find(|(found, _)| *found == name);
            found.map_or("", |(_, value)| value)
        };
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        if field("skn") != "RootManageSharedAccessKey"
            || !decoded(field("sr")).eq_ignore_ascii_case(resource)
        {
            return Err(refused("it is of another key, or for something else"));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.as_bytes());
        let signed = format!("{}\n{}", field("sr"), field("se"));
        let signature = STANDARD.decode(decoded(field("sig"))).unwrap_or_default();
        hmac::verify(&key, signed.as_bytes(), &signature)
            .map_err(|_| refused("The token has an invalid signature."))?;
        let ends = field("se").parse().expect("a signed end is a number");
        Ok(OffsetDateTime::from_unix_timestamp(ends).expect("it is a time"))
    }
}

/// A running stand-in.
pub(super) struct StandIn {
    /// With the audit and the queues of what is in the emulator's place.
    pub(super) cloud: Cloud,
    pub(super) url: String,
    heard: Arc<Mutex<Vec<u8>>>,
    connections: Arc<Mutex<JoinSet<()>>>,
    serving: AbortOnDropHandle<()>,
}

impl StandIn {
    /// In the time of `fixture`, with the key that is published.
    pub(super) async fn start(fixture: &Fixture) -> Self {
        Self::with_key(fixture, "SAS_KEY_VALUE", "127.0.0.1:0").await
    }

    pub(super) async fn with_key(fixture: &Fixture, key: &'static str, address: &str) -> Self {
        let (beside, root) = (fixture.beside(), fixture.beside());
        for queue in [JOBS, EVENTS] {
            for role in ["Sender", "Receiver"] {
                let role = format!("Azure Service Bus Data {role}");
                let grant = grant(ROOT, &role, queue);
                beside.gate.grant(grant).expect("identity and role exist");
            }
        }
        let mut cloud = Cloud::with(beside, None);
        Arc::get_mut(&mut cloud.bus).expect("it is new").stand_in = Some(Keyholder { key, root });
        let listener = TcpListener::bind(address).await.expect("a port");
        let url = format!("amqp://{}", listener.local_addr().expect("bound"));
        let (heard, connections) = <(Arc<Mutex<Vec<u8>>>, Arc<Mutex<JoinSet<()>>>)>::default();
        let serving = serve(
            listener,
            Arc::clone(&cloud.bus),
            Arc::clone(&heard),
            Arc::clone(&connections),
        );
        Self {
            cloud,
            url,
            heard,
            connections,
            serving: AbortOnDropHandle::new(tokio::spawn(serving)),
        }
    }

    /// The way to it, as the cloud finds it at its start.
    pub(super) async fn relay(&self, fixture: &Fixture) -> Result<Arc<Relay>, BehindError> {
        let behind = format!("bus={}", self.url).parse();
        let behind = vec![behind.expect("a resource and a URL")];
        let emulators = behind::connect(&fixture.model, behind, &fixture.clock).await;
        emulators.map(|mut emulators| emulators.buses.remove("bus").expect("it was asked for"))
    }

    /// How often this has come over its connections, in all its life.
    pub(super) fn times_heard(&self, text: &str) -> usize {
        let heard = self.heard.lock().expect("no one panicked");
        let parts = heard.windows(text.len());
        parts.filter(|part| *part == text.as_bytes()).count()
    }

    /// The 32 characters that were before each of these.
    pub(super) fn names_heard(&self, ending: &str) -> Vec<String> {
        let heard = self.heard.lock().expect("no one panicked");
        let named = heard.windows(32 + ending.len()).filter_map(|part| {
            let name = part.strip_suffix(ending.as_bytes())?;
            Some(String::from_utf8_lossy(name).into_owned())
        });
        named.collect()
    }

    /// How many connections there were.
    pub(super) fn connections(&self) -> usize {
        self.connections.lock().expect("no one panicked").len()
    }

    /// Breaks every connection; new ones are accepted.
    pub(super) fn cut(&self) {
        self.connections
            .lock()
            .expect("no one panicked")
            .abort_all();
    }

    /// Ends it for good.
    pub(super) fn end(&self) {
        self.serving.abort();
        self.cut();
    }

    pub(super) fn counts(&self, queue: &str) -> (i64, i64) {
        let queue = &self.cloud.bus.digest()["queues"][queue]["queue"];
        let number = |name: &str| queue[name].as_i64().expect("it is a number");
        (number("available"), number("locked"))
    }
}

async fn serve(
    listener: TcpListener,
    bus: Arc<ServiceBus>,
    heard: Arc<Mutex<Vec<u8>>>,
    connections: Arc<Mutex<JoinSet<()>>>,
) {
    loop {
        let (stream, _) = listener.accept().await.expect("it accepts");
        let one = connection(stream, Arc::clone(&bus), Arc::clone(&heard));
        connections.lock().expect("no one panicked").spawn(one);
    }
}

/// Serves a connection and keeps what is said on it.
async fn connection(stream: TcpStream, bus: Arc<ServiceBus>, heard: Arc<Mutex<Vec<u8>>>) {
    let (near, far) = duplex(4096);
    let (mut from_client, mut to_client) = stream.into_split();
    let (mut from_bus, mut to_bus) = tokio::io::split(near);
    let listening = async {
        let mut buffer = [0; 4096];
        while let Ok(bytes @ 1..) = from_client.read(&mut buffer).await {
            let part = buffer.get(..bytes).expect("no more is read than fits");
            heard
                .lock()
                .expect("no one panicked")
                .extend_from_slice(part);
            to_bus.write_all(part).await.expect("it is in memory");
        }
    };
    tokio::select! {
        () = listening => {}
        _ = copy(&mut from_bus, &mut to_client) => {}
        () = bus.serve(far) => {}
    }
}

/// For the access matrix and the scenarios, which run processes:
/// `E2E_BEHIND=bus=amqp://127.0.0.1:5672 cargo test --workspace --test matrix`.
#[tokio::test]
#[ignore = "serves at port 5672 until it is stopped"]
async fn the_stand_in_as_a_process() {
    let address = "127.0.0.1:5672";
    let _serving = StandIn::with_key(&Fixture::new(), "SAS_KEY_VALUE", address).await;
    std::future::pending::<()>().await;
}
