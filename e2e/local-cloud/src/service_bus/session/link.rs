//! A link as its session sees it: state, credit, and the delivery that is
//! arriving in pieces.
//!
//! Follows OASIS AMQP 1.0 part 2, sections 2.6.6 to 2.6.14.

use bytes::BytesMut;
use tokio::{sync::mpsc, task::AbortHandle};

use super::Broken;
use crate::service_bus::{
    MAX_MESSAGE_SIZE,
    address::Node,
    link::{Incoming, Input, LinkId},
    performatives::{self, Attach, LinkFlow, Role, Transfer},
    refusal::Refusal,
};

/// What a client that sends messages is granted, and when it is topped up.
const CREDIT: u32 = 1_000;
const LOW_CREDIT: u32 = 500;

/// A link as the session sees it.
#[derive(Debug)]
pub(in crate::service_bus) struct Link {
    pub(in crate::service_bus) id: LinkId,
    pub(in crate::service_bus) attach: Attach,
    pub(in crate::service_bus) node: Node,
    /// The audience path of the token that it stands on.
    pub(in crate::service_bus) claim: Option<String>,
    pub(in crate::service_bus) inbox: mpsc::Sender<Input>,
    pub(in crate::service_bus) task: AbortHandle,
    pub(super) state: LinkState,
    incoming: IncomingState,
}

/// How far a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkState {
    /// The gate has not answered yet.
    Attaching,
    Open,
    /// The broker has detached it; the client's detach is to come.
    Detached,
}

/// What a link on which the client sends needs.
#[derive(Debug, Default)]
struct IncomingState {
    delivery_count: u32,
    credit: u32,
    /// Deliveries that the link's task has not dealt with yet.
    in_task: u32,
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    delivery_id: u32,
    message_format: u32,
    settled: bool,
    payload: BytesMut,
}

impl Link {
    pub(in crate::service_bus) fn new(
        id: LinkId,
        attach: Attach,
        node: Node,
        claim: Option<String>,
        inbox: mpsc::Sender<Input>,
        task: AbortHandle,
    ) -> Self {
        let incoming = IncomingState {
            delivery_count: attach.initial_delivery_count.unwrap_or_default(),
            ..IncomingState::default()
        };
        Self {
            id,
            attach,
            node,
            claim,
            inbox,
            task,
            state: LinkState::Attaching,
            incoming,
        }
    }

    /// Whether answers of `node` can go out on this link.
    pub(in crate::service_bus) fn takes_replies_of(&self, node: &Node) -> bool {
        self.state == LinkState::Open && self.attach.role == Role::Receiver && self.node == *node
    }

    /// Whether this is the link that a request's reply-to names: by its target
    /// address (fe2o3) or, without one, by its own name (JavaScript).
    pub(in crate::service_bus) fn is_named(&self, reply_to: Option<&str>) -> bool {
        reply_to.is_some_and(|reply_to| {
            performatives::terminus_address(&self.attach.target).unwrap_or(&self.attach.name)
                == reply_to
        })
    }

    /// Gives the link something to do.
    pub(in crate::service_bus) fn give(&self, input: Input) -> Result<(), Broken> {
        match self.inbox.try_send(input) {
            // A task that has ended was refused or detached.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Broken::Connection(Refusal::limit(
                "too many operations are waiting on one link",
            ))),
        }
    }

    /// Takes one frame of a delivery.
    pub(super) fn take(&mut self, transfer: &Transfer, payload: &[u8]) -> Result<(), Broken> {
        let broken = |condition, text: &str| Err(Broken::Link(Refusal::new(condition, text)));
        if self.attach.role == Role::Receiver {
            return broken("amqp:not-allowed", "the client receives on this link");
        }
        let incoming = &mut self.incoming;
        if incoming.partial.is_none() {
            if incoming.credit == 0 {
                let text = "more deliveries than the credit allows";
                return broken("amqp:link:transfer-limit-exceeded", text);
            }
            let Some(delivery_id) = transfer.delivery_id else {
                let text = "the first transfer of a delivery has no delivery-id";
                return broken("amqp:invalid-field", text);
            };
            incoming.credit -= 1;
            incoming.delivery_count = incoming.delivery_count.wrapping_add(1);
            incoming.partial = Some(Partial {
                delivery_id,
                message_format: transfer.message_format.unwrap_or(0),
                settled: false,
                payload: BytesMut::new(),
            });
        }
        let Some(mut partial) = incoming.partial.take().filter(|_| !transfer.aborted) else {
            return Ok(());
        };
        partial.settled |= transfer.settled;
        partial.payload.extend_from_slice(payload);
        let size = partial.payload.len();
        if size as u64 > MAX_MESSAGE_SIZE {
            let delivery_id = partial.delivery_id;
            return Err(Broken::Link(Refusal::message_size_exceeded(
                delivery_id,
                size,
                MAX_MESSAGE_SIZE,
            )));
        }
        if transfer.more {
            incoming.partial = Some(partial);
            return Ok(());
        }
        incoming.in_task += 1;
        self.give(Input::Delivery(Incoming {
            delivery_id: partial.delivery_id,
            message_format: partial.message_format,
            settled: partial.settled,
            payload: partial.payload.freeze(),
        }))
    }

    /// The link's task has dealt with a delivery.
    pub(super) fn processed(&mut self) {
        self.incoming.in_task = self.incoming.in_task.saturating_sub(1);
    }

    /// Grants the client more credit if it is short of it.
    pub(super) fn top_up(&mut self) -> Option<LinkFlow> {
        let credit = CREDIT.saturating_sub(self.incoming.in_task);
        let low = self.incoming.credit < LOW_CREDIT && credit > self.incoming.credit;
        low.then(|| {
            self.incoming.credit = credit;
            self.incoming_flow()
        })
    }

    /// What the client was granted.
    pub(super) fn incoming_flow(&self) -> LinkFlow {
        LinkFlow {
            delivery_count: Some(self.incoming.delivery_count),
            credit: self.incoming.credit,
            drain: false,
        }
    }
}
