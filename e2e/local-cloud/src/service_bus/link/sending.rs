//! A link on which the client sends messages to a queue.

use super::{Entry, Incoming, Input, Output, Port};
use crate::service_bus::{
    ServiceBus,
    message::{self, Message},
    outcome::{accepted, rejected},
    refusal::Refusal,
};

pub(super) async fn run(bus: &ServiceBus, mut port: Port, mut entry: Entry) {
    while let Some(input) = port.inbox.recv().await {
        match input {
            Input::Delivery(delivery) => {
                let state = match enqueue(bus, &entry, &delivery).await {
                    Ok(()) => accepted(),
                    Err(refusal) => rejected(&refusal),
                };
                let output = Output::Processed {
                    delivery_id: delivery.delivery_id,
                    state: (!delivery.settled).then_some(state),
                };
                port.emit(output).await;
            }
            Input::Readmit(caller) => {
                if let Err(refusal) = entry.readmit(bus, caller).await {
                    port.emit(Output::Detach(refusal)).await;
                    return;
                }
            }
            Input::Flow { .. } | Input::Settle { .. } | Input::Reply(_) => {}
        }
    }
}

async fn enqueue(bus: &ServiceBus, entry: &Entry, delivery: &Incoming) -> Result<(), Refusal> {
    let messages = messages(delivery)?;
    bus.gate.pass(&entry.admitted, "Send").await;
    let now = bus.clock.now();
    entry
        .queue
        .with(|queue| queue.send(&entry.admitted, now, messages))
        .map_err(|_full| {
            // Assumed text; the condition is what clients act on.
            Refusal::limit("The maximum entity size has been reached or exceeded.")
        })
}

/// The messages of a delivery. What is not played is refused by name.
pub(super) fn messages(delivery: &Incoming) -> Result<Vec<Message>, Refusal> {
    let messages = message::parse_delivery(delivery.message_format, &delivery.payload)
        .map_err(|malformed| Refusal::decode(&malformed.0))?;
    match messages.iter().find_map(Message::unsupported) {
        None => Ok(messages),
        Some(what) => Err(Refusal::not_implemented(what)),
    }
}
