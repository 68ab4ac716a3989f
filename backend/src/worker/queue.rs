//! Messages of one queue, one after the other: received, handled, settled.
//!
//! A message is settled only after its effect. While a dependency is down the
//! message stays in hand, its lock is renewed, and the handling is tried again
//! with pauses: another message would meet the same, and giving this one back at
//! once would use up its deliveries in a moment.

use std::future::Future;
use std::time::Duration;

use platform::backoff::Backoff;
use platform::health::Check;
use platform::server::Shutdown;
use platform::telemetry::{error_chain, redact};
use service_bus::{
    ServiceBusError, ServiceBusErrorKind, ServiceBusReceivedMessage, ServiceBusReceiver,
};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::trouble::Trouble;
use platform::readiness;

/// How long one receive waits for a message.
const WAIT: Duration = Duration::from_secs(20);

/// How long a message is kept in hand while what is in its way may pass.
const PATIENCE: Duration = Duration::from_mins(1);

/// A third of the queues' lock duration. Not the lock's own end: the broker's
/// clock is another.
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// The effect of a message. It can be repeated.
pub(crate) trait Handler: Sync {
    /// Handles the body of a message.
    fn handle(&self, body: &[u8]) -> impl Future<Output = Result<(), Trouble>> + Send;
}

/// A queue, and what becomes of its messages.
#[derive(Debug)]
pub(crate) struct Consumer<H> {
    pub(crate) queue: String,
    pub(crate) receiver: ServiceBusReceiver,
    pub(crate) handler: H,
}

impl<H: Handler> Consumer<H> {
    /// Handles messages until the pod is asked to end, and then the one in hand.
    /// The check is ready once the receiver's link stands.
    // Identity worker, Azure Service Bus Data Receiver on the queue.
    pub(crate) async fn run(self, check: Check, shutdown: Shutdown) {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
        // Only to open the link: whether there are messages does not matter yet.
        let mut wait = Duration::ZERO;
        loop {
            let received = tokio::select! {
                biased;
                () = shutdown.requested() => break,
                received = self.receiver.receive_message(wait) => received,
            };
            match received {
                Ok(message) => {
                    check.ready();
                    wait = WAIT;
                    backoff.reset();
                    if let Some(message) = message {
                        self.process(&message, &shutdown).await;
                    }
                }
                Err(error) => {
                    if wait.is_zero() {
                        readiness::waiting(&check, &error);
                    } else {
                        let cause = error_chain(&error);
                        tracing::warn!(cause, queue = self.queue, "cannot receive");
                    }
                    pause(backoff.pause(), &shutdown).await;
                }
            }
        }
        self.receiver.close().await;
    }

    async fn process(&self, message: &ServiceBusReceivedMessage, shutdown: &Shutdown) {
        let span = tracing::info_span!(
            "message",
            queue = self.queue,
            message.id = message.message_id(),
            message.delivery_count = message.delivery_count(),
        );
        async {
            let outcome = persist(&self.handler, message.body(), shutdown);
            let settled = tokio::select! {
                outcome = outcome => self.settle(message, outcome).await,
                lost = self.keep_lock(message) => Err(lost),
            };
            if let Err(error) = settled {
                // It comes again, to this replica or another.
                let cause = error_chain(&error);
                tracing::warn!(cause, "the message was not settled");
            }
        }
        .instrument(span)
        .await;
    }

    async fn settle(
        &self,
        message: &ServiceBusReceivedMessage,
        handled: Result<(), Trouble>,
    ) -> Result<(), ServiceBusError> {
        let Err(trouble) = handled else {
            return self.receiver.complete_message(message).await;
        };
        let cause = error_chain(&trouble);
        match trouble {
            Trouble::Passing(_) => {
                tracing::warn!(cause, "gave the message back");
                self.receiver.abandon_message(message).await
            }
            Trouble::Permanent { reason, source } => {
                tracing::error!(cause, reason, "dead-lettered the message: {reason}");
                let description = redact(&error_chain(&*source)).into_owned();
                self.receiver
                    .dead_letter_message(message, reason, &description)
                    .await
            }
        }
    }

    /// Renews the lock for as long as it is polled, and ends when it is lost.
    async fn keep_lock(&self, message: &ServiceBusReceivedMessage) -> ServiceBusError {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            if let Err(error) = self.receiver.renew_message_lock(message).await {
                if let ServiceBusErrorKind::MessageLockLost { .. } = error.kind() {
                    return error;
                }
                let cause = error_chain(&error);
                tracing::warn!(cause, "cannot renew the lock");
            }
        }
    }
}

/// Handles a message, again and again while what is in the way may pass, for as
/// long as there is patience and the pod is not asked to end.
async fn persist(handler: &impl Handler, body: &[u8], shutdown: &Shutdown) -> Result<(), Trouble> {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let outcome = handler.handle(body).await;
        let Err(trouble @ Trouble::Passing(_)) = &outcome else {
            return outcome;
        };
        if shutdown.is_requested() || Instant::now() >= deadline {
            return outcome;
        }
        let cause = error_chain(trouble);
        tracing::warn!(cause, "not handled yet");
        pause(backoff.pause(), shutdown).await;
    }
}

/// Waits, unless the pod is asked to end.
pub(super) async fn pause(time: Duration, shutdown: &Shutdown) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = shutdown.requested() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Fails a number of times, and asks the pod to end when it does.
    struct Failing {
        times: u32,
        asked: AtomicU32,
        ends: Option<Shutdown>,
    }

    impl Failing {
        fn times(times: u32) -> Self {
            Self {
                times,
                asked: AtomicU32::new(0),
                ends: None,
            }
        }

        fn asked(&self) -> u32 {
            self.asked.load(Ordering::Relaxed)
        }
    }

    impl Handler for Failing {
        async fn handle(&self, _: &[u8]) -> Result<(), Trouble> {
            if self.asked.fetch_add(1, Ordering::Relaxed) >= self.times {
                return Ok(());
            }
            if let Some(shutdown) = &self.ends {
                shutdown.request("test");
            }
            Err(Trouble::Passing("the dependency is down".into()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_costs_no_delivery() {
        let handler = Failing::times(5);

        let outcome = persist(&handler, b"", &Shutdown::manual()).await;

        assert!(outcome.is_ok());
        assert_eq!(handler.asked(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_has_an_end() {
        let handler = Failing::times(u32::MAX);
        let begin = Instant::now();

        let outcome = persist(&handler, b"", &Shutdown::manual()).await;

        assert!(matches!(outcome, Err(Trouble::Passing(_))));
        let lasted = begin.elapsed();
        assert!(
            PATIENCE <= lasted && lasted <= PATIENCE + Duration::from_secs(10),
            "{lasted:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_ends_gives_the_message_back_at_once() {
        let shutdown = Shutdown::manual();
        let handler = Failing {
            ends: Some(shutdown.clone()),
            ..Failing::times(u32::MAX)
        };
        let begin = Instant::now();

        let outcome = persist(&handler, b"", &shutdown).await;

        assert!(matches!(outcome, Err(Trouble::Passing(_))));
        assert_eq!(handler.asked(), 1);
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_will_is_tried_once() {
        struct Refusing;
        impl Handler for Refusing {
            async fn handle(&self, body: &[u8]) -> Result<(), Trouble> {
                crate::messages::read_job(body)?;
                Ok(())
            }
        }

        let outcome = persist(&Refusing, b"poison", &Shutdown::manual()).await;

        let Err(Trouble::Permanent { reason, .. }) = outcome else {
            panic!("poison is permanent: {outcome:?}");
        };
        assert_eq!(reason, "UnreadableMessage");
    }
}
