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

mod post;
mod sending;

use std::time::Duration;

use platform::azure::QueueSender;
use platform::health::Check;
use platform::readiness::until_ready;
use platform::server::Shutdown;
use tokio::sync::mpsc;

use crate::store::{Store, Versioned};
use crate::todos::Event;
use post::Azure;
use sending::Sending;

/// Events that wait in memory; more are left to the sweep.
const WAITING: usize = 256;

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
    post: Azure,
    waiting: mpsc::Receiver<Versioned<Event>>,
}

impl Relay {
    /// A relay, and the way to it.
    pub(crate) fn new(store: Store, sender: QueueSender) -> (Outbox, Self) {
        let (outbox, waiting) = mpsc::channel(WAITING);
        let post = Azure { store, sender };
        (Outbox(outbox), Self { post, waiting })
    }

    /// Relays until the pod is asked to end, and then until every handle of the
    /// outbox is gone and what was handed over is sent. The check is ready once
    /// the sender's link stands.
    // Identity backend, Azure Service Bus Data Sender on queue todo-events.
    // Identity backend, Cosmos DB Built-in Data Contributor on container todos.
    pub(crate) async fn run(self, check: Check, sweep_every: Duration, shutdown: Shutdown) {
        let Self { post, waiting } = self;
        let sending = Sending::by(&post);
        let relaying = async {
            tokio::join!(
                sending.soon(waiting),
                sending.sweeps(sweep_every, &shutdown)
            )
        };
        tokio::pin!(relaying);
        tokio::select! {
            _ = &mut relaying => {}
            () = until_ready(check, || post.sender.open()) => {
                relaying.await;
            }
        }
        post.sender.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;

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
