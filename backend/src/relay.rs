//! The outbox's relay: sends what was committed to the queue `todo-events`, and
//! then takes it out of the outbox.
//!
//! Each event is sent at least once. Right after its commit it is handed over in
//! memory; what a crash or a full channel leaves behind, and what the worker
//! commits, is found by a sweep. Any number of replicas may do both: a second
//! send has the same message id, which the queue drops, and a second deletion
//! finds nothing. There is no lease, and no progress is stored. Order does not
//! matter: readers order by the events' own numbers.
//!
//! While Service Bus is down events only gather in the outbox: the sweep alone
//! tries, ever less often, and when it succeeds the others follow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use platform::azure::QueueSender;
use platform::health::Check;
use platform::readiness::until_ready;
use platform::server::Shutdown;
use platform::telemetry::context::continue_from;
use platform::telemetry::{error_chain, metrics};
use service_bus::{ServiceBusError, ServiceBusMessage};
use tokio::sync::mpsc;
use tracing::Instrument as _;

use crate::instant;
use crate::messages;
use crate::rounds::Rounds;
use crate::store::{Store, StoreError, Versioned};
use crate::todos::Event;

/// Events that wait in memory; more are left to the sweep.
const WAITING: usize = 256;

/// Events that each of the two ways has under way at the same time.
const AT_ONCE: usize = 8;

/// The most events that a sweep takes at a time.
const MOST: usize = 200;

/// An event this young is on its way from the replica that committed it.
const YOUNG: Duration = Duration::from_secs(1);

/// Where committed events are handed over. A cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct Outbox(mpsc::Sender<Versioned<Event>>);

impl Outbox {
    /// Hands over an event to be sent soon. Never waits and never fails: the
    /// event is in the outbox already.
    pub(crate) fn hand_over(&self, event: Versioned<Event>) {
        if let Err(error) = self.0.try_send(event) {
            tracing::debug!(%error, "left an event to the sweep");
        }
    }
}

/// Sends events.
#[derive(Debug)]
pub(crate) struct Relay {
    store: Store,
    sender: QueueSender,
    waiting: mpsc::Receiver<Versioned<Event>>,
}

/// Why an event is still in the outbox.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("cannot send event {id}")]
    Send {
        id: String,
        #[source]
        source: ServiceBusError,
    },
    #[error(transparent)]
    Outbox(#[from] StoreError),
}

impl Relay {
    /// A relay, and the way to it.
    pub(crate) fn new(store: Store, sender: QueueSender) -> (Outbox, Self) {
        let (outbox, waiting) = mpsc::channel(WAITING);
        let relay = Self {
            store,
            sender,
            waiting,
        };
        (Outbox(outbox), relay)
    }

    /// Relays until the pod is asked to end, and then until every handle of the
    /// outbox is gone and what was handed over is sent. The check is ready once
    /// the sender's link stands.
    // Identity backend, Azure Service Bus Data Sender on queue todo-events.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn run(self, check: Check, sweep_every: Duration, shutdown: Shutdown) {
        let Self {
            store,
            sender,
            waiting,
        } = self;
        let sending = Sending {
            store,
            sender,
            is_down: AtomicBool::new(false),
        };
        let relaying = async {
            tokio::join!(
                sending.soon(waiting),
                sending.sweeps(sweep_every, &shutdown)
            )
        };
        tokio::pin!(relaying);
        tokio::select! {
            _ = &mut relaying => {}
            () = until_ready(check, || sending.sender.open()) => {
                relaying.await;
            }
        }
        sending.sender.close().await;
    }
}

/// The two ways by which events are sent.
struct Sending {
    store: Store,
    sender: QueueSender,
    /// What fails for one event will fail for all.
    is_down: AtomicBool,
}

impl Sending {
    /// Sends what is handed over. What fails stays in the outbox, for the sweep.
    async fn soon(&self, mut waiting: mpsc::Receiver<Versioned<Event>>) {
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
    async fn sweeps(&self, every: Duration, shutdown: &Shutdown) {
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
            let unsent = self
                .store
                .unsent_events(instant::now() - YOUNG, MOST)
                .await?;
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
            otel.name = format!("relay {}", self.sender.queue()),
            event.id = %event.value.id,
        );
        if let Some(trace) = &event.value.trace {
            continue_from(&span, trace);
        }
        async {
            let sent = self.sender.send_message(message(&event.value)).await;
            self.is_down.store(sent.is_err(), Ordering::Relaxed);
            sent.map_err(|source| RelayError::Send {
                id: event.value.id.to_string(),
                source,
            })?;
            self.store.forget_sent(event).await?;
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

/// The message of an event: the queue knows it again by its id.
fn message(event: &Event) -> ServiceBusMessage {
    ServiceBusMessage {
        content_type: Some("application/json".to_owned()),
        ..ServiceBusMessage::new(event.id.to_string(), messages::write_event(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_keeps_its_id_as_a_message() {
        let event = messages::tests::event();

        let message = message(&event);

        assert_eq!(message.message_id, event.id.to_string());
        assert_eq!(message.content_type.as_deref(), Some("application/json"));
        assert_eq!(
            messages::read_event(&message.body).expect("an event"),
            event
        );
    }

    #[test]
    fn a_full_channel_leaves_events_to_the_sweep_and_holds_up_nobody() {
        let (outbox, mut waiting) = mpsc::channel(1);
        let outbox = Outbox(outbox);
        let event = Versioned {
            value: messages::tests::event(),
            etag: "\"1\"".into(),
        };

        outbox.hand_over(event.clone());
        outbox.hand_over(event.clone());

        assert_eq!(waiting.try_recv(), Ok(event));
        assert!(waiting.try_recv().is_err());
    }
}
