//! Faults of the identity plane, as switches with names: what goes wrong at Entra
//! ID, at a cluster's issuer and in the propagation of changes without anybody
//! having made a mistake. A fault is on for a number of times, for some seconds of
//! the cloud's time, or until it is cleared.
//!
//! `docs/faults.md` has a table of the names and of what the workload does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::clock::Clock;

mod history;

pub(crate) use history::History;

/// A fault's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    /// Changes of federated credentials take effect later.
    TrustDelay,
    /// Every other exchange meets a node that has not heard of the changes yet.
    TrustFlapping,
    /// Changes of role assignments take effect later.
    RoleDelay,
    /// The token endpoint answers 429, with `Retry-After`.
    TokenThrottled,
    /// The token endpoint takes the client for one that runs in a loop.
    TokenLoop,
    /// The token endpoint has a trouble of its own.
    TokenUnavailable,
    /// The cluster's issuer does not serve its documents.
    IssuerUnreachable,
    /// The cluster's issuer takes long to serve its documents.
    SlowKeys,
}

impl Name {
    /// Every name, with what it does and which parameters it takes.
    pub const ALL: [(Self, &'static str); 8] = [
        (
            Self::TrustDelay,
            "changes of federated credentials take effect after `seconds` (default 300)",
        ),
        (
            Self::TrustFlapping,
            "every other exchange sees federated credentials as they were `seconds` ago (default 300)",
        ),
        (
            Self::RoleDelay,
            "changes of role assignments take effect after `seconds` (default 600)",
        ),
        (
            Self::TokenThrottled,
            "the token endpoint answers 429 AADSTS90055 with `Retry-After: seconds` (default 1)",
        ),
        (
            Self::TokenLoop,
            "the token endpoint answers AADSTS50196: the client runs in a loop",
        ),
        (
            Self::TokenUnavailable,
            "the token endpoint answers `code` 500, 502, 503 or 504 (default 503), temporarily_unavailable",
        ),
        (
            Self::IssuerUnreachable,
            "the cluster's issuer answers 503; Entra ID says `code` 90061, 50166 or 501661 (default 50166)",
        ),
        (
            Self::SlowKeys,
            "the cluster's issuer takes `seconds` for each document (default 1)",
        ),
    ];

    /// Whether it can be for one identity alone.
    fn is_of_identities(self) -> bool {
        !matches!(self, Self::IssuerUnreachable | Self::SlowKeys)
    }

    fn default_seconds(self) -> Option<u32> {
        match self {
            Self::TrustDelay | Self::TrustFlapping => Some(300),
            Self::RoleDelay => Some(600),
            Self::TokenThrottled | Self::SlowKeys => Some(1),
            _ => None,
        }
    }

    fn codes(self) -> &'static [u32] {
        match self {
            Self::TokenUnavailable => &[503, 500, 502, 504],
            Self::IssuerUnreachable => &[50166, 90061, 501_661],
            _ => &[],
        }
    }
}

/// A fault as it is switched on. What is left out has a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Switch {
    /// Which.
    pub fault: Name,
    /// The identity that it is for; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// How often it happens; without end by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// For how many seconds of the cloud's time it is on; without end by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<u32>,
    /// Its own time: of a delay, or of `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// The status or the error code that it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
}

impl Switch {
    /// This fault, for everybody and without end.
    pub fn on(fault: Name) -> Self {
        Self {
            fault,
            identity: None,
            times: None,
            for_seconds: None,
            seconds: None,
            code: None,
        }
    }

    /// With defaults in the place of what was left out; or what makes no sense.
    fn complete(mut self) -> Result<Self, String> {
        let name = self.fault;
        let without = |what: &str| format!("this fault has no `{what}`");
        if self.identity.is_some() && !name.is_of_identities() {
            return Err(without("identity"));
        }
        match (name.default_seconds(), self.seconds) {
            (None, Some(_)) => return Err(without("seconds")),
            (default, own) => self.seconds = own.or(default),
        }
        match (name.codes(), self.code) {
            ([], Some(_)) => return Err(without("code")),
            (codes, Some(code)) if !codes.contains(&code) => {
                return Err(format!("`code` is one of {codes:?}"));
            }
            (codes, own) => self.code = own.or(codes.first().copied()),
        }
        Ok(self)
    }
}

/// A fault that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Active {
    /// Its number, by which it is cleared.
    pub number: u64,
    /// What was switched on.
    #[serde(flatten)]
    pub switch: SwitchedOn,
    /// How often it has happened.
    pub happened: u32,
    /// Until when it is on, RFC 3339, if that is known.
    pub until: Option<String>,
}

/// A switch as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    missing_docs,
    reason = "as in `Switch`; a flattened type may know no unknown fields"
)]
pub struct SwitchedOn {
    pub fault: Name,
    pub identity: Option<String>,
    pub times: Option<u32>,
    pub seconds: Option<u32>,
    pub code: Option<u32>,
}

/// The faults of a cloud; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    /// So that nobody takes the lock where nothing is wrong.
    any: AtomicBool,
    flaps: AtomicU64,
    // Held for a look at a few entries, never across an await.
    on: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    number: u64,
    faults: Vec<On>,
}

#[derive(Debug)]
struct On {
    number: u64,
    switch: Switch,
    until: Option<OffsetDateTime>,
    happened: u32,
}

impl On {
    fn is_on(&self, now: OffsetDateTime) -> bool {
        self.until.is_none_or(|until| now < until)
            && self.switch.times.is_none_or(|times| self.happened < times)
    }

    fn concerns(&self, identity: &str) -> bool {
        let own = self.switch.identity.as_deref();
        own.is_none_or(|own| own == identity)
    }

    fn seconds(&self) -> u32 {
        self.switch.seconds.unwrap_or_default()
    }
}

/// What the token endpoint says in the place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenFault {
    Throttled { retry_after: u32 },
    Loop,
    Unavailable { status: u16 },
}

impl Faults {
    /// None.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                any: AtomicBool::new(false),
                flaps: AtomicU64::new(0),
                on: Mutex::default(),
            }),
        }
    }

    /// Switches a fault on; returns its number.
    pub(crate) fn switch_on(&self, switch: Switch) -> Result<u64, String> {
        let switch = switch.complete()?;
        let now = self.shared.clock.now();
        let mut state = self.lock();
        state.number += 1;
        let number = state.number;
        state.faults.push(On {
            number,
            until: switch
                .for_seconds
                .map(|seconds| now + Duration::seconds(seconds.into())),
            switch,
            happened: 0,
        });
        self.shared.any.store(true, Ordering::Release);
        Ok(number)
    }

    /// Switches one off, or all; how many there were.
    pub(crate) fn clear(&self, number: Option<u64>) -> usize {
        let mut state = self.lock();
        let before = state.faults.len();
        state
            .faults
            .retain(|on| number.is_some_and(|number| on.number != number));
        self.shared
            .any
            .store(!state.faults.is_empty(), Ordering::Release);
        before - state.faults.len()
    }

    /// What is on.
    pub(crate) fn active(&self) -> Vec<Active> {
        let now = self.shared.clock.now();
        let state = self.lock();
        let on = state.faults.iter().filter(|on| on.is_on(now));
        on.map(|on| Active {
            number: on.number,
            switch: SwitchedOn {
                fault: on.switch.fault,
                identity: on.switch.identity.clone(),
                times: on.switch.times,
                seconds: on.switch.seconds,
                code: on.switch.code,
            },
            happened: on.happened,
            until: on.until.map(crate::audit::rfc3339),
        })
        .collect()
    }

    /// What the token endpoint says to a request of this identity.
    pub(crate) fn at_token_endpoint(&self, identity: &str) -> Option<TokenFault> {
        self.next(|on| {
            on.concerns(identity).then_some(())?;
            match on.switch.fault {
                Name::TokenThrottled => Some(TokenFault::Throttled {
                    retry_after: on.seconds(),
                }),
                Name::TokenLoop => Some(TokenFault::Loop),
                Name::TokenUnavailable => Some(TokenFault::Unavailable {
                    status: u16::try_from(on.switch.code?).ok()?,
                }),
                _ => None,
            }
        })
    }

    /// As of when an exchange sees the trust of an identity.
    pub(crate) fn trust_seen_as_of(&self, identity: &str) -> OffsetDateTime {
        let now = self.shared.clock.now();
        let behind = self.next(|on| {
            on.concerns(identity).then_some(())?;
            match on.switch.fault {
                Name::TrustDelay => Some(on.seconds()),
                Name::TrustFlapping => {
                    let before = self.shared.flaps.fetch_add(1, Ordering::Relaxed);
                    (before % 2 == 0).then(|| on.seconds())
                }
                _ => None,
            }
        });
        now - Duration::seconds(behind.unwrap_or_default().into())
    }

    /// As of when a resource sees the role assignments of an identity.
    pub(crate) fn roles_seen_as_of(&self, identity: &str) -> OffsetDateTime {
        let now = self.shared.clock.now();
        let behind = self.next(|on| {
            let is_it = on.switch.fault == Name::RoleDelay && on.concerns(identity);
            is_it.then(|| on.seconds())
        });
        now - Duration::seconds(behind.unwrap_or_default().into())
    }

    /// Whether the cluster's issuer cannot be reached.
    pub(crate) fn issuer_is_away(&self) -> bool {
        self.next(|on| (on.switch.fault == Name::IssuerUnreachable).then_some(()))
            .is_some()
    }

    /// The code with which Entra ID says that an issuer cannot be reached.
    pub(crate) fn unreachable_code(&self) -> Option<u32> {
        let state = self.lock();
        let away = |on: &&On| on.switch.fault == Name::IssuerUnreachable;
        state.faults.iter().rev().find(away)?.switch.code
    }

    /// How long the cluster's issuer takes for a document.
    pub(crate) fn issuer_takes(&self) -> Option<std::time::Duration> {
        let seconds = self.next(|on| (on.switch.fault == Name::SlowKeys).then(|| on.seconds()))?;
        Some(std::time::Duration::from_secs(seconds.into()))
    }

    /// The first fault that is on and means something here; it counts.
    fn next<T>(&self, what: impl Fn(&On) -> Option<T>) -> Option<T> {
        if !self.shared.any.load(Ordering::Acquire) {
            return None;
        }
        let now = self.shared.clock.now();
        let mut state = self.lock();
        let mut on = state.faults.iter_mut().filter(|on| on.is_on(now));
        on.find_map(|on| {
            let found = what(on)?;
            on.happened += 1;
            Some(found)
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let on = self.shared.on.lock();
        on.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
