//! The two ways by which events are sent: right after their commit, and by the
//! sweep. Each has a bounded number under way at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use platform::server::Shutdown;
use platform::telemetry::context::continue_from;
use platform::telemetry::{error_chain, metrics};
use service_bus::ServiceBusError;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use super::post::Post;
use crate::instant;
use crate::rounds::Rounds;
use crate::store::{StoreError, Versioned};
use crate::todos::Event;

/// Events that each of the two ways has under way at the same time.
const AT_ONCE: usize = 8;

/// The most events that a sweep takes at a time.
const MOST: usize = 200;

/// An event this young is on its way from the replica that committed it.
const YOUNG: Duration = Duration::from_secs(1);

/// Sends events by a post.
pub(super) struct Sending<'a, P> {
    post: &'a P,
    /// What failed for one event will fail for all.
    is_down: AtomicBool,
}

/// Why an event is still in the outbox.
#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    #[error("cannot send event {id}")]
    Send {
        id: String,
        #[source]
        source: ServiceBusError,
    },
    #[error(transparent)]
    Outbox(#[from] StoreError),
}

impl<'a, P: Post> Sending<'a, P> {
    pub(super) fn by(post: &'a P) -> Self {
        Self {
            post,
            is_down: AtomicBool::new(false),
        }
    }

    /// Sends what is handed over, until nobody can hand over any more. What fails
    /// stays in the outbox, for the sweep.
    pub(super) async fn soon(&self, mut waiting: mpsc::Receiver<Versioned<Event>>) {
        stream::poll_fn(|context| waiting.poll_recv(context))
            .for_each_concurrent(AT_ONCE, |event| async move {
                if self.is_down.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = self.relay(&event).await {
                    let cause = error_chain(&error);
                    tracing::warn!(cause, event.id = %event.value.id, "left an event to the sweep");
                }
            })
            .await;
    }

    /// Sweeps at once and then again and again, until the pod is asked to end.
    pub(super) async fn sweeps(&self, every: Duration, shutdown: &Shutdown) {
        let mut rounds = Rounds::new("sweeping the outbox", every);
        loop {
            rounds.ended(self.sweep(shutdown).await);
            if !rounds.next(shutdown).await {
                return;
            }
        }
    }

    /// Sends what nobody has sent, however much it is. Stops at the first failure.
    async fn sweep(&self, shutdown: &Shutdown) -> Result<(), RelayError> {
        loop {
            let unsent = self.post.unsent(instant::now() - YOUNG, MOST).await?;
            let count = unsent.len();
            observe(&unsent);
            if count == 0 {
                return Ok(());
            }
            stream::iter(unsent.into_iter().map(Ok))
                .try_for_each_concurrent(AT_ONCE, |event| async move { self.relay(&event).await })
                .await?;
            tracing::info!(count, "swept the outbox");
            if count < MOST || shutdown.is_requested() {
                return Ok(());
            }
        }
    }

    /// Sends one event, and only then takes it out of the outbox.
    // Identity backend, Azure Service Bus Data Sender on queue todo-events.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    async fn relay(&self, event: &Versioned<Event>) -> Result<(), RelayError> {
        let span = tracing::info_span!(
            "relay",
            otel.name = format!("relay {}", self.post.queue()),
            event.id = %event.value.id,
        );
        if let Some(trace) = &event.value.trace {
            continue_from(&span, trace);
        }
        async {
            let sent = self.post.send(&event.value).await;
            self.is_down.store(sent.is_err(), Ordering::Relaxed);
            sent.map_err(|source| RelayError::Send {
                id: event.value.id.to_string(),
                source,
            })?;
            self.post.forget(event).await?;
            tracing::debug!(event.id = %event.value.id, "relayed an event");
            Ok(())
        }
        .instrument(span)
        .await
    }
}

/// How many events a sweep found, and for how long the oldest of them has waited.
/// Both are 0 while every event is sent right after its commit.
fn observe(unsent: &[Versioned<Event>]) {
    let oldest = unsent.iter().map(|event| event.value.at).min();
    let lag = oldest.and_then(|at| Duration::try_from(instant::now() - at).ok());
    metrics::outbox(unsent.len(), lag.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use crate::todos::EventId;
    use service_bus::ServiceBusErrorKind;
    use std::sync::{Mutex, MutexGuard};
    use time::OffsetDateTime;
    use tokio::time::sleep;
    use uuid::Uuid;

    const EVERY: Duration = Duration::from_secs(5);

    /// How long the played post takes for an event.
    const TAKES: Duration = Duration::from_millis(10);

    /// An outbox and a queue in memory.
    #[derive(Default)]
    struct Played {
        state: Mutex<State>,
    }

    #[derive(Default)]
    struct State {
        unsent: Vec<Versioned<Event>>,
        tried: Vec<Uuid>,
        sent: Vec<Uuid>,
        under_way: usize,
        most_under_way: usize,
        is_away: bool,
    }

    impl State {
        fn begin(&mut self, id: Uuid) {
            self.tried.push(id);
            self.under_way += 1;
            self.most_under_way = self.most_under_way.max(self.under_way);
        }
    }

    impl Played {
        fn with(events: &[Versioned<Event>]) -> Self {
            let played = Self::default();
            played.state().unsent = events.to_vec();
            played
        }

        // Held for a line, never across an await.
        fn state(&self) -> MutexGuard<'_, State> {
            self.state.lock().expect("no test panics in here")
        }
    }

    impl Post for Played {
        fn queue(&self) -> &'static str {
            "played"
        }

        async fn unsent(
            &self,
            _: OffsetDateTime,
            most: usize,
        ) -> Result<Vec<Versioned<Event>>, StoreError> {
            Ok(self.state().unsent.iter().take(most).cloned().collect())
        }

        async fn send(&self, event: &Event) -> Result<(), ServiceBusError> {
            self.state().begin(event.id.0);
            sleep(TAKES).await;
            let mut state = self.state();
            state.under_way -= 1;
            if state.is_away {
                let description = "as played".to_owned();
                let kind = ServiceBusErrorKind::Connection { description };
                return Err(kind.during("send to", "played"));
            }
            state.sent.push(event.id.0);
            Ok(())
        }

        async fn forget(&self, sent: &Versioned<Event>) -> Result<(), StoreError> {
            let mut state = self.state();
            assert!(state.sent.contains(&sent.value.id.0), "it was sent first");
            state.unsent.retain(|event| event != sent);
            Ok(())
        }
    }

    fn events(count: u128) -> Vec<Versioned<Event>> {
        let event = |number| Versioned {
            value: Event {
                id: EventId(Uuid::from_u128(number)),
                ..messages::tests::event()
            },
            etag: "\"1\"".into(),
        };
        (1..=count).map(event).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_handed_over_is_sent_before_the_end_and_a_few_at_a_time() {
        let events = events(50);
        let post = Played::with(&events);
        let (outbox, waiting) = mpsc::channel(events.len());
        for event in events {
            outbox.try_send(event).expect("room");
        }
        drop(outbox);

        Sending::by(&post).soon(waiting).await;

        let state = post.state();
        assert_eq!(state.sent.len(), 50);
        assert_eq!(state.most_under_way, AT_ONCE);
        assert!(state.unsent.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sweep_goes_on_for_as_long_as_there_is_more() {
        let post = Played::with(&events(2 * MOST as u128 + 1));

        let swept = Sending::by(&post).sweep(&Shutdown::manual()).await;

        swept.expect("no failure");
        let state = post.state();
        assert_eq!(state.sent.len(), 2 * MOST + 1);
        assert_eq!(state.most_under_way, AT_ONCE);
        assert!(state.unsent.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_queue_is_away_the_sweep_alone_tries_and_ever_less_often() {
        let events = events(100);
        let post = Played::with(&events);
        post.state().is_away = true;
        let (outbox, waiting) = mpsc::channel(events.len());
        let shutdown = Shutdown::manual();
        let sending = Sending::by(&post);
        let everything = async {
            sleep(TAKES * 2).await;
            for event in events {
                outbox.try_send(event).expect("room");
            }
            sleep(EVERY * 20).await;
            let tried = post.state().tried.len();
            assert!(
                (3 * AT_ONCE..=6 * AT_ONCE).contains(&tried),
                "{tried} attempts: a few sweeps that each stop at the first failure"
            );

            post.state().is_away = false;
            sleep(EVERY * 40).await;
            assert!(post.state().unsent.is_empty(), "the sweep has sent them");
            let another = self::events(101).pop().expect("one more");
            outbox.try_send(another.clone()).expect("room");
            sleep(TAKES * 2).await;
            assert_eq!(post.state().sent.last(), Some(&another.value.id.0));
            shutdown.request("test");
            drop(outbox);
        };

        tokio::join!(
            sending.soon(waiting),
            sending.sweeps(EVERY, &shutdown),
            everything
        );
    }
}
