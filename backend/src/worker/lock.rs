//! The lock of a message in hand: renewed for as long as there is work, and seen
//! when it is lost, because from then on the message is somebody else's.
//!
//! How long a lock lasts is a setting of the queue, which this program does not
//! know: the broker says until when each message is locked, by its own clock.
//!
//! Azure: *Message transfers, locks, and settlement*.

use std::time::Duration;

use platform::telemetry::error_chain;
use service_bus::ServiceBusErrorKind;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::inbox::{Inbox, Message};

/// The longest that Service Bus locks a message without renewal.
const LONGEST: Duration = Duration::from_mins(5);

/// A lock is never taken to be shorter: what looks so comes from a clock.
const SHORTEST: Duration = Duration::from_secs(3);

/// A renewal costs little and tells early that a lock was lost.
const RENEW_WITHIN: Duration = Duration::from_secs(10);

/// How long a lock lasts, from when it was taken or renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lock {
    lasts: Duration,
}

/// The message is somebody else's now, or soon.
#[derive(Debug, thiserror::Error)]
#[error("the lock was lost")]
pub(super) struct LockLost;

impl Lock {
    /// As the broker tells it, of a message that is in hand since `now`.
    ///
    /// The end of the lock and the time of enqueueing are by the broker's clock,
    /// `now` is by ours. A lock cannot last longer than from enqueueing to its
    /// end, whatever the two clocks say of each other. When ours is ahead, the
    /// lock is renewed more often than need be, and never too late.
    pub(super) fn until(
        until: OffsetDateTime,
        enqueued: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Self {
        let left = (until - now).min(until - enqueued);
        let left = Duration::try_from(left).unwrap_or_default();
        Self {
            lasts: left.clamp(SHORTEST, LONGEST),
        }
    }

    /// Renews the lock of a message for as long as this is polled, and ends when
    /// it is lost: the broker says so, or could not be reached for as long as a
    /// lock lasts.
    pub(super) async fn keep<I: Inbox>(inbox: &I, message: &Message<I::Receipt>) -> LockLost {
        let Self { lasts } = message.lock;
        let pause = (lasts / 3).min(RENEW_WITHIN);
        let mut end = Instant::now() + lasts;
        loop {
            sleep_until(end.min(Instant::now() + pause)).await;
            let asked = Instant::now();
            match timeout_at(end, inbox.renew(&message.receipt)).await {
                Ok(Ok(())) => end = asked + lasts,
                Ok(Err(error)) => {
                    let cause = error_chain(&error);
                    tracing::warn!(cause, "cannot renew the lock");
                    let is_lost =
                        matches!(error.kind(), ServiceBusErrorKind::MessageLockLost { .. });
                    if is_lost || Instant::now() >= end {
                        return LockLost;
                    }
                }
                Err(_) => return LockLost,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-23 22:05:07 UTC);

    fn lasts(until: i64, enqueued: i64) -> u64 {
        let at = |seconds| NOW + time::Duration::seconds(seconds);
        Lock::until(at(until), at(enqueued), NOW).lasts.as_secs()
    }

    #[test]
    fn a_lock_lasts_as_long_as_the_broker_says() {
        assert_eq!(lasts(30, 0), 30, "handed over at once");
        assert_eq!(lasts(30, -600), 30, "after it waited in the queue");
        assert_eq!(lasts(20, -10), 20, "after it waited in the link's buffer");
    }

    #[test]
    fn clocks_that_disagree_cost_renewals_and_never_a_lock() {
        assert_eq!(lasts(3630, 3600), 30, "the broker's clock is ahead");
        assert_eq!(lasts(-3570, -3600), 3, "the broker's clock is behind");
        assert_eq!(lasts(7200, 0), 300, "longer than any lock");
    }
}
