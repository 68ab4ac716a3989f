//! A queue as the links share it: the engine behind a lock, with what wakes
//! receivers and the task that ends locks on time.

use std::sync::Mutex;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tokio::sync::{Notify, watch};

use super::queue::{Delivery, Part, Queue};
use crate::{
    clock::Clock,
    model::{QueueSpec, Scope},
};

/// A queue that several links use.
#[derive(Debug)]
pub(super) struct SharedQueue {
    // Held for the length of one engine call, never across an await.
    queue: Mutex<Queue>,
    scope: Scope,
    arrivals: watch::Sender<u64>,
    expiry_changed: Notify,
}

impl SharedQueue {
    pub(super) fn new(name: &str, scope: Scope, spec: QueueSpec) -> Self {
        Self {
            queue: Mutex::new(Queue::new(name, scope.clone(), spec)),
            scope,
            arrivals: watch::Sender::new(0),
            expiry_changed: Notify::new(),
        }
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Runs one engine call, then wakes those who wait for what it changed.
    pub(super) fn with<R>(&self, call: impl FnOnce(&mut Queue) -> R) -> R {
        let mut queue = self
            .queue
            .lock()
            .expect("no engine call panics while holding the queue");
        let expiry = queue.next_expiry();
        let result = call(&mut queue);
        let arrivals = queue.arrivals();
        self.arrivals.send_if_modified(|seen| {
            let changed = *seen != arrivals;
            *seen = arrivals;
            changed
        });
        if queue.next_expiry() != expiry {
            self.expiry_changed.notify_one();
        }
        result
    }

    /// Changes whenever a message has become available.
    pub(super) fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    /// Ends locks when their time is over, for as long as it is polled.
    pub(super) async fn keep_expiring(&self, clock: Clock) {
        loop {
            let next = self.with(|queue| {
                queue.expire(clock.now());
                queue.next_expiry()
            });
            match next {
                None => self.expiry_changed.notified().await,
                Some(at) => tokio::select! {
                    () = clock.sleep_until(at) => {}
                    () = self.expiry_changed.notified() => {}
                },
            }
        }
    }

    /// Counts and hashes of everything that is kept; no content.
    pub(super) fn digest(&self) -> serde_json::Value {
        self.with(|queue| {
            let part = |part| {
                let counts = queue.counts(part);
                let messages: Vec<_> = queue.messages(part).map(|message| hash(&message)).collect();
                json!({
                    "available": counts.available,
                    "locked": counts.locked,
                    "messages": messages,
                })
            };
            json!({
                "queue": part(Part::Main),
                "deadLetterQueue": part(Part::DeadLetter),
                "lastSequenceNumber": queue.last_sequence_number(),
                "rememberedIds": queue.remembered_ids(),
            })
        })
    }
}

fn hash(delivery: &Delivery) -> serde_json::Value {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for section in delivery.message.content() {
        hash.update(section);
    }
    let hash = URL_SAFE_NO_PAD.encode(hash.finish());
    json!({
        "sequenceNumber": delivery.envelope.sequence_number,
        "deliveryCount": delivery.envelope.delivery_count,
        "sha256": hash,
    })
}
