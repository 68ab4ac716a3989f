//! The worker: records events as activity and looks at attachments. It never
//! sends a message: the events that its own changes are wait in the outbox, for
//! the backend's relay.
//!
//! Every message may come more than once and every step may be the last before a
//! crash: a message is settled only after its effect, and every effect is one
//! that can be repeated.

mod attachments;
mod contents;
mod dead_letters;
mod delivery;
mod detection;
mod events;
mod inbox;
mod lock;
mod queue;
mod removal;
mod sweep;
mod trouble;

use std::time::Duration;

use platform::azure::Clients;
use platform::health::Readiness;
use platform::server::Shutdown;
use service_bus::{ServiceBusReceiver, ServiceBusReceiverOptions, SubQueue};
use tokio::task::JoinSet;

use crate::store::Store;
use attachments::Inspector;
use dead_letters::DeadLetters;
use delivery::Handler;
use events::Follower;
use queue::Consumer;
use sweep::Sweep;

/// How the worker works.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// How many messages of each queue may be in hand at the same time.
    pub(crate) slots: usize,
    /// The time between two looks for what was left behind.
    pub(crate) sweep: Duration,
    /// How long something may look left behind before it is.
    pub(crate) grace: Duration,
    /// How long what is in hand may take once the pod is asked to end.
    pub(crate) drain: Duration,
}

/// Starts the worker's tasks: for each queue its messages and its dead letters,
/// and the sweep. Each ends when the pod is asked to end, once it has finished
/// what it has in hand.
pub(crate) fn start(
    work: Work,
    (clients, store): (&Clients, &Store),
    (readiness, shutdown): (&Readiness, &Shutdown),
) -> JoinSet<()> {
    let bus = &clients.estate().bus;
    let inspector = || Inspector::new(store.clone(), clients);
    let events = consumer(
        work,
        clients,
        &bus.todo_events,
        Follower::new(store.clone(), clients),
    );
    let jobs = consumer(work, clients, &bus.attachment_jobs, inspector());
    let sweep = Sweep {
        inspector: inspector(),
        every: work.sweep,
        grace: work.grace,
    };

    let mut tasks = JoinSet::new();
    tasks.spawn(events.run(readiness.check("todo-events"), shutdown.clone()));
    tasks.spawn(jobs.run(readiness.check("attachment-jobs"), shutdown.clone()));
    tasks.spawn(sweep.run(shutdown.clone()));
    for queue in [&bus.todo_events, &bus.attachment_jobs] {
        let letters = DeadLetters {
            queue: queue.clone(),
            receiver: receiver(clients, queue, SubQueue::DeadLetter),
            every: work.sweep,
        };
        tasks.spawn(letters.run(shutdown.clone()));
    }
    tasks
}

fn consumer<H: Handler>(
    work: Work,
    clients: &Clients,
    queue: &str,
    handler: H,
) -> Consumer<ServiceBusReceiver, H> {
    Consumer {
        queue: queue.to_owned(),
        inbox: receiver(clients, queue, SubQueue::None),
        handler,
        slots: work.slots,
        drain: work.drain,
    }
}

fn receiver(clients: &Clients, queue: &str, sub_queue: SubQueue) -> ServiceBusReceiver {
    let options = ServiceBusReceiverOptions { sub_queue };
    clients.bus().create_receiver(queue, options)
}
