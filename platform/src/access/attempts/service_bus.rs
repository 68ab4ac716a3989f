//! Service Bus: send to and receive from each queue. A fresh link is attached with
//! zero credit and detached, so that no message moves.

use service_bus::Direction;

use super::{Answer, Attempt, cell};
use crate::azure::{AzureFailure, Clients};

pub(super) fn attempts(clients: &Clients) -> Vec<Attempt<'_>> {
    let bus = &clients.estate().bus;
    let mut attempts = Vec::new();
    for (logical, queue) in [
        ("todo-events", bus.todo_events.as_str()),
        ("attachment-jobs", bus.attachment_jobs.as_str()),
    ] {
        for (action, direction, link) in [
            ("send", Direction::Send, "sender"),
            ("receive", Direction::Receive, "receiver"),
        ] {
            attempts.push(cell(
                format!("bus/{logical}"),
                action,
                format!("ATTACH {link} {queue}, no credit"),
                attach(clients, queue, direction),
            ));
        }
    }
    attempts
}

async fn attach(clients: &Clients, queue: &str, direction: Direction) -> Answer {
    clients
        .bus()
        .probe(queue, direction)
        .await
        .map_err(AzureFailure::service_bus)?;
    Ok("attached without credit, and detached")
}
