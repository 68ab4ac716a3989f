//! A link that is opened again at the emulator behind the gate: what the client says
//! goes there, what the emulator says comes back, and each operation passes the gate
//! on its way.
//!
//! The client's credit is the emulator's, one for one: nothing is fetched before it
//! is asked for. So the gate is asked about a message when it has come, and a receive
//! that a test holds uses up the lock's time.
//!
//! When a link goes away, what has not gone on to the client is given back to the
//! emulator. What has is left to its lock, as on our own queues.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::timeout;
use uuid::Uuid;

use super::{Entry, Incoming, Input, Output, Port, Work, sending};
use crate::service_bus::{
    ServiceBus, management,
    outcome::{self, Outcome},
    refusal::Refusal,
    relay::{self, Delivery, Heard, PATIENCE, Relay, Requests, Session},
    request::Request,
};

/// How long the emulator may take to say that no more is on its way.
const FAREWELL: Duration = Duration::from_secs(5);

pub(super) async fn run(bus: &ServiceBus, port: Port, entry: Entry<Arc<Relay>>, work: Work) {
    let mut link = Relayed { bus, port, entry };
    let ended = match work {
        Work::Send => link.send().await,
        Work::Receive(_) => link.receive().await,
        Work::Manage => link.manage().await,
    };
    if let Err(refusal) = ended {
        link.port.emit(Output::Detach(refusal)).await;
    }
}

/// The client's end. Whatever ends the link is an error, but for the client itself.
struct Relayed<'bus> {
    bus: &'bus ServiceBus,
    port: Port,
    entry: Entry<Arc<Relay>>,
}

impl Relayed<'_> {
    async fn pass(&self, operation: &'static str) {
        self.bus.gate.pass(&self.entry.admitted, operation).await;
    }

    /// The name of a link of this connection on the one that all of them share.
    fn shared_name(&self, name: &str) -> String {
        format!("{}-{name}", self.port.connection.simple())
    }

    fn path(&self) -> &str {
        &self.entry.access.display_path
    }

    async fn send(&mut self) -> Result<(), Refusal> {
        let attach = &self.port.attach;
        let modes = (attach.snd_settle_mode, attach.rcv_settle_mode);
        let name = self.shared_name(&attach.name);
        let relay = Arc::clone(&self.entry.queue);
        let mut link = relay.sender(self.path(), &name, modes).await?;
        self.port.emit(Output::Attached).await;
        loop {
            let input = tokio::select! {
                input = self.port.inbox.recv() => input,
                // Nothing is on its way, so all that can come is the link's end.
                heard = link.next() => {
                    heard?;
                    continue;
                }
            };
            match input {
                Some(Input::Delivery(delivery)) => self.forward(&mut link, delivery).await?,
                Some(Input::Readmit(caller)) => self.entry.readmit(self.bus, caller).await?,
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }

    /// Sends one delivery on; the emulator's answer is the client's.
    async fn forward(&self, link: &mut Session, delivery: Incoming) -> Result<(), Refusal> {
        let state = match sending::messages(&delivery) {
            Ok(_) => {
                self.pass("Send").await;
                link.send(delivery.message_format, delivery.settled, delivery.payload)
                    .await?
            }
            Err(refusal) => (!delivery.settled).then(|| outcome::rejected(&refusal)),
        };
        let delivery_id = delivery.delivery_id;
        self.port
            .emit(Output::Processed { delivery_id, state })
            .await;
        Ok(())
    }

    async fn receive(&mut self) -> Result<(), Refusal> {
        let attach = &self.port.attach;
        let modes = (attach.snd_settle_mode, attach.rcv_settle_mode);
        let name = self.shared_name(&attach.name);
        let relay = Arc::clone(&self.entry.queue);
        let session = relay.receiver(self.path(), &name, modes).await?;
        let mut link = Receiving {
            session: Some(session),
            in_hand: None,
            locked: HashMap::new(),
            decided: BTreeMap::new(),
        };
        self.port.emit(Output::Attached).await;
        while let Some(session) = &mut link.session {
            tokio::select! {
                biased;
                input = self.port.inbox.recv() => match input {
                    Some(Input::Flow { flow, echo }) => session.flow(flow, echo),
                    Some(Input::Settle { delivery_id, token, outcome, settled, state }) => {
                        let decision = Decision { delivery_id, token, outcome, settled, state };
                        self.decide(&mut link, decision).await;
                    }
                    Some(Input::Readmit(caller)) => self.entry.readmit(self.bus, caller).await?,
                    Some(Input::Delivery(_) | Input::Reply(_)) => {}
                    None => return Ok(()),
                },
                heard = session.next() => match heard? {
                    Heard::Delivery(delivery) => self.deliver(&mut link, delivery).await,
                    Heard::Flow(flow) => self.port.emit(Output::Flow(flow)).await,
                    Heard::Settled(ids, state) => {
                        for (_, delivery_id) in link.decided.extract_if(ids, |_, _| true) {
                            let state = state.clone();
                            self.port.emit(Output::Settled { delivery_id, state }).await;
                        }
                    }
                    Heard::Outcome(..) => {}
                },
            }
        }
        Ok(())
    }

    /// Hands on a delivery, with its tag and everything in it as they are.
    async fn deliver(&self, link: &mut Receiving, delivery: Delivery) {
        let Delivery {
            id,
            tag,
            settled,
            payload,
        } = delivery;
        if !settled {
            link.in_hand = Some(id);
        }
        self.pass("Receive").await;
        if self.port.inbox.is_closed() {
            // While the gate held this, the client has gone.
            return;
        }
        if link.in_hand.take().is_some() {
            link.locked.insert(tag, id);
        }
        self.port
            .emit(Output::Deliver {
                tag,
                settled,
                payload,
            })
            .await;
    }

    /// Takes the client's decision to the emulator, as the client wrote it; so the
    /// answer to a lock that was lost is the emulator's own.
    async fn decide(&self, link: &mut Receiving, decision: Decision) {
        let Decision {
            delivery_id,
            token,
            outcome,
            settled,
            state,
        } = decision;
        let Some(id) = link.locked.remove(&token) else {
            return;
        };
        if let Some(outcome) = outcome {
            if let Some(refusal) = outcome.not_played(self.entry.part) {
                if !settled {
                    let state = outcome::rejected(&refusal);
                    self.port.emit(Output::Settled { delivery_id, state }).await;
                }
                return;
            }
            self.pass(outcome.operation()).await;
        }
        if !settled {
            link.decided.insert(id, delivery_id);
        }
        if let Some(session) = &link.session {
            session.settle(id, settled, state);
        }
    }

    async fn manage(&mut self) -> Result<(), Refusal> {
        let name = self.shared_name(&self.port.attach.name);
        let relay = Arc::clone(&self.entry.queue);
        let mut requests = relay.requests(self.path(), &name).await?;
        self.port.emit(Output::Attached).await;
        loop {
            let input = tokio::select! {
                input = self.port.inbox.recv() => input,
                refusal = requests.ended() => return Err(refusal),
            };
            match input {
                Some(Input::Delivery(delivery)) => self.ask(&mut requests, delivery).await?,
                Some(Input::Readmit(caller)) => self.entry.readmit(self.bus, caller).await?,
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }

    /// Passes on a request, if it is one that is played; the emulator's answer is
    /// the client's.
    async fn ask(&self, requests: &mut Requests, delivery: Incoming) -> Result<(), Refusal> {
        let state = match Request::parse(&delivery.payload) {
            Ok(request) => {
                let reply_to = request.reply_to.clone();
                let payload = match management::Operation::of(&request, self.entry.part) {
                    Ok(operation) => {
                        for name in operation.audited() {
                            self.pass(name).await;
                        }
                        let asked = requests.ask(|reply_to| {
                            request.forwarded(reply_to, |name| self.shared_name(name))
                        });
                        timeout(PATIENCE, asked)
                            .await
                            .map_err(|_elapsed| relay::gone())??
                    }
                    Err(failed) => request.answer(management::as_answer(Err(failed))),
                };
                self.port.emit(Output::Reply { reply_to, payload }).await;
                outcome::accepted()
            }
            Err(malformed) => outcome::rejected(&Refusal::decode(&malformed.0)),
        };
        let output = Output::Processed {
            delivery_id: delivery.delivery_id,
            state: (!delivery.settled).then_some(state),
        };
        self.port.emit(output).await;
        Ok(())
    }
}

/// A receiver's decision.
struct Decision {
    delivery_id: u32,
    token: Uuid,
    outcome: Option<Outcome>,
    settled: bool,
    state: serde_amqp::Value,
}

/// The emulator's end of a link on which messages come. Dropping it, whyever, gives
/// back what has not gone on.
struct Receiving {
    /// There until this is dropped.
    session: Option<Session>,
    /// The delivery that is not with the client yet.
    in_hand: Option<u32>,
    /// The emulator's delivery ids, by lock tokens.
    locked: HashMap<Uuid, u32>,
    /// The client's delivery ids, by the emulator's, of what has no answer yet.
    decided: BTreeMap<u32, u32>,
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(give_back(session, self.in_hand));
        }
    }
}

async fn give_back(mut session: Session, in_hand: Option<u32>) {
    if let Some(id) = in_hand {
        session.settle(id, true, outcome::released());
    }
    // Takes the credit back. What is on its way comes before the answer.
    session.grant(0, true);
    let rest = async {
        loop {
            match session.next().await {
                Ok(Heard::Delivery(delivery)) if !delivery.settled => {
                    session.settle(delivery.id, true, outcome::released());
                }
                Ok(Heard::Flow(flow)) if flow.drain && flow.credit == 0 => return,
                Ok(_) => {}
                // The emulator has ended the link itself.
                Err(_ended) => return,
            }
        }
    };
    if timeout(FAREWELL, rest).await.is_err() {
        tracing::debug!("the emulator did not say that nothing more is on its way");
    }
}
