//! Sending to a queue.

use std::{fmt, sync::Arc, time::Duration};

use fe2o3_amqp::{Sendable, Sender};
use fe2o3_amqp_types::messaging::Data;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    ServiceBusError, ServiceBusErrorKind, ServiceBusMessage,
    address::Entity,
    client::Shared,
    engine_errors::accepted,
    link::{self, Opened},
    retry::{Failure, Retry},
};

/// Sends to one queue over one link, which is opened, and reopened, when a message needs it.
/// Shared by reference; messages of several tasks are under way at the same time.
pub struct ServiceBusSender {
    shared: Arc<Shared>,
    entity: Entity,
    link: Mutex<Slot>,
}

/// The current link, and which one it is in the order of their opening.
#[derive(Default)]
struct Slot {
    link: Option<Opened<Sender>>,
    generation: u64,
}

impl Slot {
    /// The link, opened if there is none.
    async fn open(
        &mut self,
        sender: &ServiceBusSender,
        limit: Duration,
    ) -> Result<&mut Opened<Sender>, ServiceBusErrorKind> {
        if self.link.is_none() {
            self.link = Some(link::open(&sender.shared, &sender.entity, limit).await?);
            self.generation += 1;
        }
        Ok(self.link.as_mut().expect("it was opened above"))
    }
}

impl ServiceBusSender {
    pub(crate) fn new(shared: Arc<Shared>, entity: Entity) -> Self {
        Self {
            shared,
            entity,
            link: Mutex::default(),
        }
    }

    /// The queue that messages are sent to.
    pub fn queue(&self) -> &str {
        self.entity.path()
    }

    /// Opens the link, unless it is open: whether a message could be sent, asked without sending
    /// one. A broker that goes on to end the link is what the next message meets.
    ///
    /// # Errors
    ///
    /// As [`send_message`](Self::send_message).
    pub async fn open(&self) -> Result<(), ServiceBusError> {
        let mut retry = Retry::new(&self.shared.options);
        loop {
            let limit = retry.limit();
            let attempt = async { self.link.lock().await.open(self, limit).await.map(drop) };
            let timed_out = |_| ServiceBusErrorKind::Timeout { after: limit };
            let Err(kind) = flatten(timeout(limit, attempt).await, timed_out) else {
                return Ok(());
            };
            retry
                .or_give_up(kind)
                .await
                .map_err(|kind| kind.during("attach a sender to", self.entity.path()))?;
        }
    }

    /// Sends a message and waits until the broker has accepted it.
    ///
    /// At least once: if the answer is lost, the message is sent again with the same message id,
    /// so give each message an id of its own and let the queue detect duplicates. Dropping the
    /// future leaves open whether the message was sent.
    ///
    /// # Errors
    ///
    /// [`ServiceBusErrorKind::Unauthorized`] when the identity may not send, at once. After the
    /// retries, whatever the last attempt met.
    pub async fn send_message(&self, message: &ServiceBusMessage) -> Result<(), ServiceBusError> {
        let sendable = Sendable::from(message.to_amqp());
        let mut retry = Retry::new(&self.shared.options);
        loop {
            let Err(failure) = self.attempt(&sendable, retry.limit()).await else {
                return Ok(());
            };
            retry
                .or_give_up(failure)
                .await
                .map_err(|kind| kind.during("send to", self.entity.path()))?;
        }
    }

    /// Detaches the link. A later message opens another.
    pub async fn close(&self) {
        let opened = self.link.lock().await.link.take();
        if let Some(opened) = opened {
            let outcome = opened.close(self.shared.options.try_timeout).await;
            tracing::debug!(entity = self.entity.path(), ?outcome, "closed a sender");
        }
    }

    async fn attempt(&self, sendable: &Sendable<Data>, limit: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + limit;
        let timed_out = |_| ServiceBusErrorKind::Timeout { after: limit };

        let mut slot = timeout_at(deadline, self.link.lock())
            .await
            .map_err(timed_out)?;
        let is_fresh = slot.link.is_none();
        let opened = slot.open(self, limit).await?;

        // The link is held only until the message is under way, not until it is answered.
        let sending = opened.link.send_batchable_ref(sendable);
        let outcome = match flatten(timeout_at(deadline, sending).await, timed_out) {
            Ok(outcome) => outcome,
            Err(kind) => {
                // A message that is too large says nothing against the link.
                if matches!(kind, ServiceBusErrorKind::MessageSizeExceeded { .. }) {
                    return Err(kind.into());
                }
                self.give_up(slot.link.take(), &kind).await;
                return Err(Failure::of_link(kind, is_fresh));
            }
        };
        let lost = opened.lost();
        let generation = slot.generation;
        drop(slot);

        let outcome = async {
            tokio::select! {
                biased;
                outcome = outcome => outcome.map_err(ServiceBusErrorKind::from),
                lost = lost => Err(lost),
            }
        };
        match flatten(timeout_at(deadline, outcome).await, timed_out) {
            Ok(outcome) => Ok(accepted(outcome)?),
            Err(kind) => {
                let mut slot = self.link.lock().await;
                // Another task may have given it up already.
                if slot.generation == generation {
                    self.give_up(slot.link.take(), &kind).await;
                }
                Err(Failure::of_link(kind, is_fresh))
            }
        }
    }

    async fn give_up(&self, link: Option<Opened<Sender>>, kind: &ServiceBusErrorKind) {
        if let Some(link) = link {
            tracing::debug!(entity = self.entity.path(), error = %kind, "giving up a link");
            link.give_up(&self.shared, kind).await;
        }
    }
}

fn flatten<T, E: Into<ServiceBusErrorKind>, Elapsed>(
    result: Result<Result<T, E>, Elapsed>,
    timed_out: impl FnOnce(Elapsed) -> ServiceBusErrorKind,
) -> Result<T, ServiceBusErrorKind> {
    match result {
        Ok(result) => result.map_err(Into::into),
        Err(elapsed) => Err(timed_out(elapsed)),
    }
}

impl fmt::Debug for ServiceBusSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBusSender")
            .field("entity", &self.entity.path())
            .finish_non_exhaustive()
    }
}
