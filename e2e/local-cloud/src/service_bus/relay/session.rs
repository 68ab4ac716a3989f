//! One session at the emulator, with a link each way at most: windows, credit and
//! deliveries, as a client has them.
//!
//! Nothing of what passes is understood here. Follows OASIS AMQP 1.0 part 2,
//! sections 2.5 and 2.6.

use std::{collections::VecDeque, ops::RangeInclusive, sync::Arc};

use bytes::Bytes;
use serde_amqp::Value;

use super::{
    gone,
    wire::{Ear, Wire},
};
use crate::service_bus::{
    codec,
    performatives::{
        self, Attach, Disposition, Flow, LinkFlow, Performative, Role, SessionFlow, Transfer,
    },
    refusal::Refusal,
};

mod receiving;

pub(in crate::service_bus) use receiving::Delivery;
use receiving::Receiving;

/// Frames that the emulator may send before this side widens the window.
const WINDOW: u32 = 2_048;

/// This side's handles.
const SENDER: u32 = 0;
const RECEIVER: u32 = 1;

/// The highest handle that the emulator may choose.
const HANDLE_MAX: u32 = 255;

/// The settle modes of a link: the sender's and the receiver's, as the client wrote
/// them.
pub(in crate::service_bus) type Modes = (Option<u8>, Option<u8>);

/// A session. Dropping it ends it, and the links on it.
pub(in crate::service_bus) struct Session {
    wire: Arc<Wire>,
    channel: u16,
    ear: Ear,
    /// Heard, and not asked for yet.
    heard: VecDeque<Heard>,
    next_incoming_id: u32,
    incoming_window: u32,
    next_outgoing_id: u32,
    remote_incoming_window: u32,
    sending: Sending,
    receiving: Receiving,
}

/// The link on which this side sends.
#[derive(Default)]
struct Sending {
    delivery_count: u32,
    credit: u32,
    next_delivery_id: u32,
}

/// What the emulator says on a link.
#[derive(Debug)]
pub(in crate::service_bus) enum Heard {
    /// A whole delivery.
    Delivery(Delivery),
    /// What became of deliveries to the emulator.
    Outcome(RangeInclusive<u32>, Value),
    /// The answer to decisions about deliveries from it.
    Settled(RangeInclusive<u32>, Value),
    /// The state of the link on which it sends. It counts from zero.
    Flow(LinkFlow),
}

impl Session {
    pub(super) async fn begin(wire: Arc<Wire>) -> Result<Self, Refusal> {
        let (channel, ear) = wire.begin()?;
        let mut session = Self {
            wire,
            channel,
            ear,
            heard: VecDeque::new(),
            next_incoming_id: 0,
            incoming_window: WINDOW,
            next_outgoing_id: 0,
            remote_incoming_window: 0,
            sending: Sending::default(),
            receiving: Receiving::default(),
        };
        session.write(&performatives::begin(None, WINDOW, HANDLE_MAX));
        match session.listen().await? {
            Performative::Begin(begin) => {
                session.next_incoming_id = begin.next_outgoing_id;
                session.remote_incoming_window = begin.incoming_window;
                Ok(session)
            }
            _ => Err(unexpected()),
        }
    }

    /// Opens the link on which this side sends, to a node.
    pub(super) async fn attach_sender(
        &mut self,
        name: &str,
        node: &str,
        modes: Modes,
    ) -> Result<(), Refusal> {
        let source = performatives::source(None);
        let target = performatives::target(Some(node));
        self.write(&performatives::client_attach(
            name,
            SENDER,
            Role::Sender,
            modes,
            source,
            target,
        ));
        self.attached(Role::Receiver).await?;
        Ok(())
    }

    /// Opens the link on which a node sends. It has no credit yet. `address`: how
    /// the node names this end.
    pub(super) async fn attach_receiver(
        &mut self,
        name: &str,
        node: &str,
        address: Option<&str>,
        modes: Modes,
    ) -> Result<(), Refusal> {
        let source = performatives::source(Some(node));
        let target = performatives::target(address);
        self.write(&performatives::client_attach(
            name,
            RECEIVER,
            Role::Receiver,
            modes,
            source,
            target,
        ));
        let attach = self.attached(Role::Sender).await?;
        self.receiving.handle = Some(attach.handle);
        self.receiving.initial_delivery_count = attach.initial_delivery_count.unwrap_or_default();
        Ok(())
    }

    /// Waits until the emulator has answered an attach. One that it refuses it
    /// answers too, without the terminus, and detaches it then (part 2, section
    /// 2.6.3).
    async fn attached(&mut self, role: Role) -> Result<Attach, Refusal> {
        loop {
            match self.listen().await? {
                Performative::Attach(attach) if attach.role == role => {
                    let terminus = match role {
                        Role::Sender => &attach.source,
                        Role::Receiver => &attach.target,
                    };
                    if *terminus != Value::Null {
                        return Ok(*attach);
                    }
                }
                other => self.on(other)?,
            }
        }
    }

    /// What the emulator says next. Nothing is lost if this is not waited for.
    pub(in crate::service_bus) async fn next(&mut self) -> Result<Heard, Refusal> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Ok(heard);
            }
            let performative = self.listen().await?;
            self.on(performative)?;
        }
    }

    /// Sends a message as soon as the emulator has given credit, and waits for what
    /// becomes of it; of a settled one nobody hears any more.
    pub(in crate::service_bus) async fn send(
        &mut self,
        message_format: u32,
        settled: bool,
        payload: Bytes,
    ) -> Result<Option<Value>, Refusal> {
        let id = self.transfer(message_format, settled, payload).await?;
        if settled {
            return Ok(None);
        }
        loop {
            if let Heard::Outcome(ids, state) = self.next().await?
                && ids.contains(&id)
            {
                return Ok(Some(state));
            }
        }
    }

    /// Sends a message as soon as there is credit, and frames of it as the window
    /// allows; its delivery id.
    pub(super) async fn transfer(
        &mut self,
        message_format: u32,
        settled: bool,
        mut payload: Bytes,
    ) -> Result<u32, Refusal> {
        while self.sending.credit == 0 {
            self.wait().await?;
        }
        let id = self.sending.next_delivery_id;
        self.sending.next_delivery_id = id.wrapping_add(1);
        self.sending.credit -= 1;
        self.sending.delivery_count = self.sending.delivery_count.wrapping_add(1);
        let tag = id.to_be_bytes();
        let first = |more| performatives::transfer(SENDER, id, &tag, message_format, settled, more);
        // Eight bytes of frame header; `more` takes one byte either way. What
        // continues a delivery says less than what begins it.
        let head = 8 + codec::encode(&first(false)).len();
        let room = self.wire.max_frame_bytes.saturating_sub(head).max(1);
        let mut performative = first(payload.len() > room);
        loop {
            while self.remote_incoming_window == 0 {
                self.wait().await?;
            }
            let part = payload.split_to(room.min(payload.len()));
            self.wire.write(self.channel, &performative, &part);
            self.next_outgoing_id = self.next_outgoing_id.wrapping_add(1);
            self.remote_incoming_window -= 1;
            if payload.is_empty() {
                return Ok(id);
            }
            performative = performatives::continued_transfer(SENDER, payload.len() > room);
        }
    }

    /// Gives the emulator's link credit, or takes it back. It counts from zero.
    pub(in crate::service_bus) fn flow(&mut self, mut flow: LinkFlow, echo: bool) {
        let counted = flow.delivery_count.unwrap_or_default();
        flow.delivery_count = Some(self.receiving.initial_delivery_count.wrapping_add(counted));
        self.write_flow(Some((RECEIVER, flow)), echo);
    }

    /// Grants credit for so many deliveries more than have arrived.
    pub(in crate::service_bus) fn grant(&mut self, credit: u32, drain: bool) {
        let flow = LinkFlow {
            delivery_count: Some(self.receiving.arrived),
            credit,
            drain,
        };
        self.flow(flow, drain);
    }

    /// Tells the emulator what was decided about a delivery of its.
    pub(in crate::service_bus) fn settle(&self, delivery_id: u32, settled: bool, state: Value) {
        self.write(&performatives::disposition(
            Role::Receiver,
            delivery_id,
            settled,
            state,
        ));
    }

    async fn listen(&mut self) -> Result<Performative, Refusal> {
        self.ear.recv().await.ok_or_else(gone)
    }

    async fn wait(&mut self) -> Result<(), Refusal> {
        let performative = self.listen().await?;
        self.on(performative)
    }

    /// Takes in what was said; an end is an error.
    fn on(&mut self, performative: Performative) -> Result<(), Refusal> {
        match performative {
            Performative::Flow(flow) => self.on_flow(&flow),
            Performative::Transfer(transfer, payload) => {
                return self.on_transfer(&transfer, &payload);
            }
            Performative::Disposition(Disposition {
                role,
                first,
                last,
                state,
                ..
            }) if first <= last => self.heard.push_back(match role {
                Role::Sender => Heard::Settled(first..=last, state),
                Role::Receiver => Heard::Outcome(first..=last, state),
            }),
            Performative::Detach(detach) => return Err(detach.error.unwrap_or_else(gone)),
            Performative::End(error) => return Err(error.unwrap_or_else(gone)),
            // A refused attach, which its detach follows; a range that is none.
            Performative::Attach(_) | Performative::Disposition(_) => {}
            _ => return Err(unexpected()),
        }
        Ok(())
    }

    fn on_flow(&mut self, flow: &Flow) {
        let window_end = flow
            .next_incoming_id
            .unwrap_or_default()
            .wrapping_add(flow.incoming_window);
        self.remote_incoming_window = performatives::left(window_end, self.next_outgoing_id);
        let counted = flow.link.delivery_count.unwrap_or_default();
        match flow.handle {
            None if flow.echo => self.write_flow(None, false),
            None => {}
            Some(handle) if self.receiving.handle == Some(handle) => {
                let initial = self.receiving.initial_delivery_count;
                self.heard.push_back(Heard::Flow(LinkFlow {
                    delivery_count: Some(counted.wrapping_sub(initial)),
                    ..flow.link
                }));
            }
            Some(_) => {
                self.sending.credit = flow.link.credit_left(self.sending.delivery_count);
            }
        }
    }

    fn on_transfer(&mut self, transfer: &Transfer, payload: &[u8]) -> Result<(), Refusal> {
        self.next_incoming_id = self.next_incoming_id.wrapping_add(1);
        self.incoming_window = self.incoming_window.saturating_sub(1);
        if self.incoming_window < WINDOW / 2 {
            self.write_flow(None, false);
        }
        if let Some(delivery) = self.receiving.take(transfer, payload)? {
            self.heard.push_back(Heard::Delivery(delivery));
        }
        Ok(())
    }

    fn write_flow(&mut self, link: Option<(u32, LinkFlow)>, echo: bool) {
        self.incoming_window = WINDOW;
        let session = SessionFlow {
            next_incoming_id: self.next_incoming_id,
            incoming_window: self.incoming_window,
            next_outgoing_id: self.next_outgoing_id,
            outgoing_window: WINDOW,
        };
        self.write(&performatives::flow(session, link, echo));
    }

    fn write(&self, performative: &Value) {
        self.wire.write(self.channel, performative, &[]);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.wire.end(self.channel);
    }
}

/// What was said is not logged: it may be a message.
fn unexpected() -> Refusal {
    tracing::warn!("the emulator says what nobody asked for");
    gone()
}
