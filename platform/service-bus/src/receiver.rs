//! Receiving from a queue in peek-lock mode.

use std::{fmt, sync::Arc, time::Duration};

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
    credit: u32,
    link: Mutex<Option<Receiving>>,
    management: Management,
}

/// The current link and how many messages came over it.
struct Receiving {
    link: Opened<Receiver>,
    taken: u32,
}

impl ServiceBusReceiver {
    pub(crate) fn new(shared: Arc<Shared>, entity: Entity, credit: u32) -> Self {
        Self {
            management: Management::new(Arc::clone(&shared), &entity),
            credit,
            link: Mutex::default(),
            shared,
            entity,
        }
    }

    /// Waits up to `max_wait` for a message; opening the link, if need be, may take up to the
    /// retry budget longer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no message. A message is taken from the link in the same step
    /// that returns it; one that arrives after the future was dropped, or after `max_wait`, stays
    /// in the link's buffer, locked, and is what the next call returns. If no call comes before
    /// its lock expires, the broker delivers it again.
    ///
    /// # Errors
    ///
    /// [`ServiceBusErrorKind::Unauthorized`] when the identity may not receive, at once. After
    /// the retries, whatever the last attempt met.
    pub async fn receive_message(
        &self,
        max_wait: Duration,
    ) -> Result<Option<ServiceBusReceivedMessage>, ServiceBusError> {
        let deadline = Instant::now() + max_wait;
        let Ok(mut slot) = timeout_at(deadline, self.link.lock()).await else {
            return Ok(None);
        };
        let mut retry = Retry::new(&self.shared.options);
        loop {
            let failure = match self.attempt(&mut slot, deadline, retry.limit()).await {
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

    /// Stops receiving. Messages that the broker had handed over but nobody had asked for are
    /// given back, so that they need not wait for their locks to expire. A later receive opens
    /// another link.
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
        deadline: Instant,
        limit: Duration,
    ) -> Result<Option<ServiceBusReceivedMessage>, Failure> {
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
            .receive(self.credit, deadline)
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
        credit: u32,
        deadline: Instant,
    ) -> Result<Option<ServiceBusReceivedMessage>, ServiceBusErrorKind> {
        let receiver = &mut self.link.link;
        // The engine's credit is what was granted less what was taken, so it also counts the
        // messages that wait in the buffer.
        if receiver.credit() <= credit / 2 && self.taken < MAX_DELIVERIES {
            receiver.set_credit(credit).await?;
        }
        let Ok(delivery) = timeout_at(deadline, receiver.recv::<Body<Value>>()).await else {
            return Ok(None);
        };
        self.taken += 1;
        ServiceBusReceivedMessage::from_amqp(delivery?, receiver.name()).map(Some)
    }
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
            .field("credit", &self.credit)
            .finish_non_exhaustive()
    }
}
