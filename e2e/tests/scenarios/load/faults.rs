//! What may go wrong during a load, and what may not.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{FEW_LISTS, LISTS};
use crate::rotation::version_of;

/// How many changes everybody makes, unless something else says when it is over.
pub(super) const CHANGES_OF_EACH: usize = 15;

/// Between two changes of somebody who goes on until the keys have changed.
const THINKING: Duration = Duration::from_millis(150);

/// What happens to the workload meanwhile.
#[derive(Clone, Debug)]
pub(crate) enum Faults {
    /// Nothing.
    None,
    /// Its processes are killed, so that requests may fail.
    Kills,
    /// Its keys change, so that sessions may be refused whose key is no more.
    Rotation(Withdrawn),
}

/// Versions of keys that were disabled. A cheap handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Withdrawn {
    /// Held for a line.
    versions: Arc<Mutex<BTreeSet<String>>>,
    is_over: Arc<AtomicBool>,
}

impl Withdrawn {
    /// A version is about to be disabled.
    pub(crate) fn note(&self, version: &str) {
        let mut versions = self.versions.lock().expect("no panic");
        versions.insert(version.to_owned());
    }

    /// No more of them will be.
    pub(crate) fn close(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn has(&self, version: &str) -> bool {
        self.versions.lock().expect("no panic").contains(version)
    }
}

impl Faults {
    /// How many lists are changed.
    pub(super) fn lists(&self) -> usize {
        match self {
            Self::None | Self::Kills => LISTS,
            Self::Rotation(_) => FEW_LISTS,
        }
    }

    /// Whether somebody goes on who has made so many changes.
    pub(super) async fn go_on_after(&self, changes: usize) -> bool {
        match self {
            Self::None | Self::Kills => changes < CHANGES_OF_EACH,
            Self::Rotation(withdrawn) => {
                tokio::time::sleep(THINKING).await;
                !withdrawn.is_over.load(Ordering::Relaxed)
            }
        }
    }

    /// Whether a request may be without an answer.
    pub(super) fn are_kills(&self) -> bool {
        matches!(self, Self::Kills)
    }

    /// There is no answer, or that of a pod in trouble.
    pub(super) fn may_cause(&self, trouble: &impl Debug) {
        assert!(self.are_kills(), "{self:?}: {trouble:?}");
    }

    /// Somebody is refused who has this cookie.
    pub(super) fn may_end(&self, cookie: &str, refusal: &str) {
        let (_, session) = cookie.split_once('=').expect("a session");
        let version = version_of(&session);
        let may = match self {
            Self::None | Self::Kills => false,
            Self::Rotation(withdrawn) => withdrawn.has(&version),
        };
        assert!(
            may,
            "{self:?}: a session of {version} is refused: {refusal}"
        );
    }
}
