//! Receiving from a queue in peek-lock mode.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use fe2o3_amqp::Receiver;
use fe2o3_amqp_types::{messaging::Body, primitives::Value};
use time::OffsetDateTime;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    ServiceBusError, ServiceBusErrorKind, ServiceBusReceivedMessage,
    address::Entity,
    client::Shared,
    link::{self, Opened},
    management::{Disposition, Management},
    retry::{Failure, Retry},
};

/// How long a closing receiver waits for messages that were already on their way.
const LATE_ARRIVALS: Duration = Duration::from_millis(50);

/// After this many messages a link is replaced. They are settled through the management node, so
/// both ends of the link keep them as unsettled for as long as it lives; the broker bounds that.
/// Locks do not depend on the link: what is still being worked on can be settled afterwards.
const MAX_DELIVERIES: u32 = 1_000;

/// Receives from one queue over one link, which is opened, and reopened, when it is needed.
/// Shared by reference: messages can be settled, and their locks renewed, while another receive
/// waits.
pub struct ServiceBusReceiver {
    shared: Arc<Shared>,
    entity: Entity,
    link: Mutex<Option<Receiving>>,
    management: Management,
}

/// The current link and how many messages came over it.
struct Receiving {
    link: Opened<Receiver>,
    taken: u32,
}

impl ServiceBusReceiver {
    pub(crate) fn new(shared: Arc<Shared>, entity: Entity) -> Self {
        Self {
            management: Management::new(Arc::clone(&shared), &entity),
            link: Mutex::default(),
            shared,
            entity,
        }
    }

    /// The queue that messages are received from, or its dead-letter queue.
    pub fn queue(&self) -> &str {
        self.entity.path()
    }

    /// Waits up to `max_wait` for a message, as [`receive_messages`](Self::receive_messages) does.
    ///
    /// # Errors
    ///
    /// As [`receive_messages`](Self::receive_messages).
    pub async fn receive_message(
        &self,
        max_wait: Duration,
    ) -> Result<Option<ServiceBusReceivedMessage>, ServiceBusError> {
        let mut received = self.receive_messages(1, max_wait).await?;
        Ok(received.pop())
    }

    /// Waits up to `max_wait` for a message, and takes with it what else has arrived, up to
    /// `max_messages` in all; opening the link, if need be, may take up to the retry budget
    /// longer.
    ///
    /// The broker may hand over `max_messages` and no more: each is locked from that moment, so
    /// ask for no more than can be begun at once.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no message. Messages are taken from the link in the same step
    /// that returns them; one that arrives after the future was dropped, or after `max_wait`,
    /// stays in the link's buffer, locked, and is what the next call returns. If no call comes
    /// before its lock expires, the broker delivers it again.
    ///
    /// # Errors
    ///
    /// [`ServiceBusErrorKind::Unauthorized`] when the identity may not receive, at once. After
    /// the retries, whatever the last attempt met.
    pub async fn receive_messages(
        &self,
        max_messages: u32,
        max_wait: Duration,
    ) -> Result<Vec<ServiceBusReceivedMessage>, ServiceBusError> {
        let deadline = Instant::now() + max_wait;
        let Ok(mut slot) = timeout_at(deadline, self.link.lock()).await else {
            return Ok(Vec::new());
        };
        let mut retry = Retry::new(&self.shared.options);
        loop {
            let attempt = self.attempt(&mut slot, (max_messages, deadline), retry.limit());
            let failure = match attempt.await {
                Ok(received) => return Ok(received),
                Err(failure) => failure,
            };
            tracing::debug!(entity = self.entity.path(), error = %failure.kind, "lost a link");
            let lost = slot.take();
            // The time that a link in good order was waited on does not count.
            if lost.is_some_and(|receiving| receiving.link.is_proven()) {
                retry = Retry::new(&self.shared.options);
            }
            retry
                .or_give_up(failure)
                .await
                .map_err(|kind| kind.during("receive from", self.entity.path()))?;
        }
    }

    /// Removes the message from the queue.
    ///
    /// # Errors
    ///
    /// [`ServiceBusErrorKind::MessageLockLost`]: someone else will, or did, get the message. Also
    /// when a completion was carried out but its answer lost, and the retry found the lock gone;
    /// both ways there is nothing left to do for this receiver.
    pub async fn complete_message(
        &self,
        message: &ServiceBusReceivedMessage,
    ) -> Result<(), ServiceBusError> {
        self.settle("complete a message of", message, &Disposition::Completed)
            .await
    }

    /// Gives the message back, to be delivered again at once; counts as a failed delivery.
    ///
    /// # Errors
    ///
    /// As [`complete_message`](Self::complete_message).
    pub async fn abandon_message(
        &self,
        message: &ServiceBusReceivedMessage,
    ) -> Result<(), ServiceBusError> {
        self.settle("abandon a message of", message, &Disposition::Abandoned)
            .await
    }

    /// Moves the message to the dead-letter queue: `reason` is a short code, `description` words.
    ///
    /// # Errors
    ///
    /// As [`complete_message`](Self::complete_message).
    pub async fn dead_letter_message(
        &self,
        message: &ServiceBusReceivedMessage,
        reason: &str,
        description: &str,
    ) -> Result<(), ServiceBusError> {
        let disposition = Disposition::DeadLettered {
            reason,
            description,
        };
        self.settle("dead-letter a message of", message, &disposition)
            .await
    }

    /// Locks the message for another lock duration, and says until when.
    ///
    /// # Errors
    ///
    /// [`ServiceBusErrorKind::MessageLockLost`] when the lock had already ended.
    pub async fn renew_message_lock(
        &self,
        message: &ServiceBusReceivedMessage,
    ) -> Result<OffsetDateTime, ServiceBusError> {
        self.management
            .renew_lock(message.link_name(), message.lock_token())
            .await
            .map_err(|kind| kind.during("renew a lock of", self.entity.path()))
    }

    /// Up to `max_messages` from a sequence number on, locked by someone or not, and without
    /// locking them: they can be looked at, and not be settled.
    ///
    /// # Errors
    ///
    /// [`ServiceBusErrorKind::Unauthorized`] when the identity may not receive. After the
    /// retries, whatever the last attempt met.
    pub async fn peek_messages(
        &self,
        max_messages: u32,
        from_sequence_number: i64,
    ) -> Result<Vec<ServiceBusReceivedMessage>, ServiceBusError> {
        self.management
            .peek(max_messages, from_sequence_number)
            .await
            .map_err(|kind| kind.during("peek at", self.entity.path()))
    }

    /// Stops receiving. Messages that the broker had handed over but nobody had asked for are
    /// given back, so that they need not wait for their locks to expire. What is still in hand can
    /// be settled afterwards. A later receive opens another link.
    pub async fn close(&self) {
        let receiving = self.link.lock().await.take();
        if let Some(Receiving { mut link, .. }) = receiving {
            give_back(&mut link.link).await;
            let outcome = link.close(self.shared.options.try_timeout).await;
            tracing::debug!(entity = self.entity.path(), ?outcome, "closed a receiver");
        }
        self.management.close().await;
    }

    async fn attempt(
        &self,
        slot: &mut Option<Receiving>,
        (max_messages, deadline): (u32, Instant),
        limit: Duration,
    ) -> Result<Vec<ServiceBusReceivedMessage>, Failure> {
        if let Some(worn) = slot.take_if(|link| link.is_worn()) {
            let outcome = worn.link.close(limit).await;
            tracing::debug!(
                entity = self.entity.path(),
                ?outcome,
                "replacing a worn link"
            );
        }
        let is_fresh = slot.is_none();
        if is_fresh {
            let link = link::open(&self.shared, &self.entity, limit).await?;
            *slot = Some(Receiving { link, taken: 0 });
        }
        let receiving = slot.as_mut().expect("it was opened above");

        receiving
            .receive(max_messages, deadline)
            .await
            .map_err(|kind| Failure::of_link(kind, is_fresh))
    }

    async fn settle(
        &self,
        operation: &'static str,
        message: &ServiceBusReceivedMessage,
        disposition: &Disposition<'_>,
    ) -> Result<(), ServiceBusError> {
        self.management
            .update_disposition(message.link_name(), message.lock_token(), disposition)
            .await
            .map_err(|kind| kind.during(operation, self.entity.path()))
    }
}

impl Receiving {
    /// Whether the link is due to be replaced, and may be: no credit is out, so that no message
    /// can be on its way or in its buffer.
    fn is_worn(&self) -> bool {
        self.taken >= MAX_DELIVERIES && self.link.link.credit() == 0
    }

    async fn receive(
        &mut self,
        max_messages: u32,
        deadline: Instant,
    ) -> Result<Vec<ServiceBusReceivedMessage>, ServiceBusErrorKind> {
        let receiver = &mut self.link.link;
        // The engine's credit is what was granted less what was taken, so it also counts the
        // messages that wait in the buffer.
        if receiver.credit() < max_messages && self.taken < MAX_DELIVERIES {
            receiver.set_credit(max_messages).await?;
        }
        let Ok(first) = timeout_at(deadline, receiver.recv::<Body<Value>>()).await else {
            return Ok(Vec::new());
        };
        // From here on nothing waits, so that what is taken is returned. A failure of the link
        // behind the first message is what the next call meets.
        let mut deliveries = vec![first?];
        while deliveries.len() < max_messages as usize
            && let Some(Ok(next)) = already(receiver.recv::<Body<Value>>()).await
        {
            deliveries.push(next);
        }
        self.taken += u32::try_from(deliveries.len()).unwrap_or(u32::MAX);
        deliveries
            .into_iter()
            .map(|delivery| ServiceBusReceivedMessage::from_delivery(delivery, receiver.name()))
            .collect()
    }
}

/// What a future has to say without waiting.
async fn already<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Returns what is buffered or arrives while the broker takes back the credit.
async fn give_back(receiver: &mut Receiver) {
    if receiver.credit() == 0 || receiver.drain().await.is_err() {
        return;
    }
    while let Ok(Ok(delivery)) = timeout(LATE_ARRIVALS, receiver.recv::<Body<Value>>()).await {
        if receiver.release(&delivery).await.is_err() {
            return;
        }
    }
}

impl fmt::Debug for ServiceBusReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBusReceiver")
            .field("entity", &self.entity.path())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn only_what_is_there_already_is_taken() {
        assert_eq!(already(ready(1)).await, Some(1));
        assert_eq!(already(pending::<u32>()).await, None);
    }
}
