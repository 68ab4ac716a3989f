//! What lies in a queue's dead-letter sub-queue. The broker puts there what was
//! given back too often, and tells nobody: so the worker looks from time to time,
//! says once what it finds, and counts it. It takes nothing away: whoever repairs
//! the cause sends the messages again.

use std::collections::BTreeSet;
use std::time::Duration;

use platform::server::Shutdown;
use platform::telemetry::metrics;
use service_bus::{ServiceBusError, ServiceBusReceiver};

use crate::rounds::Rounds;

/// The most dead letters that are looked at.
const MOST: u32 = 100;

/// Looks at the dead letters of a queue.
#[derive(Debug)]
pub(super) struct DeadLetters {
    pub(super) queue: String,
    /// Of the dead-letter sub-queue.
    pub(super) receiver: ServiceBusReceiver,
    /// The time between two rounds.
    pub(super) every: Duration,
}

impl DeadLetters {
    /// Looks until the pod is asked to end.
    // Identity worker, Azure Service Bus Data Receiver on queue todo-events.
    // Identity worker, Azure Service Bus Data Receiver on queue attachment-jobs.
    pub(super) async fn run(self, shutdown: Shutdown) {
        let mut rounds = Rounds::new("looking at dead letters", self.every);
        let mut known = BTreeSet::new();
        while rounds.next(&shutdown).await {
            tokio::select! {
                () = shutdown.requested() => break,
                outcome = self.round(&mut known) => rounds.ended(outcome),
            }
        }
        self.receiver.close().await;
    }

    async fn round(&self, known: &mut BTreeSet<i64>) -> Result<(), ServiceBusError> {
        let letters = self.receiver.peek_messages(MOST, 0).await?;
        metrics::dead_letters(&self.queue, letters.len());
        let before = std::mem::take(known);
        for letter in letters {
            let number = letter.sequence_number();
            known.insert(number);
            if !before.contains(&number) {
                let reason = letter.dead_letter_reason().unwrap_or("none given");
                tracing::error!(
                    queue = self.queue,
                    message.id = letter.message_id(),
                    message.delivery_count = letter.delivery_count(),
                    reason,
                    description = letter.dead_letter_error_description(),
                    "{} has a dead letter: {reason}",
                    self.queue
                );
            }
        }
        Ok(())
    }
}
