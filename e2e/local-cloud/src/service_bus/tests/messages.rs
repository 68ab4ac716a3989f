//! Sending, receiving and deciding about messages.

use fe2o3_amqp::{
    Sendable,
    types::{
        definitions::{self, SenderSettleMode},
        messaging::{
            AmqpValue, Body, Data, Message, Modified, Outcome, annotations::AnnotationKey,
            message::__private::Serializable,
        },
        primitives::{Binary, OrderedMap, Symbol},
    },
};
use serde_amqp::Value;

use super::client::*;

#[tokio::test]
async fn a_message_is_received_as_it_was_sent_and_completed() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let empty = cloud.bus.digest();
    let mut sender = frontend.sender(JOBS).await.unwrap();
    let mut receiver = worker.receiver(JOBS, 10).await.unwrap();

    send(&mut sender, "id-1", "hello").await;
    let delivery = receive(&mut receiver).await;

    assert_eq!(text(&delivery), "hello");
    assert_eq!(delivery_count(&delivery), 0);
    let properties = delivery.message().properties.as_ref().unwrap();
    assert_eq!(properties.message_id, Some("id-1".to_owned().into()));
    assert_eq!(
        annotation(&delivery, "x-opt-sequence-number"),
        Some(Value::Long(1))
    );
    for name in ["x-opt-enqueued-time", "x-opt-locked-until"] {
        let annotation = annotation(&delivery, name);
        assert!(
            matches!(annotation, Some(Value::Timestamp(_))),
            "{name}: {annotation:?}"
        );
    }
    let token = Value::Uuid(lock_token(&delivery).into_bytes().into());
    let annotations = delivery.message().delivery_annotations.as_ref().unwrap();
    assert_eq!(
        annotations.get(&Symbol::from("x-opt-lock-token") as &dyn AnnotationKey),
        Some(&token)
    );

    receiver.accept(&delivery).await.unwrap();
    eventually(
        || cloud.bus.digest(),
        |now| now["queues"][JOBS]["queue"] == empty["queues"][JOBS]["queue"],
    )
    .await;
    assert_eq!(
        cloud.audited(),
        [
            "frontend AttachSender bus/queues/attachment-jobs Allowed",
            "worker AttachReceiver bus/queues/attachment-jobs Allowed",
            "frontend Send bus/queues/attachment-jobs Allowed",
            "worker Receive bus/queues/attachment-jobs Allowed",
            "worker Complete bus/queues/attachment-jobs Allowed",
        ]
    );
}

#[tokio::test]
async fn messages_come_in_the_order_in_which_they_were_sent() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    let sent: Vec<_> = (0..1500).map(|number| number.to_string()).collect();

    for text in &sent {
        send(&mut sender, text, text).await;
    }
    let mut receiver = worker.receiver(JOBS, 1500).await.unwrap();
    let mut texts = Vec::new();
    while texts.len() < sent.len() {
        let delivery = receive(&mut receiver).await;
        texts.push(text(&delivery).to_owned());
        receiver.accept(&delivery).await.unwrap();
    }

    assert_eq!(texts, sent);
}

#[tokio::test]
async fn a_message_larger_than_a_frame_crosses_both_ways() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let long = "x".repeat(200_000);

    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", &long).await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();

    assert_eq!(text(&receive(&mut receiver).await), long);
}

#[tokio::test]
async fn a_message_without_an_id_gets_one() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();

    within("sending", sender.send(AmqpValue(Value::from("x"))))
        .await
        .unwrap();
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();
    let delivery = receive(&mut receiver).await;

    assert!(
        delivery
            .message()
            .properties
            .as_ref()
            .unwrap()
            .message_id
            .is_some()
    );
}

#[tokio::test]
async fn a_batch_is_received_message_by_message() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    let encoded = |text: &str| {
        let message = Serializable(message(text, text));
        let bytes = serde_amqp::to_vec(&message).unwrap();
        Data(Binary::from(bytes))
    };

    let batch = Sendable::builder()
        .message(
            Message::builder()
                .data_batch(vec![encoded("one"), encoded("two")])
                .build(),
        )
        .message_format(0x8001_3700)
        .build();
    let outcome = within("sending a batch", sender.send(batch)).await.unwrap();
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");

    let mut receiver = worker.receiver(JOBS, 2).await.unwrap();
    assert_eq!(text(&receive(&mut receiver).await), "one");
    assert_eq!(text(&receive(&mut receiver).await), "two");
}

#[tokio::test]
async fn an_abandoned_message_comes_back_with_a_higher_delivery_count() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;
    let mut receiver = worker.receiver(JOBS, 10).await.unwrap();

    let first = receive(&mut receiver).await;
    let mut changes = OrderedMap::new();
    changes.insert(Symbol::from("tried"), Value::from("once"));
    let modified = Modified {
        delivery_failed: Some(true),
        undeliverable_here: None,
        message_annotations: Some(changes),
    };
    receiver.modify(&first, modified).await.unwrap();
    let second = receive(&mut receiver).await;

    assert_eq!(delivery_count(&second), 1);
    assert_eq!(property(&second, "tried").as_deref(), Some("once"));
    assert_ne!(lock_token(&first), lock_token(&second));
    assert_eq!(
        annotation(&second, "x-opt-sequence-number"),
        Some(Value::Long(1))
    );
}

#[tokio::test]
async fn a_dead_lettered_message_is_found_with_its_reason() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "poison").await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();

    let delivery = receive(&mut receiver).await;
    let mut info = OrderedMap::new();
    info.insert(
        Symbol::from("DeadLetterReason"),
        Value::from("cannot be read"),
    );
    info.insert(
        Symbol::from("DeadLetterErrorDescription"),
        Value::from("no such blob"),
    );
    let condition = Symbol::from("com.microsoft:dead-letter");
    let error = definitions::Error::new(
        definitions::ErrorCondition::Custom(condition),
        None,
        Some(info),
    );
    receiver.reject(&delivery, Some(error)).await.unwrap();

    let address = format!("{JOBS}/$deadletterqueue");
    let mut dead = worker.receiver(&address, 1).await.unwrap();
    let delivery = receive(&mut dead).await;
    assert_eq!(text(&delivery), "poison");
    assert_eq!(
        property(&delivery, "DeadLetterReason").as_deref(),
        Some("cannot be read")
    );
    assert_eq!(
        property(&delivery, "DeadLetterErrorDescription").as_deref(),
        Some("no such blob")
    );
    assert_eq!(
        annotation(&delivery, "x-opt-deadletter-source"),
        Some(Value::from(JOBS))
    );
    dead.accept(&delivery).await.unwrap();
    eventually(
        || cloud.bus.digest()["queues"][JOBS]["deadLetterQueue"]["messages"].clone(),
        |messages| messages.as_array().is_some_and(Vec::is_empty),
    )
    .await;
}

#[tokio::test]
async fn a_received_and_deleted_message_is_gone_at_once() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let empty = cloud.bus.digest()["queues"][JOBS]["queue"].clone();
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;

    let mut receiver = worker
        .receiver_with(JOBS, 1, SenderSettleMode::Settled)
        .await
        .unwrap();
    let delivery = receive(&mut receiver).await;

    assert_eq!(text(&delivery), "x");
    assert_eq!(annotation(&delivery, "x-opt-locked-until"), None);
    assert_eq!(cloud.bus.digest()["queues"][JOBS]["queue"], empty);
}

#[tokio::test]
async fn a_duplicate_is_accepted_and_dropped_within_the_window() {
    let cloud = Cloud::new();
    let mut backend = cloud.connect_as("backend", &[EVENTS]).await;
    let mut sender = backend.sender(EVENTS).await.unwrap();
    let available = || cloud.bus.digest()["queues"][EVENTS]["queue"]["available"].clone();

    send(&mut sender, "event-1", "first").await;
    send(&mut sender, "event-1", "again").await;
    assert_eq!(available(), 1);
    cloud.advance(10 * 60);
    send(&mut sender, "event-1", "much later").await;
    assert_eq!(available(), 2);
}

#[tokio::test]
async fn draining_ends_the_credit_without_a_message() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut receiver = worker.receiver(JOBS, 10).await.unwrap();

    within("draining", receiver.drain()).await.unwrap();
    // The drained credit is gone: what comes now stays in the queue.
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;
    let queue = &cloud.bus.digest()["queues"][JOBS]["queue"];
    assert_eq!(
        (&queue["available"], &queue["locked"]),
        (&1.into(), &0.into())
    );

    receiver.set_credit(1).await.unwrap();
    assert_eq!(text(&receive(&mut receiver).await), "x");
}

#[tokio::test]
async fn what_is_not_played_is_refused_by_name() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    let header = fe2o3_amqp::types::messaging::Header {
        ttl: Some(5),
        ..Default::default()
    };

    let message = Message::builder()
        .header(header)
        .body(AmqpValue(Value::Null))
        .build();
    let outcome = within("sending", sender.send(message)).await.unwrap();

    let Outcome::Rejected(rejected) = outcome else {
        panic!("not rejected: {outcome:?}");
    };
    assert_eq!(
        parts(rejected.error.unwrap()),
        (
            "amqp:not-implemented".to_owned(),
            "local cloud, not Azure: a message's time to live is not implemented".to_owned()
        )
    );
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let refused = fe2o3_amqp::Receiver::builder()
        .name("session")
        .source(session_source(JOBS))
        .attach(worker.session().await);
    let refusal = within("attaching", refused).await.unwrap_err().refusal();
    assert_eq!(refusal.0, "amqp:not-implemented");
}

#[tokio::test]
async fn a_body_of_any_kind_is_kept() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    let data = || Data(Binary::from(vec![1, 2, 3]));

    let message = Message::builder().data_batch(vec![data(), data()]).build();
    within("sending", sender.send(message)).await.unwrap();
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();

    let delivery = receive(&mut receiver).await;
    let Body::Data(sections) = delivery.body() else {
        panic!("the body is {:?}", delivery.body());
    };
    assert_eq!(sections.iter().collect::<Vec<_>>(), [&data(), &data()]);
}
