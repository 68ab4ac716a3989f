//! Holding the next operation that matches, so that a test can stop the world
//! at an exact point (and kill a process there) instead of guessing at timing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Which operation to hold; what is left out matches anything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// The identity's name in the access model.
    pub identity: Option<String>,
    /// The vendor's name of the operation.
    pub operation: Option<String>,
    /// The scope, or one of its ancestors.
    pub scope: Option<String>,
}

impl Matcher {
    fn matches(&self, identity: &str, operation: &str, scope: &str) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        let within = |wanted: &str| {
            scope == wanted
                || scope
                    .strip_prefix(wanted)
                    .is_some_and(|r| r.starts_with('/'))
        };
        is(&self.identity, identity)
            && is(&self.operation, operation)
            && self.scope.as_deref().is_none_or(within)
    }
}

/// Where a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing has matched yet.
    Armed,
    /// An operation waits.
    Holding,
    /// It was let go on.
    Released,
    /// The one who asked for the operation went away while it waited.
    Gone,
}

struct Hold {
    matcher: Matcher,
    state: watch::Sender<State>,
}

/// The holds of a cloud; clones share them.
#[derive(Clone, Default)]
pub struct Holds {
    // Held for a lookup only, never across an await.
    holds: Arc<Mutex<BTreeMap<u64, Hold>>>,
}

impl Holds {
    /// Arms a hold for the next matching operation; returns its number.
    pub fn arm(&self, matcher: Matcher) -> u64 {
        let mut holds = self.lock();
        let number = holds.len() as u64 + 1;
        let state = watch::Sender::new(State::Armed);
        holds.insert(number, Hold { matcher, state });
        number
    }

    /// Where a hold stands, or `None` if there is none of that number.
    pub fn state(&self, number: u64) -> Option<State> {
        self.lock().get(&number).map(|hold| *hold.state.borrow())
    }

    /// Lets the held operation go on, or disarms the hold.
    pub fn release(&self, number: u64) -> Option<State> {
        let holds = self.lock();
        let hold = holds.get(&number)?;
        hold.state.send_if_modified(|state| {
            let waits = matches!(state, State::Armed | State::Holding);
            if waits {
                *state = State::Released;
            }
            waits
        });
        Some(*hold.state.borrow())
    }

    /// Waits if a hold was armed for this operation. Dropping the future while
    /// it waits (the caller's connection is gone) is seen as [`State::Gone`].
    pub(crate) async fn wait(&self, identity: &str, operation: &str, scope: &str) {
        let Some(state) = self.take(identity, operation, scope) else {
            return;
        };
        let mut changes = state.subscribe();
        let guard = GoneUnlessReleased(state);
        let released = changes
            .wait_for(|state| *state == State::Released)
            .await
            .is_ok();
        debug_assert!(released, "the sender lives in the guard");
        drop(guard);
    }

    fn take(&self, identity: &str, operation: &str, scope: &str) -> Option<watch::Sender<State>> {
        let holds = self.lock();
        let hold = holds.values().find(|hold| {
            *hold.state.borrow() == State::Armed && hold.matcher.matches(identity, operation, scope)
        })?;
        hold.state.send_replace(State::Holding);
        Some(hold.state.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Hold>> {
        self.holds
            .lock()
            .expect("no one panics while holding the holds")
    }
}

struct GoneUnlessReleased(watch::Sender<State>);

impl Drop for GoneUnlessReleased {
    fn drop(&mut self) {
        self.0.send_if_modified(|state| {
            let waits = *state == State::Holding;
            if waits {
                *state = State::Gone;
            }
            waits
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_next_matching_operation_is_held_until_it_is_released() {
        let holds = Holds::default();
        let number = holds.arm(Matcher {
            operation: Some("Send".to_owned()),
            scope: Some("bus".to_owned()),
            ..Matcher::default()
        });

        holds.wait("a", "Receive", "bus/queues/q").await;
        holds.wait("a", "Send", "business").await;
        let waiting = tokio::spawn({
            let holds = holds.clone();
            async move { holds.wait("a", "Send", "bus/queues/q").await }
        });
        while holds.state(number) != Some(State::Holding) {
            tokio::task::yield_now().await;
        }
        holds.wait("a", "Send", "bus/queues/q").await;

        assert_eq!(holds.release(number), Some(State::Released));
        waiting.await.expect("the operation goes on");
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_while_held_is_seen() {
        let holds = Holds::default();
        let number = holds.arm(Matcher::default());
        let waiting = tokio::spawn({
            let holds = holds.clone();
            async move { holds.wait("a", "Send", "bus").await }
        });
        while holds.state(number) != Some(State::Holding) {
            tokio::task::yield_now().await;
        }

        waiting.abort();
        assert!(waiting.await.is_err());

        assert_eq!(holds.state(number), Some(State::Gone));
        assert_eq!(holds.release(number), Some(State::Gone));
    }
}
