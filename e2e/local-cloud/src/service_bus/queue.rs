//! One queue and its dead-letter sub-queue: the state and its rules, without
//! wire, clock or tasks.
//!
//! Every operation takes the gate's [`Admitted`] and the time. Follows Microsoft
//! Learn, *Message transfers, locks, and settlement*, *Overview of Service Bus
//! dead-letter queues* and *Duplicate detection*.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use serde_amqp::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::message::{Envelope, Map, Message};
use crate::{
    gate::Admitted,
    model::{QueueSpec, Scope},
};

/// Service Bus' default size of a queue, 1 GiB.
const MAX_QUEUE_BYTES: usize = 1 << 30;

/// The queue itself, or what was dead-lettered from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Main,
    DeadLetter,
}

/// What becomes of a message when it is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReceiveMode {
    PeekLock,
    ReceiveAndDelete,
}

/// A message and what the queue says about it.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) message: Arc<Message>,
    pub(super) envelope: Envelope,
}

/// The token names no lock that still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LockLost;

/// The queue has no room for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueFull;

/// A queue with its messages.
#[derive(Debug)]
pub(super) struct Queue {
    name: String,
    scope: Scope,
    spec: QueueSpec,
    last_sequence_number: i64,
    stored_bytes: usize,
    main: SubQueue,
    dead_letter: SubQueue,
    history: History,
    arrivals: u64,
}

/// Numbers for digests and tests; never content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) available: usize,
    pub(super) locked: usize,
}

impl Queue {
    pub(super) fn new(name: &str, scope: Scope, spec: QueueSpec) -> Self {
        Self {
            name: name.to_owned(),
            scope,
            spec,
            last_sequence_number: 0,
            stored_bytes: 0,
            main: SubQueue::default(),
            dead_letter: SubQueue::default(),
            history: History::default(),
            arrivals: 0,
        }
    }

    /// Appends messages, all or none. With duplicate detection, one whose id
    /// was seen within the window is accepted and dropped.
    pub(super) fn send(
        &mut self,
        admitted: &Admitted,
        now: OffsetDateTime,
        messages: Vec<Message>,
    ) -> Result<(), QueueFull> {
        self.check(admitted);
        let size: usize = messages.iter().map(Message::size).sum();
        if self.stored_bytes + size > MAX_QUEUE_BYTES {
            return Err(QueueFull);
        }
        for message in messages {
            if self.spec.requires_duplicate_detection
                && self.history.seen(
                    message.id(),
                    now,
                    self.spec.duplicate_detection_history_time_window,
                )
            {
                continue;
            }
            self.last_sequence_number += 1;
            self.stored_bytes += message.size();
            self.arrivals += 1;
            self.main.insert(Entry {
                sequence_number: self.last_sequence_number,
                enqueued_at: now,
                delivery_count: 0,
                message: Arc::new(message),
                lock: None,
            });
        }
        Ok(())
    }

    /// The oldest message that is not locked; locks or removes it.
    pub(super) fn receive(
        &mut self,
        admitted: &Admitted,
        now: OffsetDateTime,
        part: Part,
        mode: ReceiveMode,
    ) -> Option<Delivery> {
        self.check(admitted);
        self.expire(now);
        let number = self.part(part).available.pop_first()?;
        match mode {
            ReceiveMode::PeekLock => {
                let until = now + self.spec.lock_duration;
                self.part(part).lock(number, until);
                let entry = self.shared_part(part).entries.get(&number)?;
                Some(self.delivery(part, entry))
            }
            ReceiveMode::ReceiveAndDelete => {
                let entry = self.part(part).entries.remove(&number)?;
                self.stored_bytes = self.stored_bytes.saturating_sub(entry.message.size());
                Some(self.delivery(part, &entry))
            }
        }
    }

    /// Removes a locked message for good.
    pub(super) fn complete(
        &mut self,
        admitted: &Admitted,
        now: OffsetDateTime,
        part: Part,
        token: Uuid,
    ) -> Result<(), LockLost> {
        self.check(admitted);
        let entry = self.take_locked(now, part, token)?;
        self.stored_bytes = self.stored_bytes.saturating_sub(entry.message.size());
        Ok(())
    }

    /// Gives a locked message back as a failed delivery, with changed
    /// application properties.
    pub(super) fn abandon(
        &mut self,
        admitted: &Admitted,
        now: OffsetDateTime,
        part: Part,
        token: Uuid,
        changes: &Map,
    ) -> Result<(), LockLost> {
        self.check(admitted);
        let mut entry = self.take_locked(now, part, token)?;
        self.change(&mut entry, changes);
        self.fail(part, entry);
        Ok(())
    }

    /// Gives a locked message back untouched. Assumed: unlike abandoning, it
    /// does not count as a failed delivery (the official clients use it for
    /// messages that they prefetched and never showed).
    pub(super) fn release(
        &mut self,
        admitted: &Admitted,
        now: OffsetDateTime,
        part: Part,
        token: Uuid,
    ) -> Result<(), LockLost> {
        self.check(admitted);
        let entry = self.take_locked(now, part, token)?;
        self.put_back(part, entry);
        Ok(())
    }

    /// Moves a locked message to the dead-letter sub-queue. `changes` hold the
    /// reason and description, as application properties.
    pub(super) fn dead_letter(
        &mut self,
        admitted: &Admitted,
        now: OffsetDateTime,
        token: Uuid,
        changes: &Map,
    ) -> Result<(), LockLost> {
        self.check(admitted);
        let entry = self.take_locked(now, Part::Main, token)?;
        self.move_to_dead_letter(entry, changes);
        Ok(())
    }

    /// Starts a lock's time anew; returns its new end.
    pub(super) fn renew(
        &mut self,
        admitted: &Admitted,
        now: OffsetDateTime,
        part: Part,
        token: Uuid,
    ) -> Result<OffsetDateTime, LockLost> {
        self.check(admitted);
        self.expire(now);
        let until = now + self.spec.lock_duration;
        let part = self.part(part);
        let &number = part.tokens.get(&token).ok_or(LockLost)?;
        let lock = part
            .entries
            .get_mut(&number)
            .and_then(|entry| entry.lock.as_mut())
            .ok_or(LockLost)?;
        part.expiries.remove(&(lock.until, number));
        lock.until = until;
        part.expiries.insert((until, number));
        Ok(until)
    }

    /// Messages from a sequence number on, locked or not, without a lock.
    pub(super) fn peek(
        &mut self,
        admitted: &Admitted,
        now: OffsetDateTime,
        part: Part,
        from: i64,
        count: usize,
    ) -> Vec<Delivery> {
        self.check(admitted);
        self.expire(now);
        let entries = &self.shared_part(part).entries;
        entries
            .range(from..)
            .take(count)
            .map(|(_, entry)| {
                let mut delivery = self.delivery(part, entry);
                delivery.envelope.lock = None;
                delivery
            })
            .collect()
    }

    /// Ends the locks whose time is over; each counts as a failed delivery.
    pub(super) fn expire(&mut self, now: OffsetDateTime) {
        for part in [Part::Main, Part::DeadLetter] {
            while let Some(entry) = self.part(part).take_expired(now) {
                self.fail(part, entry);
            }
        }
    }

    /// When the next lock ends.
    pub(super) fn next_expiry(&self) -> Option<OffsetDateTime> {
        [&self.main, &self.dead_letter]
            .into_iter()
            .filter_map(|part| part.expiries.first().map(|(until, _)| *until))
            .min()
    }

    /// Whether a receiver would get a message.
    pub(super) fn has_available(&mut self, now: OffsetDateTime, part: Part) -> bool {
        self.expire(now);
        !self.shared_part(part).available.is_empty()
    }

    /// How often a message has become available; a change wakes receivers.
    pub(super) fn arrivals(&self) -> u64 {
        self.arrivals
    }

    pub(super) fn counts(&self, part: Part) -> Counts {
        let part = self.shared_part(part);
        Counts {
            available: part.available.len(),
            locked: part.tokens.len(),
        }
    }

    pub(super) fn last_sequence_number(&self) -> i64 {
        self.last_sequence_number
    }

    /// Ids that duplicate detection remembers.
    pub(super) fn remembered_ids(&self) -> usize {
        self.history.ids.len()
    }

    /// Every message in a part, oldest first, for digests.
    pub(super) fn messages(&self, part: Part) -> impl Iterator<Item = Delivery> {
        self.shared_part(part)
            .entries
            .values()
            .map(move |entry| self.delivery(part, entry))
    }

    fn check(&self, admitted: &Admitted) {
        assert_eq!(
            admitted.operation().scope,
            self.scope,
            "an admission for one queue is used on another"
        );
    }

    fn part(&mut self, part: Part) -> &mut SubQueue {
        match part {
            Part::Main => &mut self.main,
            Part::DeadLetter => &mut self.dead_letter,
        }
    }

    fn shared_part(&self, part: Part) -> &SubQueue {
        match part {
            Part::Main => &self.main,
            Part::DeadLetter => &self.dead_letter,
        }
    }

    fn delivery(&self, part: Part, entry: &Entry) -> Delivery {
        Delivery {
            message: Arc::clone(&entry.message),
            envelope: Envelope {
                sequence_number: entry.sequence_number,
                enqueued_at: entry.enqueued_at,
                delivery_count: entry.delivery_count,
                lock: entry.lock.as_ref().map(|lock| (lock.token, lock.until)),
                dead_letter_source: (part == Part::DeadLetter).then(|| self.name.clone()),
            },
        }
    }

    fn take_locked(
        &mut self,
        now: OffsetDateTime,
        part: Part,
        token: Uuid,
    ) -> Result<Entry, LockLost> {
        self.expire(now);
        self.part(part).take_locked(token).ok_or(LockLost)
    }

    /// A delivery has failed. After the last one that the queue allows the
    /// message is dead-lettered. Assumed: at once, not at the next delivery;
    /// and a dead-lettered message may fail any number of times.
    fn fail(&mut self, part: Part, mut entry: Entry) {
        entry.delivery_count = entry.delivery_count.saturating_add(1);
        if part == Part::Main && entry.delivery_count >= self.spec.max_delivery_count.get() {
            let changes = reason(
                Some("MaxDeliveryCountExceeded"),
                Some(&format!(
                    "Message could not be consumed after {} delivery attempts.",
                    self.spec.max_delivery_count
                )),
            );
            self.move_to_dead_letter(entry, &changes);
        } else {
            self.put_back(part, entry);
        }
    }

    /// The message keeps its place in the order.
    fn put_back(&mut self, part: Part, entry: Entry) {
        self.arrivals += 1;
        self.part(part).insert(entry);
    }

    /// Assumed: sequence number, enqueued time and delivery count are kept.
    fn move_to_dead_letter(&mut self, mut entry: Entry, changes: &Map) {
        self.change(&mut entry, changes);
        self.put_back(Part::DeadLetter, entry);
    }

    fn change(&mut self, entry: &mut Entry, changes: &Map) {
        let before = entry.message.size();
        entry.message = Arc::new(entry.message.with_properties(changes));
        self.stored_bytes = (self.stored_bytes + entry.message.size()).saturating_sub(before);
    }
}

/// Reason and description as the application properties that they become.
pub(super) fn reason(reason: Option<&str>, description: Option<&str>) -> Map {
    let mut changes = Map::new();
    for (name, value) in [
        ("DeadLetterReason", reason),
        ("DeadLetterErrorDescription", description),
    ] {
        if let Some(value) = value {
            changes.insert(Value::from(name), Value::from(value));
        }
    }
    changes
}

#[derive(Debug)]
struct Entry {
    sequence_number: i64,
    enqueued_at: OffsetDateTime,
    delivery_count: u32,
    message: Arc<Message>,
    lock: Option<Lock>,
}

#[derive(Debug)]
struct Lock {
    token: Uuid,
    until: OffsetDateTime,
}

/// Messages in the order of their sequence numbers. A number is in `available`
/// or its entry has a lock, which `tokens` and `expiries` then point to.
#[derive(Debug, Default)]
struct SubQueue {
    entries: BTreeMap<i64, Entry>,
    available: BTreeSet<i64>,
    tokens: HashMap<Uuid, i64>,
    expiries: BTreeSet<(OffsetDateTime, i64)>,
}

impl SubQueue {
    fn insert(&mut self, entry: Entry) {
        self.available.insert(entry.sequence_number);
        self.entries.insert(entry.sequence_number, entry);
    }

    fn lock(&mut self, number: i64, until: OffsetDateTime) {
        if let Some(entry) = self.entries.get_mut(&number) {
            let token = Uuid::new_v4();
            entry.lock = Some(Lock { token, until });
            self.tokens.insert(token, number);
            self.expiries.insert((until, number));
        }
    }

    fn take_locked(&mut self, token: Uuid) -> Option<Entry> {
        let number = self.tokens.remove(&token)?;
        let mut entry = self.entries.remove(&number)?;
        if let Some(lock) = entry.lock.take() {
            self.expiries.remove(&(lock.until, number));
        }
        Some(entry)
    }

    fn take_expired(&mut self, now: OffsetDateTime) -> Option<Entry> {
        let &(until, number) = self.expiries.first()?;
        if until > now {
            return None;
        }
        self.expiries.pop_first();
        let token = self.entries.get(&number)?.lock.as_ref()?.token;
        self.take_locked(token)
    }
}

/// The message ids of the duplicate detection window.
#[derive(Debug, Default)]
struct History {
    ids: HashMap<Value, OffsetDateTime>,
    by_time: VecDeque<(OffsetDateTime, Value)>,
}

impl History {
    /// Whether the id was seen within the window; it is remembered from now on.
    /// Assumed: a dropped duplicate does not prolong the time.
    fn seen(&mut self, id: &Value, now: OffsetDateTime, window: std::time::Duration) -> bool {
        while let Some((at, _)) = self.by_time.front() {
            if *at + window > now {
                break;
            }
            if let Some((_, id)) = self.by_time.pop_front() {
                self.ids.remove(&id);
            }
        }
        if self.ids.contains_key(id) {
            return true;
        }
        self.ids.insert(id.clone(), now);
        self.by_time.push_back((now, id.clone()));
        false
    }
}

#[cfg(test)]
mod tests;
