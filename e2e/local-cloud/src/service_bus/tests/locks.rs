//! Locks: their time, their renewal, their loss.

use serde_amqp::{Value, primitives::Array};
use uuid::Uuid;

use super::client::*;

fn tokens(token: Uuid) -> (&'static str, Value) {
    let token = Value::Uuid(token.into_bytes().into());
    ("lock-tokens", Value::Array(Array::from(vec![token])))
}

#[tokio::test]
async fn an_expired_lock_gives_the_message_to_the_next_receiver() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;
    let mut receiver = worker.receiver(JOBS, 2).await.unwrap();
    assert_eq!(delivery_count(&receive(&mut receiver).await), 0);

    cloud.advance(30);

    // Nothing but the clock wakes the waiting receiver.
    assert_eq!(delivery_count(&receive(&mut receiver).await), 1);
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_its_lock_until_it_expires() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;
    let mut first = cloud.connect_as("worker", &[JOBS]).await;
    let mut receiver = first.receiver(JOBS, 1).await.unwrap();
    receive(&mut receiver).await;

    drop((receiver, first));
    let mut second = cloud.connect_as("worker", &[JOBS]).await;
    let mut receiver = second.receiver(JOBS, 1).await.unwrap();
    let queue = cloud.bus.digest()["queues"][JOBS]["queue"].clone();
    assert_eq!(
        (&queue["available"], &queue["locked"]),
        (&0.into(), &1.into())
    );
    cloud.advance(30);

    assert_eq!(delivery_count(&receive(&mut receiver).await), 1);
}

#[tokio::test]
async fn a_renewed_lock_lasts_longer() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();
    let delivery = receive(&mut receiver).await;
    let mut management = worker.management(JOBS).await;
    let renewal = [tokens(lock_token(&delivery))];

    cloud.advance(20);
    let (status, condition, body) = management
        .manage("com.microsoft:renew-lock", &renewal)
        .await;
    assert_eq!((status, condition), (200, None));
    let Value::Map(body) = body else {
        panic!("the body is {body:?}");
    };
    let expirations = body.get(&Value::from("expirations"));
    assert!(
        matches!(expirations, Some(Value::Array(Array(times))) if matches!(times[..], [Value::Timestamp(_)])),
        "{expirations:?}"
    );
    cloud.advance(20);
    let (status, condition, _) = management
        .manage("com.microsoft:renew-lock", &renewal)
        .await;

    assert_eq!((status, condition), (200, None));
}

#[tokio::test]
async fn a_lost_lock_is_answered_410_with_message_lock_lost() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();
    let delivery = receive(&mut receiver).await;
    let mut management = worker.management(JOBS).await;
    let lost = Some("com.microsoft:message-lock-lost".to_owned());

    cloud.advance(30);
    let completed = ("disposition-status", Value::from("completed"));
    let tokens = tokens(lock_token(&delivery));
    for (operation, arguments) in [
        ("com.microsoft:renew-lock", vec![tokens.clone()]),
        ("com.microsoft:update-disposition", vec![completed, tokens]),
    ] {
        let (status, condition, _) = management.manage(operation, &arguments).await;
        assert_eq!((status, condition), (410, lost.clone()), "{operation}");
    }
}

#[tokio::test]
async fn a_message_is_completed_through_management() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();
    let delivery = receive(&mut receiver).await;
    let mut management = worker.management(JOBS).await;

    let arguments = [
        ("disposition-status", Value::from("completed")),
        tokens(lock_token(&delivery)),
    ];
    let (status, condition, _) = management
        .manage("com.microsoft:update-disposition", &arguments)
        .await;

    assert_eq!((status, condition), (200, None));
    let queue = &cloud.bus.digest()["queues"][JOBS]["queue"];
    assert_eq!(
        (&queue["available"], &queue["locked"]),
        (&0.into(), &0.into())
    );
}

#[tokio::test]
async fn a_message_that_fails_too_often_is_dead_lettered() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "poison").await;
    let mut receiver = worker.receiver(JOBS, 10).await.unwrap();

    for failures in 0..5 {
        let delivery = receive(&mut receiver).await;
        assert_eq!(delivery_count(&delivery), failures);
        cloud.advance(30);
    }
    let address = format!("{JOBS}/$DeadLetterQueue");
    let mut dead = worker.receiver(&address, 1).await.unwrap();
    let delivery = receive(&mut dead).await;

    assert_eq!(
        property(&delivery, "DeadLetterReason").as_deref(),
        Some("MaxDeliveryCountExceeded")
    );
    assert_eq!(
        property(&delivery, "DeadLetterErrorDescription").as_deref(),
        Some("Message could not be consumed after 5 delivery attempts.")
    );
}

#[tokio::test]
async fn peeking_shows_locked_messages_without_a_lock_of_its_own() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "locked").await;
    send(&mut sender, "id-2", "free").await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();
    receive(&mut receiver).await;
    let mut management = worker.management(JOBS).await;
    let before = cloud.bus.digest();
    let peek = |from: i64| {
        [
            ("from-sequence-number", Value::Long(from)),
            ("message-count", Value::Int(10)),
        ]
    };

    let operation = "com.microsoft:peek-message";
    let (status, _, body) = management.manage(operation, &peek(0)).await;
    assert_eq!(status, 200);
    let Value::Map(body) = body else {
        panic!("the body is {body:?}");
    };
    let Some(Value::List(messages)) = body.get(&Value::from("messages")) else {
        panic!("the body is {body:?}");
    };
    assert_eq!(messages.len(), 2);
    assert_eq!(management.manage(operation, &peek(3)).await.0, 204);
    assert_eq!(cloud.bus.digest(), before);
}

#[tokio::test]
async fn another_management_operation_is_answered_501_by_name() {
    let cloud = Cloud::new();
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut management = worker.management(JOBS).await;

    let operation = "com.microsoft:schedule-message";
    let (status, condition, _) = management.manage(operation, &[]).await;

    assert_eq!(
        (status, condition.as_deref()),
        (501, Some("amqp:not-implemented"))
    );
}
