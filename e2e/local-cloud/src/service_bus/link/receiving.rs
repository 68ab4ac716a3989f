//! A link on which the client receives messages from a queue.
//!
//! A link that goes away leaves its locks until they expire. Assumed from the
//! official clients, which release prefetched messages themselves on close.

use tokio::sync::watch;
use uuid::Uuid;

use super::{Entry, Input, Output, Port};
use crate::service_bus::{
    ServiceBus,
    outcome::{self, Outcome},
    performatives::LinkFlow,
    queue::{LockLost, ReceiveMode},
    refusal::Refusal,
};

/// How many deliveries a link may leave undecided before it gets no more.
const MAX_UNSETTLED: usize = 5_000;

pub(super) async fn run(bus: &ServiceBus, port: Port, entry: Entry, mode: ReceiveMode) {
    let mut arrivals = entry.queue.arrivals();
    let mut link = Receiving {
        bus,
        port,
        entry,
        mode,
        delivery_count: 0,
        credit: 0,
        drain: false,
        unsettled: 0,
    };
    loop {
        let ready = link.credit > 0 && link.unsettled < MAX_UNSETTLED;
        let goes_on = if link.drain {
            link.finish_drain().await
        } else {
            tokio::select! {
                biased;
                input = link.port.inbox.recv() => match input {
                    Some(input) => link.take(input).await,
                    None => return,
                },
                () = available(bus, &link.entry, &mut arrivals), if ready => {
                    link.deliver().await
                }
            }
        };
        if goes_on.is_err() {
            return;
        }
    }
}

/// The link was ended by the broker; the connection already knows.
struct Ended;

struct Receiving<'bus> {
    bus: &'bus ServiceBus,
    port: Port,
    entry: Entry,
    mode: ReceiveMode,
    delivery_count: u32,
    credit: u32,
    drain: bool,
    unsettled: usize,
}

impl Receiving<'_> {
    async fn take(&mut self, input: Input) -> Result<(), Ended> {
        match input {
            Input::Flow { flow, echo } => {
                self.credit = flow.credit_left(self.delivery_count);
                self.drain = flow.drain;
                if echo && !flow.drain {
                    self.emit_flow().await;
                }
            }
            Input::Settle {
                delivery_id,
                token,
                outcome,
                settled,
                state: _,
            } => {
                self.unsettled = self.unsettled.saturating_sub(1);
                if let Some(outcome) = outcome {
                    let state = match self.settle(token, &outcome).await {
                        Ok(()) => outcome.done(),
                        Err(refusal) => outcome::rejected(&refusal),
                    };
                    if !settled {
                        let output = Output::Settled { delivery_id, state };
                        self.port.emit(output).await;
                    }
                }
            }
            Input::Readmit(caller) => {
                if let Err(refusal) = self.entry.readmit(self.bus, caller).await {
                    self.port.emit(Output::Detach(refusal)).await;
                    return Err(Ended);
                }
            }
            Input::Delivery(_) | Input::Reply(_) => {}
        }
        Ok(())
    }

    /// Hands out one message. The gate is asked before the message is locked,
    /// so that a held receive does not use up the lock's time.
    async fn deliver(&mut self) -> Result<(), Ended> {
        self.bus.gate.pass(&self.entry.admitted, "Receive").await;
        // While the gate held this, the client may have gone or taken back its
        // credit.
        loop {
            match self.port.inbox.try_recv() {
                Ok(input) => self.take(input).await?,
                Err(tokio::sync::mpsc::error::TryRecvError::Empty) => break,
                Err(tokio::sync::mpsc::error::TryRecvError::Disconnected) => return Err(Ended),
            }
        }
        if self.credit == 0 {
            return Ok(());
        }
        let now = self.bus.clock.now();
        let delivery = self
            .entry
            .queue
            .with(|queue| queue.receive(&self.entry.admitted, now, self.entry.part, self.mode));
        let Some(delivery) = delivery else {
            return Ok(());
        };
        self.credit -= 1;
        self.delivery_count = self.delivery_count.wrapping_add(1);
        let token = delivery.envelope.lock.map(|(token, _)| token);
        if token.is_some() {
            self.unsettled += 1;
        }
        let output = Output::Deliver {
            tag: token.unwrap_or_else(Uuid::new_v4),
            settled: token.is_none(),
            payload: delivery.message.encode(&delivery.envelope),
        };
        self.port.emit(output).await;
        Ok(())
    }

    /// Uses up the credit: with what there is, then with nothing.
    async fn finish_drain(&mut self) -> Result<(), Ended> {
        while self.drain && self.credit > 0 && self.unsettled < MAX_UNSETTLED && self.has_message()
        {
            self.deliver().await?;
        }
        if self.drain {
            self.delivery_count = self.delivery_count.wrapping_add(self.credit);
            self.credit = 0;
            self.emit_flow().await;
            self.drain = false;
        }
        Ok(())
    }

    fn has_message(&self) -> bool {
        let now = self.bus.clock.now();
        self.entry
            .queue
            .with(|queue| queue.has_available(now, self.entry.part))
    }

    async fn settle(&self, token: Uuid, outcome: &Outcome) -> Result<(), Refusal> {
        settle(self.bus, &self.entry, token, outcome).await
    }

    async fn emit_flow(&self) {
        let flow = LinkFlow {
            delivery_count: Some(self.delivery_count),
            credit: self.credit,
            drain: self.drain,
        };
        self.port.emit(Output::Flow(flow)).await;
    }
}

/// Carries out a receiver's decision about the message that `token` locks.
pub(in crate::service_bus) async fn settle(
    bus: &ServiceBus,
    entry: &Entry,
    token: Uuid,
    outcome: &Outcome,
) -> Result<(), Refusal> {
    let Entry { admitted, part, .. } = entry;
    if let Some(refusal) = outcome.not_played(*part) {
        return Err(refusal);
    }
    bus.gate.pass(admitted, outcome.operation()).await;
    let now = bus.clock.now();
    let done = entry.queue.with(|queue| match outcome {
        Outcome::Complete => queue.complete(admitted, now, *part, token),
        Outcome::Abandon(changes) => queue.abandon(admitted, now, *part, token, changes),
        Outcome::Release => queue.release(admitted, now, *part, token),
        Outcome::DeadLetter(changes) => queue.dead_letter(admitted, now, token, changes),
        Outcome::Defer => unreachable!("it was refused above"),
    });
    done.map_err(|LockLost| Refusal::lock_lost(now))
}

/// Waits until a receiver would get a message.
async fn available(bus: &ServiceBus, entry: &Entry, arrivals: &mut watch::Receiver<u64>) {
    loop {
        arrivals.mark_unchanged();
        let now = bus.clock.now();
        if entry
            .queue
            .with(|queue| queue.has_available(now, entry.part))
        {
            return;
        }
        if arrivals.changed().await.is_err() {
            // The queue, which owns the other end, outlives its links.
            std::future::pending::<()>().await;
        }
    }
}
