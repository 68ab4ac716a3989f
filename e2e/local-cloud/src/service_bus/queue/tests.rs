//! The engine's rules, without a wire.

use bytes::Bytes;
use serde_bytes::ByteBuf;
use time::{Duration, macros::datetime};

use super::*;
use crate::{
    gate::{Audience, Operation},
    roles::Permission,
    service_bus::codec::{self, described},
    testing::Fixture,
};

const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

/// A queue and an admission to it; the clock is a number of seconds.
struct Bench {
    queue: Queue,
    admitted: Admitted,
}

impl Bench {
    async fn new(spec: QueueSpec) -> Self {
        let fixture = Fixture::new();
        let scope = Scope::new(["bus", "queues", "todo-events"]);
        let token = fixture.token("worker", "https://servicebus.azure.net");
        let audience = Audience::service_bus("localbus.servicebus.windows.net");
        let caller = fixture.gate.authenticate(Some(&token), &audience).unwrap();
        let receive =
            Permission::DataAction("Microsoft.ServiceBus/namespaces/messages/receive/action");
        let operation = Operation::at("AttachReceiver", receive, scope.clone());
        let admitted = fixture.gate.admit(&caller, operation).await.unwrap();
        Self {
            queue: Queue::new("todo-events", scope, spec),
            admitted,
        }
    }

    fn send(&mut self, second: i64, id: &str) {
        let message = message(id);
        self.queue
            .send(&self.admitted, at(second), vec![message])
            .unwrap();
    }

    fn receive_from(&mut self, part: Part, second: i64) -> Option<Delivery> {
        self.queue
            .receive(&self.admitted, at(second), part, ReceiveMode::PeekLock)
    }

    fn receive(&mut self, second: i64) -> Option<Delivery> {
        self.receive_from(Part::Main, second)
    }

    fn abandon(&mut self, second: i64, token: Uuid) -> Result<(), LockLost> {
        self.queue
            .abandon(&self.admitted, at(second), Part::Main, token, &Map::new())
    }

    fn complete(&mut self, second: i64, token: Uuid) -> Result<(), LockLost> {
        self.queue
            .complete(&self.admitted, at(second), Part::Main, token)
    }
}

fn at(second: i64) -> OffsetDateTime {
    START + Duration::seconds(second)
}

fn spec() -> QueueSpec {
    QueueSpec {
        lock_duration: std::time::Duration::from_secs(30),
        max_delivery_count: std::num::NonZeroU32::new(3).expect("not zero"),
        ..QueueSpec::default()
    }
}

fn message(id: &str) -> Message {
    let properties = codec::encode(&described(0x73, Value::List(vec![Value::from(id)])));
    let body = codec::encode(&described(0x75, Value::Binary(ByteBuf::from(b"x"))));
    Message::parse(&Bytes::from([properties, body].concat())).unwrap()
}

fn id(delivery: &Delivery) -> &str {
    codec::text(delivery.message.id()).unwrap()
}

fn token(delivery: &Delivery) -> Uuid {
    delivery.envelope.lock.expect("it is locked").0
}

#[tokio::test]
async fn a_lock_holds_for_exactly_its_time() {
    for (second, completed) in [
        (0, Ok(())),
        (29, Ok(())),
        (30, Err(LockLost)),
        (99, Err(LockLost)),
    ] {
        let mut bench = Bench::new(spec()).await;
        bench.send(0, "a");
        let delivery = bench.receive(0).unwrap();
        assert_eq!(delivery.envelope.lock.unwrap().1, at(30));

        assert_eq!(
            bench.complete(second, token(&delivery)),
            completed,
            "{second} s"
        );
    }
}

#[tokio::test]
async fn a_token_is_good_once() {
    let mut bench = Bench::new(spec()).await;
    bench.send(0, "a");
    let delivery = bench.receive(0).unwrap();

    assert_eq!(bench.complete(1, token(&delivery)), Ok(()));
    assert_eq!(bench.complete(1, token(&delivery)), Err(LockLost));
    assert_eq!(bench.complete(1, Uuid::nil()), Err(LockLost));
    assert!(bench.receive(99).is_none());
}

#[tokio::test]
async fn a_renewed_lock_starts_anew() {
    let mut bench = Bench::new(spec()).await;
    bench.send(0, "a");
    let token = token(&bench.receive(0).unwrap());

    let renewed = bench
        .queue
        .renew(&bench.admitted, at(20), Part::Main, token);

    assert_eq!(renewed, Ok(at(50)));
    assert_eq!(bench.queue.next_expiry(), Some(at(50)));
    assert!(bench.receive(49).is_none());
    assert_eq!(bench.receive(50).unwrap().envelope.delivery_count, 1);
    let lost = bench
        .queue
        .renew(&bench.admitted, at(50), Part::Main, token);
    assert_eq!(lost, Err(LockLost));
}

#[tokio::test]
async fn a_message_that_comes_back_keeps_its_place() {
    let mut bench = Bench::new(spec()).await;
    for id in ["a", "b", "c"] {
        bench.send(0, id);
    }
    let first = bench.receive(0).unwrap();
    assert_eq!(id(&bench.receive(0).unwrap()), "b");

    assert_eq!(bench.abandon(1, token(&first)), Ok(()));

    let again = bench.receive(1).unwrap();
    assert_eq!((id(&again), again.envelope.sequence_number), ("a", 1));
    assert_eq!(again.envelope.delivery_count, 1);
    assert_eq!(id(&bench.receive(1).unwrap()), "c");
}

#[tokio::test]
async fn a_released_message_has_not_failed() {
    let mut bench = Bench::new(spec()).await;
    bench.send(0, "a");
    let token = token(&bench.receive(0).unwrap());

    let released = bench
        .queue
        .release(&bench.admitted, at(1), Part::Main, token);

    assert_eq!(released, Ok(()));
    assert_eq!(bench.receive(1).unwrap().envelope.delivery_count, 0);
}

#[tokio::test]
async fn the_last_failure_dead_letters_the_message() {
    // Abandoned or left to expire: both count.
    for abandons in [true, false] {
        let mut bench = Bench::new(spec()).await;
        bench.send(0, "a");
        for round in 0..3 {
            let delivery = bench.receive(round * 30).unwrap();
            assert_eq!(i64::from(delivery.envelope.delivery_count), round);
            if abandons {
                assert_eq!(bench.abandon(round * 30, token(&delivery)), Ok(()));
            }
        }

        assert!(bench.receive(90).is_none());
        let dead = bench.receive_from(Part::DeadLetter, 90).unwrap();
        assert_eq!(id(&dead), "a");
        assert_eq!(dead.envelope.delivery_count, 3);
        assert_eq!(
            dead.envelope.dead_letter_source.as_deref(),
            Some("todo-events")
        );
        // There it may fail for ever.
        for round in 1..9 {
            let again = bench.receive_from(Part::DeadLetter, 90 + round * 30);
            assert!(again.is_some(), "round {round}");
        }
    }
}

#[tokio::test]
async fn a_receiver_that_deletes_leaves_no_lock() {
    let mut bench = Bench::new(spec()).await;
    bench.send(0, "a");

    let delivery = bench
        .queue
        .receive(
            &bench.admitted,
            at(0),
            Part::Main,
            ReceiveMode::ReceiveAndDelete,
        )
        .unwrap();

    assert_eq!((id(&delivery), delivery.envelope.lock), ("a", None));
    assert_eq!(bench.queue.next_expiry(), None);
    assert!(bench.receive(99).is_none());
}

#[tokio::test]
async fn a_duplicate_is_dropped_while_its_id_is_remembered() {
    for (detects, second, kept) in [(true, 0, 1), (true, 599, 1), (true, 600, 2), (false, 0, 2)] {
        let mut bench = Bench::new(QueueSpec {
            requires_duplicate_detection: detects,
            ..spec()
        })
        .await;
        bench.send(0, "a");
        bench.send(second, "a");

        let counts = bench.queue.counts(Part::Main);
        assert_eq!(counts.available, kept, "detects {detects}, {second} s");
    }
}

#[tokio::test]
async fn an_id_is_remembered_after_its_message_is_gone() {
    let mut bench = Bench::new(QueueSpec {
        requires_duplicate_detection: true,
        ..spec()
    })
    .await;
    bench.send(0, "a");
    let token = token(&bench.receive(0).unwrap());
    assert_eq!(bench.complete(0, token), Ok(()));

    bench.send(1, "a");

    assert!(bench.receive(1).is_none());
}

#[tokio::test]
async fn peeking_takes_nothing() {
    let mut bench = Bench::new(spec()).await;
    for id in ["a", "b", "c"] {
        bench.send(0, id);
    }
    bench.receive(0).unwrap();

    for (from, count, wanted) in [
        (0, 10, vec!["a", "b", "c"]),
        (2, 1, vec!["b"]),
        (4, 10, vec![]),
    ] {
        let peeked = bench
            .queue
            .peek(&bench.admitted, at(1), Part::Main, from, count);
        assert!(
            peeked
                .iter()
                .all(|delivery| delivery.envelope.lock.is_none())
        );
        assert_eq!(peeked.iter().map(id).collect::<Vec<_>>(), wanted);
    }
    assert_eq!(
        bench.queue.counts(Part::Main),
        Counts {
            available: 2,
            locked: 1
        }
    );
}
