//! What the worker asks of a queue, and how Service Bus does it. The tests of
//! those who ask play a queue of their own.

#[cfg(test)]
pub(super) mod played;

use std::future::Future;
use std::time::Duration;

use platform::azure::queue_call;
use platform::telemetry::context::TRACEPARENT;
use service_bus::{ServiceBusError, ServiceBusReceivedMessage, ServiceBusReceiver};
use time::OffsetDateTime;

use super::lock::Lock;

/// A message in hand: this replica's, for as long as its lock lasts.
#[derive(Debug)]
pub(super) struct Message<R> {
    pub(super) id: String,
    pub(super) body: Vec<u8>,
    /// Deliveries of it that came to nothing before this one.
    pub(super) delivery_count: u32,
    /// The trace that it belongs to, as a W3C `traceparent`.
    pub(super) trace: Option<String>,
    /// How long it had waited in the queue.
    pub(super) waited: Duration,
    pub(super) lock: Lock,
    /// By which the queue knows it.
    pub(super) receipt: R,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Settlement<'a> {
    /// It has had its effect.
    Complete,
    /// It comes again, at once.
    Abandon,
    /// It never will have its effect: a short code, and words.
    DeadLetter {
        reason: &'a str,
        description: &'a str,
    },
}

/// A queue to receive from.
pub(super) trait Inbox: Send + Sync + 'static {
    /// By which the queue knows a message that it has handed over.
    type Receipt: Send + Sync + 'static;

    /// Waits for messages, and takes up to `most`. Dropping the future loses none.
    fn receive(
        &self,
        most: u32,
        wait: Duration,
    ) -> impl Future<Output = Result<Vec<Message<Self::Receipt>>, ServiceBusError>> + Send;

    /// Lets the message's lock begin anew.
    fn renew(
        &self,
        receipt: &Self::Receipt,
    ) -> impl Future<Output = Result<(), ServiceBusError>> + Send;

    /// Ends the message's time in hand.
    fn settle(
        &self,
        receipt: &Self::Receipt,
        settlement: Settlement<'_>,
    ) -> impl Future<Output = Result<(), ServiceBusError>> + Send;

    /// Takes no more messages, and gives back those that nobody has begun. What is
    /// in hand can still be settled.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

impl Inbox for ServiceBusReceiver {
    type Receipt = ServiceBusReceivedMessage;

    /// Receives messages, each with a lock.
    // Identity worker, Azure Service Bus Data Receiver on queue todo-events.
    // Identity worker, Azure Service Bus Data Receiver on queue attachment-jobs.
    async fn receive(
        &self,
        most: u32,
        wait: Duration,
    ) -> Result<Vec<Message<ServiceBusReceivedMessage>>, ServiceBusError> {
        let received = self.receive_messages(most, wait).await?;
        let now = OffsetDateTime::now_utc();
        Ok(received
            .into_iter()
            .map(|message| in_hand(message, now))
            .collect())
    }

    async fn renew(&self, receipt: &ServiceBusReceivedMessage) -> Result<(), ServiceBusError> {
        let operation = format!("renew {}", self.queue());
        queue_call(&operation, self.renew_message_lock(receipt))
            .await
            .map(drop)
    }

    async fn settle(
        &self,
        receipt: &ServiceBusReceivedMessage,
        settlement: Settlement<'_>,
    ) -> Result<(), ServiceBusError> {
        let queue = self.queue();
        match settlement {
            Settlement::Complete => {
                let work = self.complete_message(receipt);
                queue_call(&format!("complete {queue}"), work).await
            }
            Settlement::Abandon => {
                let work = self.abandon_message(receipt);
                queue_call(&format!("abandon {queue}"), work).await
            }
            Settlement::DeadLetter {
                reason,
                description,
            } => {
                let work = self.dead_letter_message(receipt, reason, description);
                queue_call(&format!("dead-letter {queue}"), work).await
            }
        }
    }

    async fn close(&self) {
        Self::close(self).await;
    }
}

fn in_hand(
    received: ServiceBusReceivedMessage,
    now: OffsetDateTime,
) -> Message<ServiceBusReceivedMessage> {
    let enqueued = received.enqueued_time();
    Message {
        id: received.message_id().unwrap_or_default().to_owned(),
        body: received.body().to_owned(),
        delivery_count: received.delivery_count(),
        trace: received.application_properties().get(TRACEPARENT).cloned(),
        waited: Duration::try_from(now - enqueued).unwrap_or_default(),
        lock: Lock::until(received.locked_until(), enqueued, now),
        receipt: received,
    }
}
