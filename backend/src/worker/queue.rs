//! The messages of one queue: as many in hand at the same time as there are
//! slots, each in a task of its own.
//!
//! Only what can be begun at once is asked for, so that no message spends its
//! lock waiting in this process. Any number of replicas may share a queue.

use std::sync::Arc;
use std::time::Duration;

use platform::backoff::Backoff;
use platform::health::Check;
use platform::readiness;
use platform::server::Shutdown;
use platform::telemetry::context::continue_from;
use platform::telemetry::{error_chain, metrics};
use service_bus::ServiceBusError;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use super::delivery::{Handler, deliver};
use super::inbox::{Inbox, Message};
use crate::rounds::pause;

/// How long one receive waits for messages.
const WAIT: Duration = Duration::from_secs(20);

/// A queue, and what becomes of its messages.
#[derive(Debug)]
pub(super) struct Consumer<I, H> {
    pub(super) queue: String,
    pub(super) inbox: I,
    pub(super) handler: H,
    /// How many messages may be in hand at the same time.
    pub(super) slots: usize,
    /// How long those in hand may take once the pod is asked to end.
    pub(super) drain: Duration,
}

impl<I: Inbox, H: Handler> Consumer<I, H> {
    /// Handles messages until the pod is asked to end: then takes no more, and
    /// lets those in hand end. The check is ready once the link stands.
    // Identity worker, Azure Service Bus Data Receiver on queue todo-events.
    // Identity worker, Azure Service Bus Data Receiver on queue attachment-jobs.
    pub(super) async fn run(self, check: Check, shutdown: Shutdown) {
        let consumer = Arc::new(self);
        let mut in_hand = JoinSet::new();
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
        // Only to open the link: whether there are messages does not matter yet.
        let mut wait = Duration::ZERO;
        loop {
            let free = consumer.slots.saturating_sub(in_hand.len());
            let received = tokio::select! {
                biased;
                () = shutdown.requested() => break,
                Some(ended) = in_hand.join_next() => {
                    look_at(ended);
                    continue;
                }
                received = consumer.receive(free, wait), if free > 0 => received,
            };
            match received {
                Ok(messages) => {
                    if wait.is_zero() {
                        tracing::info!(check = check.name(), "ready");
                        check.ready();
                    }
                    wait = WAIT;
                    backoff.reset();
                    for message in messages {
                        let consumer = Arc::clone(&consumer);
                        let shutdown = shutdown.clone();
                        in_hand.spawn(async move { consumer.process(message, &shutdown).await });
                    }
                }
                Err(error) => {
                    if wait.is_zero() {
                        readiness::waiting(&check, &error);
                    } else {
                        let cause = error_chain(&error);
                        tracing::warn!(cause, queue = consumer.queue, "cannot receive");
                    }
                    pause(backoff.pause(), &shutdown).await;
                }
            }
        }
        consumer.inbox.close().await;
        while let Some(ended) = in_hand.join_next().await {
            look_at(ended);
        }
        // Settling what was in hand has opened a link again.
        consumer.inbox.close().await;
    }

    async fn receive(
        &self,
        most: usize,
        wait: Duration,
    ) -> Result<Vec<Message<I::Receipt>>, ServiceBusError> {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        self.inbox.receive(most, wait).await
    }

    async fn process(&self, message: Message<I::Receipt>, shutdown: &Shutdown) {
        let span = tracing::info_span!(
            "process",
            otel.name = format!("process {}", self.queue),
            otel.kind = "consumer",
            queue = self.queue,
            message.id = message.id,
            message.delivery_count = message.delivery_count,
        );
        if let Some(trace) = &message.trace {
            continue_from(&span, trace);
        }
        metrics::queue_lag(&self.queue, message.waited);
        let ends = (shutdown, self.drain);
        let outcome = deliver(&self.inbox, &self.handler, &message, ends)
            .instrument(span)
            .await;
        metrics::message(&self.queue, outcome.as_str());
    }
}

/// A handler that panics leaves its message to its lock's end.
fn look_at(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a message's handling broke down");
    }
}

#[cfg(test)]
mod tests {
    use super::super::inbox::played::Played;
    use super::super::trouble::Trouble;
    use super::*;
    use platform::health::Readiness;
    use std::sync::Mutex;
    use tokio::sync::watch;
    use tokio::task::JoinHandle;

    const LOCK: Duration = Duration::from_secs(30);
    const DRAIN: Duration = Duration::from_secs(25);

    /// Begins everything, and finishes what it is let.
    #[derive(Clone)]
    struct Bench {
        begun: Arc<Mutex<Vec<String>>>,
        let_go: watch::Sender<Vec<&'static str>>,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                begun: Arc::default(),
                let_go: watch::Sender::default(),
            }
        }

        fn begun(&self) -> Vec<String> {
            self.begun.lock().expect("no test panics in here").clone()
        }

        fn let_go(&self, id: &'static str) {
            self.let_go.send_modify(|done| done.push(id));
        }
    }

    impl Handler for Bench {
        async fn handle(&self, body: &[u8]) -> Result<(), Trouble> {
            let id = String::from_utf8_lossy(body).into_owned();
            assert_ne!(id, "bomb", "this is what breaks down");
            self.begun
                .lock()
                .expect("no test panics in here")
                .push(id.clone());
            let mut let_go = self.let_go.subscribe();
            let done = let_go.wait_for(|done| done.iter().any(|done| *done == id));
            done.await.expect("the bench is there");
            Ok(())
        }
    }

    struct Running {
        inbox: Played,
        bench: Bench,
        readiness: Readiness,
        shutdown: Shutdown,
        task: JoinHandle<()>,
    }

    fn running(slots: usize) -> Running {
        let (inbox, bench) = (Played::with_locks_of(LOCK), Bench::new());
        let shutdown = Shutdown::manual();
        let readiness = Readiness::new(&shutdown);
        let consumer = Consumer {
            queue: "played".to_owned(),
            inbox: inbox.clone(),
            handler: bench.clone(),
            slots,
            drain: DRAIN,
        };
        let task = tokio::spawn(consumer.run(readiness.check("played"), shutdown.clone()));
        Running {
            inbox,
            bench,
            readiness,
            shutdown,
            task,
        }
    }

    /// On the paused clock: everything that can happen by then has happened.
    async fn a_second_later() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_messages_are_in_hand_as_there_are_slots_and_no_more() {
        let worker = running(3);
        for id in ["a", "b", "c", "d", "e"] {
            worker.inbox.put(id);
        }
        a_second_later().await;
        assert!(worker.readiness.report().ready);
        assert_eq!(worker.bench.begun(), ["a", "b", "c"]);

        worker.bench.let_go("b");
        a_second_later().await;

        assert_eq!(worker.bench.begun(), ["a", "b", "c", "d"]);
        assert_eq!(worker.inbox.settled(), ["complete b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_can_be_begun_is_asked_for_also_while_it_waits() {
        let worker = running(3);
        worker.inbox.put("a");
        a_second_later().await;
        worker.inbox.put("b");
        a_second_later().await;
        worker.bench.let_go("a");
        a_second_later().await;

        assert_eq!(worker.inbox.asked_for(), [3, 2, 1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_ends_takes_no_more_and_finishes_what_is_in_hand() {
        let worker = running(2);
        worker.inbox.put("a");
        a_second_later().await;

        worker.shutdown.request("test");
        a_second_later().await;
        worker.inbox.put("b");
        a_second_later().await;
        assert_eq!(worker.inbox.closed(), 1, "closed before the work is done");
        worker.bench.let_go("a");
        worker.task.await.expect("an orderly end");

        assert_eq!(worker.bench.begun(), ["a"]);
        assert_eq!(worker.inbox.settled(), ["complete a"]);
        assert_eq!(worker.inbox.closed(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_ends_waits_no_longer_than_it_may() {
        let worker = running(2);
        worker.inbox.put("a");
        a_second_later().await;

        worker.shutdown.request("test");
        let ended = tokio::time::timeout(DRAIN + Duration::from_secs(1), worker.task).await;

        ended.expect("in time").expect("an orderly end");
        assert_eq!(worker.inbox.settled(), ["abandon a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_breaks_down_frees_its_slot() {
        let worker = running(1);
        worker.inbox.put("bomb");
        worker.inbox.put("a");
        worker.bench.let_go("a");
        a_second_later().await;

        assert_eq!(worker.inbox.settled(), ["complete a"]);
    }
}
