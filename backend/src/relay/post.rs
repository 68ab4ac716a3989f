//! Where events wait and where they go, as the relay asks for it, and how Cosmos DB
//! and Service Bus do it. The tests of those who ask play a post of their own.

use std::future::Future;

use platform::azure::QueueSender;
use service_bus::{ServiceBusError, ServiceBusMessage};
use time::OffsetDateTime;

use crate::messages;
use crate::store::{Store, StoreError, Versioned};
use crate::todos::Event;

/// The outbox, and the queue.
pub(super) trait Post: Sync {
    /// The queue's name.
    fn queue(&self) -> &str;

    /// Events that wait since before an instant, `most` of them.
    fn unsent(
        &self,
        before: OffsetDateTime,
        most: usize,
    ) -> impl Future<Output = Result<Vec<Versioned<Event>>, StoreError>> + Send;

    /// Sends an event. A second time is none.
    fn send(&self, event: &Event) -> impl Future<Output = Result<(), ServiceBusError>> + Send;

    /// Takes a sent event out of the outbox. A second time is none.
    fn forget(
        &self,
        sent: &Versioned<Event>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The container of todos, and the queue of events.
#[derive(Debug)]
pub(super) struct Azure {
    pub(super) store: Store,
    pub(super) sender: QueueSender,
}

impl Post for Azure {
    fn queue(&self) -> &str {
        self.sender.queue()
    }

    async fn unsent(
        &self,
        before: OffsetDateTime,
        most: usize,
    ) -> Result<Vec<Versioned<Event>>, StoreError> {
        self.store.unsent_events(before, most).await
    }

    /// Sends an event.
    // Identity backend, Azure Service Bus Data Sender on queue todo-events.
    async fn send(&self, event: &Event) -> Result<(), ServiceBusError> {
        self.sender.send_message(message(event)).await
    }

    async fn forget(&self, sent: &Versioned<Event>) -> Result<(), StoreError> {
        self.store.forget_sent(sent).await
    }
}

/// The message of an event: the queue knows it again by its id.
fn message(event: &Event) -> ServiceBusMessage {
    ServiceBusMessage {
        content_type: Some("application/json".to_owned()),
        ..ServiceBusMessage::new(event.id.to_string(), messages::write_event(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_keeps_its_id_as_a_message() {
        let event = messages::tests::event();

        let message = message(&event);

        assert_eq!(message.message_id, event.id.to_string());
        assert_eq!(message.content_type.as_deref(), Some("application/json"));
        assert_eq!(
            messages::read_event(&message.body).expect("an event"),
            event
        );
    }
}
