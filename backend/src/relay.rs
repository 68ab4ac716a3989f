//! The outbox's relay: sends what was committed to the queue `todo-events`, and
//! then takes it out of the outbox.
//!
//! Each event is sent at least once. Right after its commit it is handed over in
//! memory; what a crash or a full channel leaves behind, and what the worker
//! commits, is found by a sweep. Any number of replicas may do both: a second
//! send has the same message id, which the queue drops, and a second deletion
//! finds nothing. There is no lease, and no progress is stored.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use platform::azure::QueueSender;
use platform::backoff::Backoff;
use platform::server::Shutdown;
use platform::telemetry::error_chain;
use service_bus::{ServiceBusError, ServiceBusMessage};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::messages;
use crate::store::{Store, StoreError, Versioned};
use crate::todos::Event;

/// Events that wait in memory; more are left to the sweep.
const WAITING: usize = 256;

/// Events that are under way at the same time.
const AT_ONCE: usize = 8;

/// The most events of one sweep.
const MOST: usize = 200;

/// The longest pause after sweeps that failed.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

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
    /// outbox is gone and what was handed over is sent.
    pub(crate) async fn run(mut self, sweep_every: Duration, shutdown: Shutdown) {
        let mut backoff = Backoff::new(sweep_every, LONGEST_PAUSE.max(sweep_every));
        let mut next_sweep = Instant::now();
        let mut handed_over = Vec::with_capacity(AT_ONCE);
        loop {
            tokio::select! {
                count = self.waiting.recv_many(&mut handed_over, AT_ONCE) => {
                    if count == 0 {
                        break;
                    }
                    self.send_all(handed_over.drain(..)).await;
                }
                () = tokio::time::sleep_until(next_sweep), if !shutdown.is_requested() => {
                    let pause = match self.sweep().await {
                        Ok(()) => {
                            backoff.reset();
                            sweep_every
                        }
                        Err(error) => {
                            let cause = error_chain(&error);
                            tracing::warn!(cause, "the outbox was not swept");
                            backoff.pause()
                        }
                    };
                    next_sweep = Instant::now() + pause;
                }
            }
        }
        self.sender.close().await;
    }

    /// Sends what was handed over. What fails stays in the outbox, for the sweep.
    async fn send_all(&self, events: impl Iterator<Item = Versioned<Event>>) {
        futures::stream::iter(events)
            .for_each_concurrent(AT_ONCE, |event| async move {
                if let Err(error) = self.relay(&event).await {
                    let cause = error_chain(&error);
                    tracing::warn!(cause, event.id = %event.value.id, "left an event to the sweep");
                }
            })
            .await;
    }

    /// Sends what nobody has sent. Stops at the first failure: what failed for
    /// one will fail for all.
    async fn sweep(&self) -> Result<(), RelayError> {
        let unsent = self.store.unsent_events(MOST).await?;
        if unsent.is_empty() {
            return Ok(());
        }
        let count = unsent.len();
        futures::stream::iter(unsent.into_iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |event| async move { self.relay(&event).await })
            .await?;
        tracing::info!(count, "swept the outbox");
        Ok(())
    }

    /// Sends one event, and only then takes it out of the outbox.
    // Identity backend, Azure Service Bus Data Sender on queue todo-events; then
    // Cosmos DB Built-in Data Contributor on container todos.
    async fn relay(&self, event: &Versioned<Event>) -> Result<(), RelayError> {
        let sent = self.sender.send_message(message(&event.value)).await;
        sent.map_err(|source| RelayError::Send {
            id: event.value.id.to_string(),
            source,
        })?;
        self.store.forget_sent(event).await?;
        tracing::debug!(event.id = %event.value.id, "relayed an event");
        Ok(())
    }
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
