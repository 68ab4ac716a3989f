//! The worker: records events as activity and looks at attachments. It never
//! sends a message: the events that its own changes are wait in the outbox, for
//! the backend's relay.
//!
//! Every message may come more than once and every step may be the last before a
//! crash: a message is settled only after its effect, and every effect is one
//! that can be repeated.

mod activity;
mod attachments;
mod contents;
mod detection;
mod queue;
mod sweep;
mod trouble;

use std::time::Duration;

use platform::azure::Clients;
use platform::health::Readiness;
use platform::server::Shutdown;
use service_bus::{ServiceBusReceiver, ServiceBusReceiverOptions};
use tokio::task::JoinSet;

use crate::store::Store;
use activity::Recorder;
use attachments::Inspector;
use queue::Consumer;
use sweep::Sweep;

/// Starts the worker's tasks: two queues and the sweep. Each ends when the pod is
/// asked to end, once it has finished what it has in hand.
pub(crate) fn start(
    clients: &Clients,
    store: &Store,
    (sweep_every, grace): (Duration, Duration),
    (readiness, shutdown): (&Readiness, &Shutdown),
) -> JoinSet<()> {
    let bus = &clients.estate().bus;
    let events = Consumer {
        queue: bus.todo_events.clone(),
        receiver: receiver(clients, &bus.todo_events),
        handler: Recorder::new(store.clone()),
    };
    let jobs = Consumer {
        queue: bus.attachment_jobs.clone(),
        receiver: receiver(clients, &bus.attachment_jobs),
        handler: Inspector::new(store.clone(), clients),
    };
    let sweep = Sweep {
        inspector: Inspector::new(store.clone(), clients),
        every: sweep_every,
        grace,
    };

    let mut tasks = JoinSet::new();
    tasks.spawn(events.run(readiness.check("todo-events"), shutdown.clone()));
    tasks.spawn(jobs.run(readiness.check("attachment-jobs"), shutdown.clone()));
    tasks.spawn(sweep.run(shutdown.clone()));
    tasks
}

fn receiver(clients: &Clients, queue: &str) -> ServiceBusReceiver {
    clients
        .bus()
        .create_receiver(queue, ServiceBusReceiverOptions::default())
}
