//! A cloud with the repository's access model, and clients of its namespace
//! that speak AMQP through fe2o3-amqp, an engine of its own.

use std::{future::Future, sync::Arc, time::Duration};

use fe2o3_amqp::{
    Connection, Delivery, Receiver, Sender, Session,
    connection::ConnectionHandle,
    link::{ReceiverAttachError, SenderAttachError, receiver::CreditMode},
    sasl_profile::SaslProfile,
    session::SessionHandle,
    types::{
        definitions::{self, ErrorCondition, ReceiverSettleMode, SenderSettleMode},
        messaging::{
            AmqpValue, ApplicationProperties, Body, Message, MessageId, Outcome, Properties,
            Source, Target, annotations::AnnotationKey,
        },
        primitives::{SimpleValue, Symbol},
    },
};
use serde_amqp::{Value, described::Described, descriptor::Descriptor};
use tokio::{io::DuplexStream, task::AbortHandle};

use crate::{
    model::{Grant, Resource, Scope},
    service_bus::{Relay, ServiceBus},
    testing::Fixture,
};

pub(super) const HOST: &str = "localbus.servicebus.windows.net";
pub(super) const AUDIENCE: &str = "https://servicebus.azure.net";

/// What the access model lets a frontend send and a worker receive.
pub(super) const JOBS: &str = "attachment-jobs";
/// What a backend sends, with duplicate detection.
pub(super) const EVENTS: &str = "todo-events";

pub(super) struct Cloud {
    pub(super) fixture: Fixture,
    pub(super) bus: Arc<ServiceBus>,
}

impl Cloud {
    pub(super) fn new() -> Self {
        Self::with(Fixture::new(), None)
    }

    /// With an emulator behind the gate, if there is a way to one.
    pub(super) fn with(fixture: Fixture, relay: Option<Arc<Relay>>) -> Self {
        let Resource::ServiceBus(spec) = fixture.resource("bus") else {
            panic!("bus is a Service Bus namespace");
        };
        let bus = ServiceBus::new(
            "bus",
            HOST.to_owned(),
            spec,
            fixture.gate.clone(),
            fixture.clock.clone(),
            relay,
        );
        Self { fixture, bus }
    }

    /// A connection's client end and the wire behind it, which can be cut. Its
    /// buffers are small, so that writes have to wait for reads.
    pub(super) fn stream(&self) -> (DuplexStream, AbortHandle) {
        let (client, mut near) = tokio::io::duplex(4096);
        let (mut far, server) = tokio::io::duplex(4096);
        tokio::spawn(Arc::clone(&self.bus).serve(server));
        let wire = tokio::spawn(async move {
            tokio::io::copy_bidirectional(&mut near, &mut far)
                .await
                .expect("streams in memory do not fail");
        });
        (client, wire.abort_handle())
    }

    /// A connection without any token.
    pub(super) async fn connect(&self) -> Client {
        let (stream, wire) = self.stream();
        let opening = async {
            let mut connection = Connection::builder()
                .container_id("test")
                .hostname(HOST)
                .sasl_profile(SaslProfile::Anonymous)
                .max_frame_size(1024_u32)
                .idle_time_out(60_000_u32)
                .open_with_stream(stream)
                .await
                .unwrap();
            let mut session = Session::begin(&mut connection).await.unwrap();
            let cbs = Requests::attach(&mut session, "$cbs").await.unwrap();
            Client {
                connection,
                sessions: vec![session],
                cbs,
                wire,
            }
        };
        // fe2o3-amqp's futures are large.
        within("opening a connection", Box::pin(opening)).await
    }

    /// A connection with the identity's token for these entities.
    pub(super) async fn connect_as(&self, identity: &str, entities: &[&str]) -> Client {
        let mut client = self.connect().await;
        for entity in entities {
            assert_eq!(client.put_token(&self.token(identity), entity).await.0, 202);
        }
        client
    }

    pub(super) fn token(&self, identity: &str) -> String {
        self.fixture.token(identity, AUDIENCE)
    }

    pub(super) fn advance(&self, seconds: u64) {
        self.fixture.clock.advance(Duration::from_secs(seconds));
    }

    /// Operations in the audit, oldest first, with their decision.
    pub(super) fn audited(&self) -> Vec<String> {
        self.fixture
            .audit
            .after(0)
            .iter()
            .map(|record| {
                let who = record.identity.as_deref().unwrap_or("-");
                format!(
                    "{who} {} {} {:?}",
                    record.operation, record.scope, record.decision
                )
            })
            .collect()
    }
}

/// Every link has a session of its own: after a refused attach fe2o3-amqp 0.18.4
/// may detach the next link that gets the same handle.
pub(super) struct Client {
    connection: ConnectionHandle<()>,
    sessions: Vec<SessionHandle<()>>,
    cbs: Requests,
    wire: AbortHandle,
}

impl Client {
    /// A new session.
    pub(super) async fn session(&mut self) -> &mut SessionHandle<()> {
        let session = Session::begin(&mut self.connection).await.unwrap();
        self.sessions.push(session);
        self.sessions.last_mut().expect("one was just added")
    }

    /// Status and description of the answer.
    pub(super) async fn put_token(&mut self, token: &str, entity: &str) -> (i32, String) {
        let name = format!("sb://{HOST}/{entity}");
        self.put(token, "jwt", &name).await
    }

    pub(super) async fn put(&mut self, token: &str, kind: &str, name: &str) -> (i32, String) {
        self.ask_cbs("put-token", token, kind, name).await
    }

    pub(super) async fn ask_cbs(
        &mut self,
        operation: &str,
        token: &str,
        kind: &str,
        name: &str,
    ) -> (i32, String) {
        let properties = [("operation", operation), ("type", kind), ("name", name)];
        let answer = self.cbs.ask(&properties, Value::from(token)).await;
        (
            answer.status("status-code"),
            answer.text("status-description"),
        )
    }

    pub(super) async fn sender(&mut self, queue: &str) -> Result<Sender, SenderAttachError> {
        let name = format!("sender-{}", uuid::Uuid::new_v4());
        let attach = Sender::attach(self.session().await, name, queue);
        within("attaching a sender", attach).await
    }

    /// With `credit` granted.
    pub(super) async fn receiver(
        &mut self,
        address: &str,
        credit: u32,
    ) -> Result<Receiver, ReceiverAttachError> {
        self.receiver_with(address, credit, SenderSettleMode::Unsettled)
            .await
    }

    pub(super) async fn receiver_with(
        &mut self,
        address: &str,
        credit: u32,
        mode: SenderSettleMode,
    ) -> Result<Receiver, ReceiverAttachError> {
        let receiver = Receiver::builder()
            .name(format!("receiver-{}", uuid::Uuid::new_v4()))
            .source(address)
            .sender_settle_mode(mode)
            .receiver_settle_mode(ReceiverSettleMode::Second)
            .credit_mode(CreditMode::Manual)
            .attach(self.session().await);
        let mut receiver = within("attaching a receiver", receiver).await?;
        if credit > 0 {
            receiver.set_credit(credit).await.unwrap();
        }
        Ok(receiver)
    }

    /// Ends the connection as a killed process does, without a close.
    pub(super) fn kill(&self) {
        self.wire.abort();
    }

    pub(super) async fn management(&mut self, queue: &str) -> Requests {
        let node = format!("{queue}/$management");
        Requests::attach(self.session().await, &node).await.unwrap()
    }
}

/// A pair of links to a node that answers requests.
pub(super) struct Requests {
    sender: Sender,
    receiver: Receiver,
    reply_to: String,
}

impl Requests {
    pub(super) async fn attach(
        session: &mut SessionHandle<()>,
        node: &str,
    ) -> Result<Self, SenderAttachError> {
        let reply_to = format!("answers-{}", uuid::Uuid::new_v4());
        let sender = within(
            "attaching a request link",
            Sender::attach(session, format!("to-{reply_to}"), node),
        )
        .await?;
        let receiver = Receiver::builder()
            .name(format!("from-{reply_to}"))
            .source(node)
            .target(Target::builder().address(reply_to.as_str()).build())
            .attach(session);
        let receiver = within("attaching an answer link", receiver).await.unwrap();
        Ok(Self {
            sender,
            receiver,
            reply_to,
        })
    }

    pub(super) async fn ask(&mut self, properties: &[(&str, &str)], body: Value) -> Answer {
        let mut application_properties = ApplicationProperties::builder();
        for (name, value) in properties {
            application_properties = application_properties.insert(*name, *value);
        }
        let id = MessageId::Ulong(7);
        let request = Message::builder()
            .properties(
                Properties::builder()
                    .message_id(id.clone())
                    .reply_to(self.reply_to.as_str())
                    .build(),
            )
            .application_properties(application_properties.build())
            .body(AmqpValue(body))
            .build();
        let outcome = within("sending a request", self.sender.send(request))
            .await
            .unwrap();
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        let answer = within("an answer", self.receiver.recv::<Body<Value>>())
            .await
            .unwrap();
        let properties = answer.message().properties.as_ref().unwrap();
        assert_eq!(properties.correlation_id, Some(id));
        Answer(answer.into_message())
    }

    /// An operation of `$management`: status, condition and body.
    pub(super) async fn manage(
        &mut self,
        operation: &str,
        body: &[(&str, Value)],
    ) -> (i32, Option<String>, Value) {
        let body = body
            .iter()
            .map(|(name, value)| (Value::from(*name), value.clone()));
        let body = Value::Map(body.collect());
        let answer = self.ask(&[("operation", operation)], body).await;
        let condition = answer
            .property("errorCondition")
            .map(|condition| match condition {
                SimpleValue::Symbol(condition) => condition.as_str().to_owned(),
                other => panic!("errorCondition is {other:?}"),
            });
        let status = answer.status("statusCode");
        let body = match answer.0.body {
            Body::Value(AmqpValue(body)) => body,
            other => panic!("the body is {other:?}"),
        };
        (status, condition, body)
    }
}

pub(super) struct Answer(Message<Body<Value>>);

impl Answer {
    fn property(&self, name: &str) -> Option<&SimpleValue> {
        self.0.application_properties.as_ref()?.get(name)
    }

    fn status(&self, name: &str) -> i32 {
        match self.property(name) {
            Some(SimpleValue::Int(status)) => *status,
            other => panic!("{name} is {other:?}"),
        }
    }

    fn text(&self, name: &str) -> String {
        match self.property(name) {
            Some(SimpleValue::String(text)) => text.clone(),
            other => panic!("{name} is {other:?}"),
        }
    }
}

/// A role on a queue.
pub(super) fn grant(identity: &str, role: &str, queue: &str) -> Grant {
    Grant {
        identity: identity.to_owned(),
        role: role.to_owned(),
        scope: Scope::new(["bus", "queues", queue]),
    }
}

/// A message with an id and a text.
pub(super) fn message(id: &str, text: &str) -> Message<AmqpValue<Value>> {
    Message::builder()
        .properties(Properties::builder().message_id(id.to_owned()).build())
        .body(AmqpValue(Value::from(text)))
        .build()
}

pub(super) async fn send(sender: &mut Sender, id: &str, text: &str) {
    let outcome = within("sending", sender.send(message(id, text)))
        .await
        .unwrap();
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
}

pub(super) type Received = Delivery<Body<Value>>;

pub(super) async fn receive(receiver: &mut Receiver) -> Received {
    within("a message", receiver.recv()).await.unwrap()
}

/// The text of a received message.
pub(super) fn text(delivery: &Received) -> &str {
    match delivery.body() {
        Body::Value(AmqpValue(Value::String(text))) => text,
        other => panic!("the body is {other:?}"),
    }
}

pub(super) fn delivery_count(delivery: &Received) -> u32 {
    delivery.message().header.as_ref().unwrap().delivery_count
}

/// The lock token, out of the delivery tag.
pub(super) fn lock_token(delivery: &Received) -> uuid::Uuid {
    uuid::Uuid::from_slice_le(delivery.delivery_tag()).expect("the tag is a lock token")
}

pub(super) fn annotation(delivery: &Received, name: &str) -> Option<Value> {
    let annotations = delivery.message().message_annotations.as_ref()?;
    annotations
        .get(&Symbol::from(name) as &dyn AnnotationKey)
        .cloned()
}

pub(super) fn property(delivery: &Received, name: &str) -> Option<String> {
    let properties = delivery.message().application_properties.as_ref()?;
    match properties.get(name)? {
        SimpleValue::String(text) => Some(text.clone()),
        other => panic!("{name} is {other:?}"),
    }
}

/// Condition and description of a refused attach.
pub(super) trait Refused {
    fn refusal(self) -> (String, String);
}

impl Refused for SenderAttachError {
    fn refusal(self) -> (String, String) {
        match self {
            Self::RemoteClosedWithError(error) => parts(error),
            other => panic!("not refused by the broker: {other:?}"),
        }
    }
}

impl Refused for ReceiverAttachError {
    fn refusal(self) -> (String, String) {
        match self {
            Self::RemoteClosedWithError(error) => parts(error),
            other => panic!("not refused by the broker: {other:?}"),
        }
    }
}

pub(super) fn parts(error: definitions::Error) -> (String, String) {
    let condition = match &error.condition {
        ErrorCondition::Custom(condition) => condition.as_str().to_owned(),
        known => match serde_amqp::to_vec(known).map(|bytes| serde_amqp::from_slice(&bytes)) {
            Ok(Ok(Value::Symbol(condition))) => condition.as_str().to_owned(),
            other => panic!("the condition is {other:?}"),
        },
    };
    (condition, error.description.unwrap_or_default())
}

/// A source with one filter in it, as receivers of sessions have.
pub(super) fn session_source(queue: &str) -> Source {
    Source::builder()
        .address(queue)
        .add_to_filter(
            "com.microsoft:session-filter",
            Described {
                descriptor: Descriptor::Code(0x0000_0013_7000_000c),
                value: Value::from("s"),
            },
        )
        .build()
}

/// Ten seconds are far more than anything here takes.
pub(super) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future)
        .await
        .unwrap_or_else(|elapsed| panic!("{what}: {elapsed} after ten seconds"))
}

/// Waits until `look` finds what it wants; else panics with what it last saw.
pub(super) async fn eventually<T: std::fmt::Debug>(
    mut look: impl FnMut() -> T,
    wanted: impl Fn(&T) -> bool,
) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let seen = look();
        if wanted(&seen) {
            return seen;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "last seen: {seen:?}"
        );
        tokio::task::yield_now().await;
    }
}
