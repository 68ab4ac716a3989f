//! The emulator behind the gate: what is admitted goes there and comes back, and
//! nothing else does.

use fe2o3_amqp::{
    Sendable,
    link::RecvError,
    types::{
        definitions::{self, ErrorCondition, SenderSettleMode},
        messaging::{
            AmqpValue, Body, Data, Header, Message, Modified, Outcome, annotations::AnnotationKey,
            message::__private::Serializable,
        },
        primitives::{Binary, OrderedMap, Symbol},
    },
};
use serde_amqp::{Value, primitives::Array};

use super::{client::*, protocol, stand_in::StandIn};

use crate::{
    holds::{Matcher, State},
    testing::Fixture,
};

mod between;

/// A cloud with the stand-in behind its gate.
struct Gated {
    cloud: Cloud,
    emulator: StandIn,
}

impl Gated {
    async fn new() -> Self {
        let fixture = Fixture::new();
        let emulator = StandIn::start(&fixture).await;
        let relay = emulator.relay(&fixture).await.expect("it takes the key");
        let cloud = Cloud::with(fixture, Some(relay));
        Self { cloud, emulator }
    }

    async fn frontend(&self) -> Client {
        self.cloud.connect_as("frontend", &[JOBS]).await
    }

    async fn worker(&self) -> Client {
        self.cloud.connect_as("worker", &[JOBS]).await
    }

    /// A message has been sent through the gate, and is in the queue.
    async fn has_one(&self, text: &str) {
        let mut frontend = self.frontend().await;
        let mut sender = frontend.sender(JOBS).await.unwrap();
        send(&mut sender, "id-1", text).await;
    }
}

#[tokio::test]
async fn a_message_goes_through_the_gate_to_the_emulator_and_back() {
    let gated = Gated::new().await;
    let mut sender_side = gated.frontend().await;
    let mut sender = sender_side.sender(JOBS).await.unwrap();

    send(&mut sender, "id-1", "hello").await;
    assert_eq!(gated.emulator.counts(JOBS), (1, 0), "the emulator has it");

    let mut worker = gated.worker().await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();
    let delivery = receive(&mut receiver).await;
    assert_eq!(text(&delivery), "hello");
    assert_eq!(delivery_count(&delivery), 0);
    let sequence_number = annotation(&delivery, "x-opt-sequence-number");
    assert_eq!(sequence_number, Some(Value::Long(1)));
    let token = Value::Uuid(lock_token(&delivery).into_bytes().into());
    let annotations = delivery.message().delivery_annotations.as_ref().unwrap();
    let annotated = annotations.get(&Symbol::from("x-opt-lock-token") as &dyn AnnotationKey);
    assert_eq!(annotated, Some(&token), "tag and annotation are one token");
    receiver.accept(&delivery).await.unwrap();
    eventually(|| gated.emulator.counts(JOBS), |counts| *counts == (0, 0)).await;

    let audited = gated.cloud.audited();
    let passed = [
        "frontend AttachSender bus/queues/attachment-jobs Allowed",
        "frontend Send bus/queues/attachment-jobs Allowed",
        "worker AttachReceiver bus/queues/attachment-jobs Allowed",
        "worker Receive bus/queues/attachment-jobs Allowed",
        "worker Complete bus/queues/attachment-jobs Allowed",
    ];
    assert!(audited.ends_with(&passed.map(str::to_owned)), "{audited:?}");
    assert_eq!(gated.emulator.connections(), 1, "all links share one");
}

#[tokio::test]
async fn a_batch_and_a_message_of_many_frames_go_through_whole() {
    let gated = Gated::new().await;
    let mut frontend = gated.frontend().await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    let whole = |id| serde_amqp::to_vec(&Serializable(message(id, id))).unwrap();
    let data = |id| Data(Binary::from(whole(id)));
    let batch = Sendable::builder()
        .message_format(0x8001_3700)
        .message(
            Message::builder()
                .data_batch(vec![data("one"), data("two")])
                .build(),
        )
        .build();
    within("sending", sender.send(batch)).await.unwrap();
    assert_eq!(gated.emulator.counts(JOBS), (2, 0));
    let long = "x".repeat(200_000);
    send(&mut sender, "long", &long).await;

    let mut worker = gated.worker().await;
    let mut receiver = worker.receiver(JOBS, 3).await.unwrap();
    for expected in ["one", "two", &long] {
        assert_eq!(text(&receive(&mut receiver).await), expected);
    }
}

#[tokio::test]
async fn an_abandoned_message_comes_back_from_the_emulator_with_a_higher_count() {
    let gated = Gated::new().await;
    gated.has_one("x").await;
    let mut worker = gated.worker().await;
    let mut receiver = worker.receiver(JOBS, 3).await.unwrap();

    let first = receive(&mut receiver).await;
    let changes = OrderedMap::from_iter([(Symbol::from("tried"), Value::from("once"))]);
    let modified = Modified {
        delivery_failed: Some(true),
        undeliverable_here: None,
        message_annotations: Some(changes),
    };
    receiver.modify(&first, modified).await.unwrap();
    let second = receive(&mut receiver).await;
    assert_eq!(delivery_count(&second), 1);
    assert_eq!(property(&second, "tried").as_deref(), Some("once"));

    receiver.release(&second).await.unwrap();
    let third = receive(&mut receiver).await;
    assert_eq!(delivery_count(&third), 1, "what is released has not failed");
}

#[tokio::test]
async fn a_dead_lettered_message_is_found_in_the_emulators_dead_letter_queue() {
    let gated = Gated::new().await;
    gated.has_one("poison").await;
    let mut worker = gated.worker().await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();

    let delivery = receive(&mut receiver).await;
    let info = OrderedMap::from_iter([(
        Symbol::from("DeadLetterReason"),
        Value::from("cannot be read"),
    )]);
    let condition = ErrorCondition::Custom(Symbol::from("com.microsoft:dead-letter"));
    let error = definitions::Error::new(condition, None, Some(info));
    receiver.reject(&delivery, Some(error)).await.unwrap();

    let address = format!("{JOBS}/$deadletterqueue");
    let mut dead = worker.receiver(&address, 1).await.unwrap();
    let delivery = receive(&mut dead).await;
    assert_eq!(text(&delivery), "poison");
    let reason = property(&delivery, "DeadLetterReason");
    assert_eq!(reason.as_deref(), Some("cannot be read"));
}

#[tokio::test]
async fn a_message_is_received_and_deleted_in_the_emulator() {
    let gated = Gated::new().await;
    gated.has_one("x").await;
    let mut worker = gated.worker().await;

    let mode = SenderSettleMode::Settled;
    let mut receiver = worker.receiver_with(JOBS, 1, mode).await.unwrap();
    assert_eq!(text(&receive(&mut receiver).await), "x");
    assert_eq!(gated.emulator.counts(JOBS), (0, 0));
}

fn tokens(delivery: &Received) -> (&'static str, Value) {
    let token = Value::Uuid(lock_token(delivery).into_bytes().into());
    ("lock-tokens", Value::Array(Array::from(vec![token])))
}

#[tokio::test]
async fn a_lock_is_renewed_and_a_message_completed_through_the_emulators_management() {
    let gated = Gated::new().await;
    gated.has_one("x").await;
    let mut worker = gated.worker().await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();
    let delivery = receive(&mut receiver).await;
    let mut management = worker.management(JOBS).await;

    for _ in 0..2 {
        gated.cloud.advance(20);
        let arguments = [tokens(&delivery)];
        let renewed = management.manage("com.microsoft:renew-lock", &arguments);
        let (status, condition, body) = renewed.await;
        assert_eq!((status, condition), (200, None));
        assert!(matches!(body, Value::Map(body) if body.len() == 1));
    }
    let peek = [
        ("from-sequence-number", Value::Long(0)),
        ("message-count", Value::Int(1)),
    ];
    let peeked = management.manage("com.microsoft:peek-message", &peek).await;
    assert_eq!(peeked.0, 200);
    let completed = [
        ("disposition-status", Value::from("completed")),
        tokens(&delivery),
    ];
    let operation = "com.microsoft:update-disposition";
    assert_eq!(management.manage(operation, &completed).await.0, 200);
    assert_eq!(gated.emulator.counts(JOBS), (0, 0));

    let audited = gated.cloud.audited();
    let passed = ["RenewLock", "RenewLock", "Peek", "Complete"]
        .map(|name| format!("worker {name} bus/queues/attachment-jobs Allowed"));
    assert!(audited.ends_with(&passed), "{audited:?}");
}

#[tokio::test]
async fn an_operation_that_is_not_played_is_refused_and_not_passed_on() {
    let gated = Gated::new().await;
    let mut worker = gated.worker().await;
    let mut management = worker.management(JOBS).await;
    let requests = || gated.emulator.times_heard("schedule-message");

    let operation = "com.microsoft:schedule-message";
    let (status, condition, _) = management.manage(operation, &[]).await;

    assert_eq!(status, 501);
    assert_eq!(condition.as_deref(), Some("amqp:not-implemented"));
    assert_eq!(requests(), 0);
}

#[tokio::test]
async fn a_message_that_is_not_played_is_refused_and_not_passed_on() {
    let gated = Gated::new().await;
    let mut frontend = gated.frontend().await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    let header = Header {
        ttl: Some(5),
        ..Header::default()
    };
    let message = Message::builder()
        .header(header)
        .body(AmqpValue(Value::from("for a moment")))
        .build();

    let outcome = within("sending", sender.send(message)).await.unwrap();

    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    assert_eq!(gated.emulator.times_heard("for a moment"), 0);
}

/// A client's own names are unique on its own connection alone.
#[tokio::test]
async fn links_of_one_name_do_not_meet_on_the_connection_that_they_share() {
    let gated = Gated::new().await;
    let (mut one, mut other) = (gated.worker().await, gated.worker().await);
    let mut open = Vec::new();
    for client in [&mut one, &mut other] {
        let attach = fe2o3_amqp::Receiver::attach(client.session().await, "my-link", JOBS);
        open.push(within("attaching", attach).await.unwrap());
    }
    let names = gated.emulator.names_heard("-my-link");
    let [first, second] = &names[..] else {
        panic!("two links, not {names:?}");
    };
    assert_ne!(first, second);

    let mut management = other.management(JOBS).await;
    let peek = [
        ("operation", "com.microsoft:peek-message"),
        ("associated-link-name", "my-link"),
    ];
    management.ask(&peek, peek_one()).await;
    let after = gated.emulator.names_heard("-my-link");
    let after: Vec<_> = after.iter().collect();
    assert_eq!(after, [first, second, second], "named as it was attached");
}

fn peek_one() -> Value {
    let arguments = [
        ("from-sequence-number", Value::Long(0)),
        ("message-count", Value::Int(1)),
    ];
    Value::Map(
        arguments
            .map(|(name, value)| (Value::from(name), value))
            .into_iter()
            .collect(),
    )
}

#[tokio::test]
async fn a_lost_lock_is_the_emulators_own_error() {
    let gated = Gated::new().await;
    gated.has_one("x").await;
    let mut worker = gated.worker().await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();
    let delivery = receive(&mut receiver).await;
    let mut management = worker.management(JOBS).await;

    gated.cloud.advance(30);

    let arguments = [tokens(&delivery)];
    let renewal = management.manage("com.microsoft:renew-lock", &arguments);
    let (status, condition, _) = renewal.await;
    assert_eq!(status, 410);
    assert_eq!(
        condition.as_deref(),
        Some("com.microsoft:message-lock-lost")
    );
}

#[tokio::test]
async fn a_decision_is_answered_by_the_emulator() {
    let gated = Gated::new().await;

    protocol::one_is_completed_and_one_is_lost(&gated.cloud).await;

    let completed = |cloud: &Cloud| {
        let audited = cloud.audited();
        audited
            .iter()
            .filter(|line| line.contains(" Complete "))
            .count()
    };
    assert_eq!(completed(&gated.cloud), 2);
    assert_eq!(completed(&gated.emulator.cloud), 2);
}

#[tokio::test]
async fn without_credit_nothing_is_taken_from_the_emulator() {
    let gated = Gated::new().await;
    let mut frontend = gated.frontend().await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "one").await;
    send(&mut sender, "id-2", "two").await;
    let mut worker = gated.worker().await;

    let mut receiver = worker.receiver(JOBS, 0).await.unwrap();
    // A request there and back on the same connection: what there was to come has.
    let peek = [
        ("from-sequence-number", Value::Long(0)),
        ("message-count", Value::Int(1)),
    ];
    let mut management = worker.management(JOBS).await;
    management.manage("com.microsoft:peek-message", &peek).await;
    assert_eq!(gated.emulator.counts(JOBS), (2, 0));

    receiver.set_credit(1).await.unwrap();
    assert_eq!(text(&receive(&mut receiver).await), "one");
    management.manage("com.microsoft:peek-message", &peek).await;
    assert_eq!(gated.emulator.counts(JOBS), (1, 1), "one was asked for");
}

#[tokio::test]
async fn a_drain_is_answered_by_the_emulator() {
    let gated = Gated::new().await;

    protocol::a_drain_is_answered(&gated.cloud).await;

    assert_eq!(gated.emulator.counts(JOBS), (0, 1));
    let mut frontend = gated.frontend().await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-2", "after").await;
    assert_eq!(gated.emulator.counts(JOBS), (1, 1), "nobody asks for it");
}

#[tokio::test]
async fn what_a_client_did_not_get_is_given_back_and_what_it_got_keeps_its_lock() {
    let gated = Gated::new().await;
    let mut frontend = gated.frontend().await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "first").await;
    let mut worker = gated.worker().await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();
    assert_eq!(text(&receive(&mut receiver).await), "first");
    // The next one is held on its way to the client, which goes.
    let hold = gated.cloud.fixture.holds.arm(Matcher {
        operation: Some("Receive".to_owned()),
        ..Matcher::default()
    });
    receiver.set_credit(1).await.unwrap();
    send(&mut sender, "id-2", "second").await;
    eventually(
        || gated.cloud.fixture.holds.state(hold),
        |state| *state == Some(State::Holding),
    )
    .await;
    assert_eq!(gated.emulator.counts(JOBS), (0, 2));
    worker.kill();

    eventually(|| gated.emulator.counts(JOBS), |counts| *counts == (1, 1)).await;
    let mut other = gated.worker().await;
    let mut receiver = other.receiver(JOBS, 1).await.unwrap();
    let delivery = receive(&mut receiver).await;
    assert_eq!((text(&delivery), delivery_count(&delivery)), ("second", 0));
}
