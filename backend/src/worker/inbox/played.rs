//! A queue as tests play it: in memory, on Tokio's clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use service_bus::{ServiceBusError, ServiceBusErrorKind};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::{Inbox, Message, Settlement};
use crate::worker::lock::Lock;

/// A queue. Clones are the same one.
#[derive(Clone)]
pub(in crate::worker) struct Played {
    locks_last: Duration,
    state: Arc<Mutex<State>>,
    arrived: Arc<Notify>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Message<&'static str>>,
    locked: BTreeMap<&'static str, Instant>,
    settled: Vec<String>,
    asked_for: Vec<u32>,
    closed: u32,
    is_unreachable: bool,
}

impl Played {
    pub(in crate::worker) fn with_locks_of(locks_last: Duration) -> Self {
        Self {
            locks_last,
            state: Arc::default(),
            arrived: Arc::default(),
        }
    }

    /// Puts a message into the queue; its body is its id.
    pub(in crate::worker) fn put(&self, id: &'static str) {
        let message = self.message(id, 0);
        self.state().waiting.push_back(message);
        self.arrived.notify_one();
    }

    /// A message in hand, that came to nothing before so many times.
    pub(in crate::worker) fn taken(&self, id: &'static str, times: u32) -> Message<&'static str> {
        let message = self.message(id, times);
        self.lock(&message);
        message
    }

    /// Lets the broker be out of reach for everything but receiving.
    pub(in crate::worker) fn go_away(&self) {
        self.state().is_unreachable = true;
    }

    /// Takes a message's lock away.
    pub(in crate::worker) fn take_lock(&self, id: &'static str) {
        self.state().locked.remove(id);
    }

    /// What became of which message, in this order: `complete a`.
    pub(in crate::worker) fn settled(&self) -> Vec<String> {
        self.state().settled.clone()
    }

    /// How many messages each receive asked for.
    pub(in crate::worker) fn asked_for(&self) -> Vec<u32> {
        self.state().asked_for.clone()
    }

    /// How often the queue was closed.
    pub(in crate::worker) fn closed(&self) -> u32 {
        self.state().closed
    }

    fn message(&self, id: &'static str, delivery_count: u32) -> Message<&'static str> {
        let now = OffsetDateTime::UNIX_EPOCH;
        Message {
            id: id.to_owned(),
            body: id.as_bytes().to_owned(),
            delivery_count,
            trace: None,
            waited: Duration::ZERO,
            lock: Lock::until(now + self.locks_last, now, now),
            receipt: id,
        }
    }

    fn lock(&self, message: &Message<&'static str>) {
        let until = Instant::now() + self.locks_last;
        self.state().locked.insert(message.receipt, until);
    }

    fn still_locked(&self, id: &'static str) -> Result<(), ServiceBusError> {
        let state = self.state();
        let description = "as played".to_owned();
        let kind = match state.locked.get(id) {
            _ if state.is_unreachable => ServiceBusErrorKind::Connection { description },
            Some(until) if Instant::now() < *until => return Ok(()),
            _ => ServiceBusErrorKind::MessageLockLost { description },
        };
        Err(kind.during("renew or settle a message of", "the played queue"))
    }

    // Held for a lookup only, never across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics in here")
    }
}

impl Inbox for Played {
    type Receipt = &'static str;

    async fn receive(
        &self,
        most: u32,
        wait: Duration,
    ) -> Result<Vec<Message<&'static str>>, ServiceBusError> {
        self.state().asked_for.push(most);
        let something = async {
            while self.state().waiting.is_empty() {
                self.arrived.notified().await;
            }
        };
        if timeout(wait, something).await.is_err() {
            return Ok(Vec::new());
        }
        let mut state = self.state();
        let count = state.waiting.len().min(most as usize);
        let taken: Vec<_> = state.waiting.drain(..count).collect();
        drop(state);
        for message in &taken {
            self.lock(message);
        }
        Ok(taken)
    }

    async fn renew(&self, receipt: &&'static str) -> Result<(), ServiceBusError> {
        self.still_locked(receipt)?;
        let until = Instant::now() + self.locks_last;
        self.state().locked.insert(receipt, until);
        Ok(())
    }

    async fn settle(
        &self,
        receipt: &&'static str,
        settlement: Settlement<'_>,
    ) -> Result<(), ServiceBusError> {
        self.still_locked(receipt)?;
        let what = match settlement {
            Settlement::Complete => format!("complete {receipt}"),
            Settlement::Abandon => format!("abandon {receipt}"),
            Settlement::DeadLetter {
                reason,
                description,
            } => format!("dead-letter {receipt}: {reason}, {description}"),
        };
        let mut state = self.state();
        state.locked.remove(receipt);
        state.settled.push(what);
        Ok(())
    }

    async fn close(&self) {
        self.state().closed += 1;
    }
}
