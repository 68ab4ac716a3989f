//! The workload's Service Bus client, on the AMQP engine fe2o3-amqp: sending,
//! peek-lock, settlement, dead letters, locks, duplicates.

use std::time::Duration;

use libtest_mimic::Trial;
use service_bus::{
    Direction, ServiceBusClient, ServiceBusClientOptions, ServiceBusError, ServiceBusErrorKind,
    ServiceBusMessage, ServiceBusReceivedMessage, ServiceBusReceiver, ServiceBusReceiverOptions,
    SubQueue,
};

use crate::world::{BUS, set, trials, world};

/// Far more than a message that is there takes.
const SOON: Duration = Duration::from_secs(5);

/// More than a message that is there takes, and short when none is.
const BRIEFLY: Duration = Duration::from_millis(150);

/// Held while the cloud's clock matters to a trial, by those that move it or
/// would be disturbed: elsewhere locks last for five minutes.
static CLOCK: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_message_keeps_its_body_and_properties,
        messages_come_in_the_order_of_their_sending,
        a_locked_message_is_not_given_to_another,
        a_receiver_that_waits_gets_what_comes,
        an_abandoned_message_comes_again_and_counts,
        a_dead_lettered_message_keeps_its_reason,
        a_message_that_fails_too_often_is_dead_lettered,
        a_duplicate_within_the_window_is_dropped,
        a_lock_that_expires_is_lost,
        a_renewed_lock_lasts,
        several_messages_come_at_once_and_no_more_than_asked_for,
        what_was_handed_over_and_not_taken_is_given_back,
        peeking_shows_dead_letters_and_leaves_them,
        a_sender_can_be_opened_without_sending,
        a_message_that_is_too_large_is_refused,
        a_missing_queue_is_told,
        a_probe_takes_nothing,
    ]
}

pub(crate) fn client() -> ServiceBusClient {
    let options = ServiceBusClientOptions {
        custom_endpoint_address: Some(world().bus_endpoint.clone()),
        ..ServiceBusClientOptions::default()
    };
    ServiceBusClient::new(BUS, world().credential(), options).expect("a client")
}

fn receiver(client: &ServiceBusClient, queue: &str) -> ServiceBusReceiver {
    client.create_receiver(queue, ServiceBusReceiverOptions::default())
}

fn dead_letters(client: &ServiceBusClient, queue: &str) -> ServiceBusReceiver {
    let options = ServiceBusReceiverOptions {
        sub_queue: SubQueue::DeadLetter,
    };
    client.create_receiver(queue, options)
}

async fn send(client: &ServiceBusClient, queue: &str, ids: &[&str]) {
    let sender = client.create_sender(queue);
    for id in ids {
        let message = ServiceBusMessage::new(*id, *id);
        sender.send_message(&message).await.expect("sent");
    }
    sender.close().await;
}

async fn receive(receiver: &ServiceBusReceiver) -> ServiceBusReceivedMessage {
    let message = receiver.receive_message(SOON).await.expect("received");
    message.expect("a message is there")
}

async fn is_empty(receiver: &ServiceBusReceiver) -> bool {
    let message = receiver.receive_message(BRIEFLY).await;
    message.expect("received").is_none()
}

async fn advance(seconds: u64) {
    let moved = world().control.advance(Duration::from_secs(seconds)).await;
    moved.expect("the clock moves");
}

fn is_lock_lost(outcome: Result<(), ServiceBusError>) -> bool {
    let error = outcome.expect_err("the lock is lost");
    matches!(error.kind(), ServiceBusErrorKind::MessageLockLost { .. })
}

async fn a_message_keeps_its_body_and_properties() {
    let client = client();
    let mut sent = ServiceBusMessage::new("event-1", "{\"käse\":1}");
    sent.content_type = Some("application/json".to_owned());
    sent.correlation_id = Some("request-7".to_owned());
    let own = ("type".to_owned(), "todo.added".to_owned());
    sent.application_properties.insert(own.0, own.1);

    let sender = client.create_sender("plain");
    sender.send_message(&sent).await.expect("sent");
    let receiver = receiver(&client, "plain");
    let message = receive(&receiver).await;

    assert_eq!(message.body(), "{\"käse\":1}".as_bytes());
    assert_eq!(message.message_id(), Some("event-1"));
    assert_eq!(message.content_type(), Some("application/json"));
    assert_eq!(message.correlation_id(), Some("request-7"));
    assert_eq!(message.application_properties()["type"], "todo.added");
    assert_eq!(message.delivery_count(), 0);
    assert_eq!(message.sequence_number(), 1);
    let locked_for = message.locked_until() - message.enqueued_time();
    assert!(
        (300..310).contains(&locked_for.whole_seconds()),
        "{locked_for}"
    );
    receiver
        .complete_message(&message)
        .await
        .expect("completed");
    assert!(is_lock_lost(receiver.complete_message(&message).await));
    assert!(is_empty(&receiver).await);
}

async fn messages_come_in_the_order_of_their_sending() {
    let client = client();
    let ids: Vec<String> = (0..20).map(|number| format!("{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    send(&client, "ordered", &ids).await;

    let receiver = receiver(&client, "ordered");
    for id in ids {
        let message = receive(&receiver).await;
        assert_eq!(message.message_id(), Some(id));
        receiver
            .complete_message(&message)
            .await
            .expect("completed");
    }
    assert!(is_empty(&receiver).await);
}

async fn a_locked_message_is_not_given_to_another() {
    let (one, other) = (client(), client());
    send(&one, "shared", &["a", "b"]).await;
    let (one, other) = (receiver(&one, "shared"), receiver(&other, "shared"));

    let first = receive(&one).await;
    let second = receive(&other).await;

    let seen = [&first, &second].map(|message| message.message_id().expect("an id"));
    assert_eq!(set(seen), set(["a", "b"]));
    assert!(is_empty(&other).await, "both are locked");
    one.complete_message(&first).await.expect("completed");
    other.complete_message(&second).await.expect("completed");
}

async fn a_receiver_that_waits_gets_what_comes() {
    let client = client();
    let receiver = receiver(&client, "waited-for");
    assert!(is_empty(&receiver).await);

    let (message, ()) = tokio::join!(receive(&receiver), send(&client, "waited-for", &["late"]));

    assert_eq!(message.message_id(), Some("late"));
    receiver
        .complete_message(&message)
        .await
        .expect("completed");
}

async fn an_abandoned_message_comes_again_and_counts() {
    let client = client();
    send(&client, "abandoned", &["again", "next"]).await;
    let receiver = receiver(&client, "abandoned");

    for count in 0..3 {
        let message = receive(&receiver).await;
        assert_eq!(
            (message.message_id(), message.delivery_count()),
            (Some("again"), count)
        );
        receiver.abandon_message(&message).await.expect("abandoned");
        assert!(is_lock_lost(receiver.complete_message(&message).await));
    }
}

async fn a_dead_lettered_message_keeps_its_reason() {
    let client = client();
    send(&client, "rejected", &["bad"]).await;
    let receiver = receiver(&client, "rejected");

    let message = receive(&receiver).await;
    let dead_lettered = receiver
        .dead_letter_message(&message, "not-json", "the body is no JSON: ü")
        .await;
    dead_lettered.expect("dead-lettered");

    assert!(is_empty(&receiver).await);
    let dead_letters = dead_letters(&client, "rejected");
    let dead = receive(&dead_letters).await;
    assert_eq!((dead.message_id(), dead.body()), (Some("bad"), &b"bad"[..]));
    assert_eq!(dead.dead_letter_reason(), Some("not-json"));
    assert_eq!(
        dead.dead_letter_error_description(),
        Some("the body is no JSON: ü")
    );
    dead_letters
        .complete_message(&dead)
        .await
        .expect("completed");
    assert!(is_empty(&dead_letters).await);
}

async fn a_message_that_fails_too_often_is_dead_lettered() {
    let client = client();
    send(&client, "poisoned", &["poison", "good"]).await;
    let receiver = receiver(&client, "poisoned");

    for count in 0..3 {
        let message = receive(&receiver).await;
        assert_eq!(
            (message.message_id(), message.delivery_count()),
            (Some("poison"), count)
        );
        receiver.abandon_message(&message).await.expect("abandoned");
    }

    let next = receive(&receiver).await;
    assert_eq!(next.message_id(), Some("good"), "the queue goes on");
    receiver.complete_message(&next).await.expect("completed");
    let dead = receive(&dead_letters(&client, "poisoned")).await;
    assert_eq!(dead.message_id(), Some("poison"));
    assert_eq!(dead.dead_letter_reason(), Some("MaxDeliveryCountExceeded"));
}

async fn a_duplicate_within_the_window_is_dropped() {
    let _clock = CLOCK.lock().await;
    let client = client();
    let receiver = receiver(&client, "deduplicated");
    send(&client, "deduplicated", &["once", "once", "other"]).await;

    for id in ["once", "other"] {
        let message = receive(&receiver).await;
        assert_eq!(message.message_id(), Some(id));
        receiver
            .complete_message(&message)
            .await
            .expect("completed");
    }
    send(&client, "deduplicated", &["once"]).await;
    assert!(is_empty(&receiver).await, "also once it was completed");

    advance(21).await;
    send(&client, "deduplicated", &["once"]).await;
    let message = receive(&receiver).await;
    assert_eq!(message.message_id(), Some("once"), "the window has passed");
    receiver
        .complete_message(&message)
        .await
        .expect("completed");
}

async fn a_lock_that_expires_is_lost() {
    let _clock = CLOCK.lock().await;
    let client = client();
    send(&client, "short-locks", &["slow"]).await;
    let receiver = receiver(&client, "short-locks");

    let message = receive(&receiver).await;
    advance(6).await;

    let renewed = receiver.renew_message_lock(&message).await;
    assert!(is_lock_lost(renewed.map(drop)));
    assert!(is_lock_lost(receiver.abandon_message(&message).await));
    assert!(is_lock_lost(receiver.complete_message(&message).await));
    let error = receiver
        .complete_message(&message)
        .await
        .expect_err("the lock is lost");
    let start = "cannot complete a message of short-locks: com.microsoft:message-lock-lost: The lock \
                 supplied is invalid. Either the lock expired, or the message has already been removed \
                 from the queue.";
    assert!(error.to_string().starts_with(start), "{error}");
    let again = receive(&receiver).await;
    assert_eq!(
        (again.message_id(), again.delivery_count()),
        (Some("slow"), 1)
    );
    receiver.complete_message(&again).await.expect("completed");
}

async fn a_renewed_lock_lasts() {
    let _clock = CLOCK.lock().await;
    let client = client();
    send(&client, "short-locks", &["long"]).await;
    let receiver = receiver(&client, "short-locks");

    let message = receive(&receiver).await;
    let mut until = message.locked_until();
    for _ in 0..3 {
        advance(3).await;
        let renewed = receiver
            .renew_message_lock(&message)
            .await
            .expect("renewed");
        assert!(renewed > until, "{renewed} is not after {until}");
        until = renewed;
    }

    receiver
        .complete_message(&message)
        .await
        .expect("completed");
}

async fn several_messages_come_at_once_and_no_more_than_asked_for() {
    let client = client();
    send(&client, "several", &["a", "b", "c", "d"]).await;
    let (one, other) = (receiver(&client, "several"), receiver(&client, "several"));

    let mut mine = Vec::new();
    while mine.len() < 3 {
        let missing = u32::try_from(3 - mine.len()).expect("three at most");
        let received = one.receive_messages(missing, SOON).await.expect("received");
        assert!(!received.is_empty(), "{mine:?}");
        mine.extend(received);
    }
    let theirs = receive(&other).await;

    assert_eq!(theirs.message_id(), Some("d"), "it was locked by nobody");
    for (message, id) in mine.iter().zip(["a", "b", "c"]) {
        assert_eq!(message.message_id(), Some(id));
        one.renew_message_lock(message).await.expect("renewed");
    }
    for message in mine.iter().rev() {
        one.complete_message(message).await.expect("completed");
    }
    other.complete_message(&theirs).await.expect("completed");
}

async fn what_was_handed_over_and_not_taken_is_given_back() {
    let client = client();
    let eager = receiver(&client, "prefetched");
    let none = eager.receive_messages(3, BRIEFLY).await;
    assert!(none.expect("received").is_empty());
    send(&client, "prefetched", &["a", "b", "c"]).await;

    let first = receive(&eager).await;
    eager.close().await;
    eager
        .complete_message(&first)
        .await
        .expect("completed, though the link is closed");

    let next = receiver(&client, "prefetched");
    for id in ["b", "c"] {
        let message = receive(&next).await;
        assert_eq!(
            (message.message_id(), message.delivery_count()),
            (Some(id), 0)
        );
        next.complete_message(&message).await.expect("completed");
    }
}

async fn peeking_shows_dead_letters_and_leaves_them() {
    let client = client();
    let dead = dead_letters(&client, "peeked");
    let none = dead.peek_messages(10, 0).await.expect("peeked");
    assert!(none.is_empty(), "{none:?}");
    send(&client, "peeked", &["poison"]).await;
    let receiver = receiver(&client, "peeked");
    let message = receive(&receiver).await;
    let dead_lettered = receiver.dead_letter_message(&message, "Unreadable", "no JSON");
    dead_lettered.await.expect("dead-lettered");

    for _ in 0..2 {
        let peeked = dead.peek_messages(10, 0).await.expect("peeked");
        let [peeked] = peeked.as_slice() else {
            panic!("there is one: {peeked:?}");
        };
        assert_eq!(peeked.message_id(), Some("poison"));
        assert_eq!(peeked.dead_letter_reason(), Some("Unreadable"));
        assert_eq!(peeked.dead_letter_error_description(), Some("no JSON"));
        assert!(peeked.lock_token().is_nil());
    }
    let taken = receive(&dead).await;
    dead.complete_message(&taken).await.expect("completed");
}

async fn a_sender_can_be_opened_without_sending() {
    let client = client();
    let sender = client.create_sender("opened");

    sender.open().await.expect("allowed");
    sender.open().await.expect("it is open");

    assert!(is_empty(&receiver(&client, "opened")).await);
    let message = ServiceBusMessage::new("m", "m");
    sender.send_message(&message).await.expect("sent");
}

async fn a_message_that_is_too_large_is_refused() {
    let client = client();
    let sender = client.create_sender("large");
    let sized = |bytes: usize| ServiceBusMessage::new("sized", vec![7; bytes]);

    sender.send_message(&sized(200_000)).await.expect("sent");
    let error = sender
        .send_message(&sized(300_000))
        .await
        .expect_err("too large");
    assert!(
        matches!(
            error.kind(),
            ServiceBusErrorKind::MessageSizeExceeded { .. }
        ),
        "{error}"
    );

    let message = receive(&receiver(&client, "large")).await;
    assert_eq!(message.body().len(), 200_000);
}

async fn a_missing_queue_is_told() {
    let error = client()
        .create_sender("missing")
        .send_message(&ServiceBusMessage::new("lost", "x"))
        .await
        .expect_err("there is no such queue");

    let start = "cannot send to missing: amqp:not-found: The messaging entity \
                 'sb://localbus.servicebus.windows.net/missing' could not be found.";
    assert!(error.to_string().starts_with(start), "{error}");
}

async fn a_probe_takes_nothing() {
    let client = client();
    send(&client, "readable", &["waiting"]).await;

    for direction in [Direction::Send, Direction::Receive] {
        client
            .probe("readable", direction)
            .await
            .expect("the owner may");
    }

    let receiver = receiver(&client, "readable");
    let message = receive(&receiver).await;
    assert_eq!(message.message_id(), Some("waiting"));
    assert_eq!(message.delivery_count(), 0);
    let completed = receiver.complete_message(&message).await;
    completed.expect("completed");
    assert!(is_empty(&receiver).await);
}
