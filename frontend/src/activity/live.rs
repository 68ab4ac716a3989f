//! What happens in the lists that somebody watches, as it happens.
//!
//! One reader for the whole replica asks for what is new in these lists and
//! hands it to everyone who watches, however many they are. A watcher who comes
//! back after a break has the reader look further back; what the others know
//! already they pass over by themselves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use platform::azure::AzureFailure;
use platform::server::Shutdown;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::sleep;

use super::{Entry, Feed, MOST, Seen};
use crate::id::ListId;

/// The time between two looks at what is new.
const PAUSE: Duration = Duration::from_millis(750);

/// That time when the last look at some list failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Lists that are asked about at the same time.
const AT_ONCE: usize = 8;

/// Those who watch, in all lists of this replica.
const MOST_WATCHERS: usize = 1000;

/// What waits for a watcher who is slow. With more, they have to come again.
const BUFFERED: usize = 2 * MOST;

/// Live activity. A cheap handle.
#[derive(Clone)]
pub(crate) struct Live(Arc<Inner>);

struct Inner {
    feed: Arc<dyn Feed>,
    /// Held for a few lines, never across an await.
    lists: Mutex<HashMap<ListId, Watched>>,
    /// Rings when somebody watches a list.
    watching: Notify,
    places: Arc<Semaphore>,
    shutdown: Shutdown,
}

/// A list that somebody watches.
struct Watched {
    /// What has been handed out.
    seen: Seen,
    entries: broadcast::Sender<Arc<Entry>>,
}

/// What one watcher gets.
pub(crate) struct Subscription {
    seen: Seen,
    entries: broadcast::Receiver<Arc<Entry>>,
    shutdown: Shutdown,
    _place: OwnedSemaphorePermit,
}

impl Live {
    /// Starts the reader, which ends with the pod.
    // Identity frontend, Cosmos DB Built-in Data Reader on container activity.
    pub(crate) fn start(feed: Arc<dyn Feed>, shutdown: &Shutdown) -> Self {
        let live = Self(Arc::new(Inner {
            feed,
            lists: Mutex::default(),
            watching: Notify::new(),
            places: Arc::new(Semaphore::new(MOST_WATCHERS)),
            shutdown: shutdown.clone(),
        }));
        let inner = Arc::clone(&live.0);
        tokio::spawn(async move {
            tokio::select! {
                () = inner.shutdown.requested() => {}
                () = inner.read() => {}
            }
        });
        live
    }

    /// Watches a list from where the watcher has seen it. `None` when there are
    /// too many watchers.
    pub(crate) fn watch(&self, list: &ListId, seen: Seen) -> Option<Subscription> {
        let place = Arc::clone(&self.0.places).try_acquire_owned().ok()?;
        let mut lists = self.0.lists();
        let watched = lists.entry(list.clone()).or_insert_with(|| Watched {
            seen: seen.clone(),
            entries: broadcast::Sender::new(BUFFERED),
        });
        watched.seen = watched.seen.and(&seen);
        let entries = watched.entries.subscribe();
        drop(lists);
        self.0.watching.notify_one();
        Some(Subscription {
            seen,
            entries,
            shutdown: self.0.shutdown.clone(),
            _place: place,
        })
    }
}

impl Subscription {
    /// What the watcher has seen.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The next entry that the watcher has not seen. `None` when the pod ends, or
    /// the watcher was too slow: then they have to come again.
    pub(crate) async fn next(&mut self) -> Option<Arc<Entry>> {
        loop {
            let entry = tokio::select! {
                () = self.shutdown.requested() => return None,
                entry = self.entries.recv() => entry.ok()?,
            };
            if self.seen.insert(entry.sequence) {
                return Some(entry);
            }
        }
    }
}

impl Inner {
    async fn read(&self) {
        let mut was_well = true;
        loop {
            let lists = self.watched();
            if lists.is_empty() {
                self.watching.notified().await;
                continue;
            }
            let failure = self.look(lists).await.err();
            match &failure {
                Some(failure) if was_well => {
                    tracing::warn!(cause = failure.chain, "live activity cannot be read");
                }
                None if !was_well => tracing::info!("live activity is read again"),
                _ => {}
            }
            was_well = failure.is_none();
            sleep(if was_well { PAUSE } else { PAUSE_AFTER_FAILURE }).await;
        }
    }

    /// The lists that somebody watches; the others are forgotten.
    fn watched(&self) -> Vec<(ListId, u64)> {
        let mut lists = self.lists();
        lists.retain(|_, watched| watched.entries.receiver_count() > 0);
        let lists = lists.iter();
        lists
            .map(|(list, watched)| (list.clone(), watched.seen.through()))
            .collect()
    }

    /// Looks at each list, also when one of them fails, and gives the last
    /// failure.
    async fn look(&self, lists: Vec<(ListId, u64)>) -> Result<(), AzureFailure> {
        let mut looks = stream::iter(lists)
            .map(async |(list, through)| {
                let entries = self.feed.after(&list, through, MOST).await;
                entries.map(|entries| self.hand_out(&list, &entries))
            })
            .buffer_unordered(AT_ONCE);
        let mut outcome = Ok(());
        while let Some(look) = looks.next().await {
            outcome = look.and(outcome);
        }
        outcome
    }

    /// Hands out what is new, the oldest first.
    fn hand_out(&self, list: &ListId, entries: &[Entry]) {
        let mut lists = self.lists();
        let Some(watched) = lists.get_mut(list) else {
            return;
        };
        if entries.len() == MOST
            && let Some(oldest) = entries.last()
        {
            watched.seen.skip_to(oldest.sequence);
        }
        for entry in entries.iter().rev() {
            if watched.seen.insert(entry.sequence) {
                // Whoever has left meanwhile gets nothing.
                let _watchers = watched.entries.send(Arc::new(entry.clone()));
            }
        }
    }

    fn lists(&self) -> MutexGuard<'_, HashMap<ListId, Watched>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
