//! One message from hand to settlement.
//!
//! While a dependency is down the message stays in hand: its lock is renewed and
//! the handling is tried again with pauses, because another message would meet
//! the same, and because each time that a message is given back uses up one of
//! the deliveries that its queue allows. When patience ends it is given back. It
//! would come again at once, to this replica or another, so it is kept a while
//! longer first, and longer each time: 1 s, 2 s, 4 s, up to a minute.
//!
//! What never will succeed is dead-lettered with a reason. What the broker
//! dead-letters, after the last delivery that a queue allows, is seen by
//! `worker/dead_letters.rs`.

use std::future::Future;
use std::time::Duration;

use platform::backoff::Backoff;
use platform::server::Shutdown;
use platform::telemetry::{error_chain, redact};
use service_bus::{ServiceBusError, ServiceBusErrorKind};
use tokio::time::Instant;

use super::inbox::{Inbox, Message, Settlement};
use super::lock::Lock;
use super::trouble::Trouble;
use crate::rounds::pause;

/// How long a message is tried again while what is in its way may pass.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a message is kept before it is given back the first time.
const FIRST_KEEP: Duration = Duration::from_secs(1);

/// The longest that a message is kept before it is given back.
const LONGEST_KEEP: Duration = Duration::from_mins(1);

/// The effect of a message. It can be repeated, and it can be broken off.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Handles the body of a message.
    fn handle(&self, body: &[u8]) -> impl Future<Output = Result<(), Trouble>> + Send;
}

/// What a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The message had its effect and is gone.
    Completed,
    /// It was given back.
    Abandoned,
    /// It never will have its effect.
    DeadLettered,
    /// It became somebody else's.
    LockLost,
    /// The queue could not be told what became of it: it comes again.
    Unsettled,
}

impl Outcome {
    /// As the metric `messages_total` has it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Abandoned => "abandoned",
            Self::DeadLettered => "dead_lettered",
            Self::LockLost => "lock_lost",
            Self::Unsettled => "unsettled",
        }
    }
}

/// Handles a message and settles it. It is broken off when its lock is lost, or
/// when the pod was asked to end and `drain` has passed since.
pub(super) async fn deliver<I: Inbox>(
    inbox: &I,
    handler: &impl Handler,
    message: &Message<I::Receipt>,
    (shutdown, drain): (&Shutdown, Duration),
) -> Outcome {
    let effect = tokio::select! {
        biased;
        effect = handle(handler, message, shutdown) => effect,
        lost = Lock::keep(inbox, message) => {
            tracing::warn!("broke off: {lost}, the message comes again");
            return Outcome::LockLost;
        }
        () = out_of_time(shutdown, drain) => {
            Err(Trouble::Passing("the pod ends before the work does".into()))
        }
    };
    settle(inbox, message, effect).await
}

/// Handles a message patiently. One that is to be given back is kept a while.
async fn handle<R>(
    handler: &impl Handler,
    message: &Message<R>,
    shutdown: &Shutdown,
) -> Result<(), Trouble> {
    let effect = persist(handler, &message.body, shutdown).await;
    if let Err(Trouble::Passing(_)) = effect {
        pause(keep_for(message.delivery_count), shutdown).await;
    }
    effect
}

/// Handles a body, again and again while what is in the way may pass, for as long
/// as there is patience and the pod is not asked to end.
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

/// How long a message is kept before it is given back.
fn keep_for(delivery_count: u32) -> Duration {
    let doublings = delivery_count.min(LONGEST_KEEP.as_secs().ilog2() + 1);
    (FIRST_KEEP * (1 << doublings)).min(LONGEST_KEEP)
}

async fn out_of_time(shutdown: &Shutdown, drain: Duration) {
    shutdown.requested().await;
    tokio::time::sleep(drain).await;
}

async fn settle<I: Inbox>(
    inbox: &I,
    message: &Message<I::Receipt>,
    effect: Result<(), Trouble>,
) -> Outcome {
    let (settled, outcome) = match effect {
        Ok(()) => {
            let settled = inbox.settle(&message.receipt, Settlement::Complete).await;
            (settled, Outcome::Completed)
        }
        Err(trouble @ Trouble::Passing(_)) => {
            let cause = error_chain(&trouble);
            tracing::warn!(cause, "gave the message back");
            let settled = inbox.settle(&message.receipt, Settlement::Abandon).await;
            (settled, Outcome::Abandoned)
        }
        Err(Trouble::Permanent { reason, source }) => {
            let description = redact(&error_chain(&*source)).into_owned();
            tracing::error!(
                cause = description,
                reason,
                "dead-lettered the message: {reason}"
            );
            let settlement = Settlement::DeadLetter {
                reason,
                description: &description,
            };
            let settled = inbox.settle(&message.receipt, settlement).await;
            (settled, Outcome::DeadLettered)
        }
    };
    match settled {
        Ok(()) => outcome,
        Err(error) => unsettled(&error),
    }
}

/// The message comes again, to this replica or another.
fn unsettled(error: &ServiceBusError) -> Outcome {
    let cause = error_chain(error);
    tracing::warn!(cause, "the message was not settled");
    match error.kind() {
        ServiceBusErrorKind::MessageLockLost { .. } => Outcome::LockLost,
        _ => Outcome::Unsettled,
    }
}

#[cfg(test)]
mod tests {
    use super::super::inbox::played::Played;
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    const LOCK: Duration = Duration::from_secs(30);
    const DRAIN: Duration = Duration::from_secs(25);

    /// Fails a number of times, takes its time, and counts.
    struct Work {
        fails: u32,
        takes: Duration,
        asked: AtomicU32,
    }

    impl Work {
        fn failing(fails: u32) -> Self {
            Self {
                fails,
                takes: Duration::ZERO,
                asked: AtomicU32::new(0),
            }
        }

        fn taking(takes: Duration) -> Self {
            Self {
                takes,
                ..Self::failing(0)
            }
        }

        fn asked(&self) -> u32 {
            self.asked.load(Ordering::Relaxed)
        }
    }

    impl Handler for Work {
        async fn handle(&self, _: &[u8]) -> Result<(), Trouble> {
            let before = self.asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.takes).await;
            if before >= self.fails {
                return Ok(());
            }
            Err(Trouble::Passing("the dependency is down".into()))
        }
    }

    /// A message that came to nothing `times` times: what becomes of it, and when.
    async fn delivered(
        inbox: &Played,
        handler: &impl Handler,
        times: u32,
        shutdown: &Shutdown,
    ) -> (Outcome, Duration) {
        let message = inbox.taken("a", times);
        let begin = Instant::now();
        let outcome = deliver(inbox, handler, &message, (shutdown, DRAIN)).await;
        (outcome, begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_costs_no_delivery() {
        let inbox = Played::with_locks_of(LOCK);
        let work = Work::failing(5);

        let (outcome, _) = delivered(&inbox, &work, 0, &Shutdown::manual()).await;

        assert_eq!(outcome, Outcome::Completed);
        assert_eq!(work.asked(), 6);
        assert_eq!(inbox.settled(), ["complete a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_and_a_message_is_kept_the_longer_the_oftener_it_came() {
        for (times, keeps) in [(0, 1), (1, 2), (3, 8), (5, 32), (6, 60), (9, 60)] {
            let inbox = Played::with_locks_of(LOCK);
            let work = Work::failing(u32::MAX);

            let (outcome, took) = delivered(&inbox, &work, times, &Shutdown::manual()).await;

            assert_eq!(outcome, Outcome::Abandoned);
            assert_eq!(inbox.settled(), ["abandon a"]);
            let least = PATIENCE + Duration::from_secs(keeps);
            let most = least + Duration::from_secs(11);
            assert!(least <= took && took <= most, "{times}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn long_work_outlives_the_lock_that_it_began_with() {
        for seconds in [3, 5, 30, 300] {
            let inbox = Played::with_locks_of(Duration::from_secs(seconds));
            let work = Work::taking(Duration::from_mins(20));

            let (outcome, _) = delivered(&inbox, &work, 0, &Shutdown::manual()).await;

            assert_eq!(outcome, Outcome::Completed, "{seconds}");
            assert_eq!(inbox.settled(), ["complete a"]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_broken_off_when_its_lock_is_lost() {
        let inbox = Played::with_locks_of(LOCK);
        let work = Work::taking(Duration::from_mins(20));
        let shutdown = Shutdown::manual();
        let losing = async {
            tokio::time::sleep(Duration::from_secs(65)).await;
            inbox.take_lock("a");
        };

        let ((outcome, took), ()) = tokio::join!(delivered(&inbox, &work, 0, &shutdown), losing);

        assert_eq!(outcome, Outcome::LockLost);
        assert_eq!(took, Duration::from_secs(70), "at the next renewal");
        assert!(inbox.settled().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_broken_off_when_nobody_knows_whose_the_lock_is() {
        let inbox = Played::with_locks_of(LOCK);
        let work = Work::taking(Duration::from_mins(20));
        let shutdown = Shutdown::manual();
        let going = async {
            tokio::time::sleep(Duration::from_secs(65)).await;
            inbox.go_away();
        };

        let ((outcome, took), ()) = tokio::join!(delivered(&inbox, &work, 0, &shutdown), going);

        assert_eq!(outcome, Outcome::LockLost);
        assert_eq!(
            took,
            Duration::from_secs(90),
            "a lock after the last renewal"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_and_cannot_be_settled_comes_again() {
        let inbox = Played::with_locks_of(LOCK);
        inbox.go_away();

        let (outcome, _) = delivered(&inbox, &Work::failing(0), 0, &Shutdown::manual()).await;

        assert_eq!(outcome, Outcome::Unsettled);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_will_is_tried_once_and_dead_lettered_with_the_reason() {
        struct Reader;
        impl Handler for Reader {
            async fn handle(&self, body: &[u8]) -> Result<(), Trouble> {
                crate::messages::read_job(body)?;
                Ok(())
            }
        }
        let inbox = Played::with_locks_of(LOCK);

        let (outcome, took) = delivered(&inbox, &Reader, 0, &Shutdown::manual()).await;

        assert_eq!(outcome, Outcome::DeadLettered);
        assert_eq!(took, Duration::ZERO);
        assert_eq!(
            inbox.settled(),
            [
                "dead-letter a: UnreadableMessage, the message cannot be read: \
              expected value at line 1 column 1"
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_ends_finishes_what_it_has_in_hand() {
        let inbox = Played::with_locks_of(LOCK);
        let shutdown = Shutdown::manual();
        shutdown.request("test");
        let work = Work::taking(DRAIN * 9 / 10);

        let (outcome, _) = delivered(&inbox, &work, 0, &shutdown).await;

        assert_eq!(outcome, Outcome::Completed);
        assert_eq!(inbox.settled(), ["complete a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_ends_gives_back_what_takes_too_long_and_what_has_trouble() {
        let shutdown = Shutdown::manual();
        shutdown.request("test");
        let too_long = Work::taking(Duration::from_mins(20));
        for (work, given_back) in [(too_long, DRAIN), (Work::failing(1), Duration::ZERO)] {
            let inbox = Played::with_locks_of(LOCK);

            let (outcome, took) = delivered(&inbox, &work, 3, &shutdown).await;

            assert_eq!(outcome, Outcome::Abandoned);
            assert_eq!(took, given_back);
            assert_eq!(work.asked(), 1);
            assert_eq!(inbox.settled(), ["abandon a"]);
        }
    }
}
