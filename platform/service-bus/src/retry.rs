//! The bounded retry of one operation.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use tokio::time::Instant;

use crate::{ServiceBusClientOptions, ServiceBusErrorKind};

/// One operation's attempts and time.
pub(crate) struct Retry<'a> {
    options: &'a ServiceBusClientOptions,
    started: Instant,
    attempts: u32,
}

/// A failed attempt.
pub(crate) struct Failure {
    pub(crate) kind: ServiceBusErrorKind,
    /// What failed is the link, for a reason of its own: whatever it is, a fresh one may do.
    pub(crate) is_stale: bool,
}

impl Failure {
    /// A failure of an attached link, which is fresh if this attempt opened it. A link from
    /// earlier proves nothing about a new one, nor does a token that has expired meanwhile: only
    /// a refusal by role names the claim that is missing.
    pub(crate) fn of_link(kind: ServiceBusErrorKind, is_fresh: bool) -> Self {
        let is_stale =
            !is_fresh || matches!(kind, ServiceBusErrorKind::Unauthorized { claim: None, .. });
        Self { kind, is_stale }
    }
}

impl From<ServiceBusErrorKind> for Failure {
    fn from(kind: ServiceBusErrorKind) -> Self {
        Self {
            kind,
            is_stale: false,
        }
    }
}

impl<'a> Retry<'a> {
    pub(crate) fn new(options: &'a ServiceBusClientOptions) -> Self {
        Self {
            options,
            started: Instant::now(),
            attempts: 1,
        }
    }

    /// How long the current attempt may take.
    pub(crate) fn limit(&self) -> Duration {
        self.options.try_timeout.min(self.left())
    }

    /// Waits before the next attempt, or says why there is none.
    pub(crate) async fn or_give_up(
        &mut self,
        failure: impl Into<Failure>,
    ) -> Result<(), ServiceBusErrorKind> {
        let Failure { kind, is_stale } = failure.into();
        let may_help = is_stale || kind.is_transient();
        let pause = if is_stale {
            Duration::ZERO
        } else {
            self.pause()
        };
        if !may_help || self.attempts >= self.options.retry.max_attempts || pause >= self.left() {
            return Err(kind);
        }

        tracing::debug!(attempt = self.attempts, error = %kind, "trying again");
        self.attempts += 1;
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn left(&self) -> Duration {
        self.options
            .retry
            .budget
            .saturating_sub(self.started.elapsed())
    }

    /// Doubled with each attempt; half of it is chance, so that replicas do not come back as one.
    fn pause(&self) -> Duration {
        let doublings = (self.attempts - 1).min(16);
        let full = self.options.retry.delay.saturating_mul(1 << doublings);
        let chance =
            u32::try_from(RandomState::new().build_hasher().finish() & 0xff).expect("a byte fits");
        full / 2 + full / 2 * chance / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> ServiceBusErrorKind {
        ServiceBusErrorKind::connection("lost")
    }

    fn quick() -> ServiceBusClientOptions {
        let mut options = ServiceBusClientOptions::default();
        options.retry.delay = Duration::from_millis(1);
        options
    }

    #[tokio::test]
    async fn there_are_three_attempts_in_all() {
        let options = quick();
        let mut retry = Retry::new(&options);

        retry.or_give_up(lost()).await.unwrap();
        retry.or_give_up(lost()).await.unwrap();
        let given_up = retry.or_give_up(lost()).await.unwrap_err();

        assert_eq!(given_up.to_string(), "lost");
    }

    #[tokio::test]
    async fn no_attempt_begins_or_lasts_beyond_the_budget() {
        let mut options = quick();
        options.retry.budget = Duration::from_secs(2);
        let retry = Retry::new(&options);
        assert!(retry.limit() <= Duration::from_secs(2));

        options.retry.budget = Duration::ZERO;
        let mut retry = Retry::new(&options);
        assert_eq!(retry.limit(), Duration::ZERO);
        retry.or_give_up(lost()).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_refusal_by_role_is_final_unless_the_link_was_an_old_one() {
        let refused = || unauthorized(Some("Send"));
        let options = quick();
        let mut retry = Retry::new(&options);

        retry
            .or_give_up(Failure::of_link(refused(), false))
            .await
            .unwrap();
        retry
            .or_give_up(Failure::of_link(refused(), true))
            .await
            .unwrap_err();
        retry.or_give_up(refused()).await.unwrap_err();
    }

    #[tokio::test]
    async fn an_expired_token_is_worth_a_fresh_link_but_a_refused_attach_is_not() {
        let options = quick();
        let mut retry = Retry::new(&options);

        retry
            .or_give_up(Failure::of_link(unauthorized(None), true))
            .await
            .unwrap();
        retry.or_give_up(unauthorized(None)).await.unwrap_err();
    }

    fn unauthorized(claim: Option<&str>) -> ServiceBusErrorKind {
        ServiceBusErrorKind::Unauthorized {
            claim: claim.map(str::to_owned),
            description: String::new(),
        }
    }

    #[test]
    fn pauses_grow_and_stay_between_half_and_full() {
        let options = ServiceBusClientOptions::default();
        let mut retry = Retry::new(&options);

        for full in [100, 200, 400].map(Duration::from_millis) {
            let pause = retry.pause();
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
            retry.attempts += 1;
        }
    }
}
