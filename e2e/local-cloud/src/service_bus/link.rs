//! What a link does, apart from the wire: one task per link, so that an
//! operation which a test holds stops nothing but its own link.
//!
//! The connection gives a link [`Input`] and writes its [`Output`] to the wire.

use std::sync::Arc;

use bytes::Bytes;
use serde_amqp::Value;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    Place, ServiceBus,
    address::{Entity, Node},
    outcome::Outcome,
    performatives::{Attach, LinkFlow, Role},
    queue::{Part, ReceiveMode},
    refusal::Refusal,
    store::SharedQueue,
};
use crate::{
    gate::{Admitted, Caller, Operation},
    model::Scope,
    roles::Permission,
};

mod receiving;
mod relaying;
mod replying;
mod sending;

pub(super) use receiving::settle;

/// Data action of Azure RBAC behind the claim `Send`.
const SEND: Permission =
    Permission::DataAction("Microsoft.ServiceBus/namespaces/messages/send/action");
/// Data action of Azure RBAC behind the claim `Listen`.
const RECEIVE: Permission =
    Permission::DataAction("Microsoft.ServiceBus/namespaces/messages/receive/action");

/// Names a link of a connection; `serial` tells apart links that had the same
/// handle one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkId {
    pub(super) channel: u16,
    pub(super) handle: u32,
    pub(super) serial: u64,
}

/// What the connection tells a link.
#[derive(Debug)]
pub(super) enum Input {
    /// The client has sent a whole delivery.
    Delivery(Incoming),
    /// The client has granted credit.
    Flow { flow: LinkFlow, echo: bool },
    /// The client has decided about a delivery.
    Settle {
        delivery_id: u32,
        token: Uuid,
        outcome: Option<Outcome>,
        settled: bool,
        /// As the client wrote it; `outcome` is what it means.
        state: Value,
    },
    /// Something to send, on the answering link of `$cbs` or `$management`.
    Reply(Bytes),
    /// A new token was put for the link's entity.
    Readmit(Caller),
}

/// A delivery from the client.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) delivery_id: u32,
    pub(super) message_format: u32,
    pub(super) settled: bool,
    pub(super) payload: Bytes,
}

/// What a link tells the connection.
#[derive(Debug)]
pub(super) enum Output {
    /// The link is open.
    Attached,
    /// The link is refused (while it is being opened) or ended.
    Detach(Refusal),
    /// A delivery from the client was dealt with; its outcome unless the client
    /// had settled it.
    Processed {
        delivery_id: u32,
        state: Option<Value>,
    },
    /// A delivery for the client.
    Deliver {
        /// Lock token or, for what has none, any new id.
        tag: Uuid,
        settled: bool,
        payload: Bytes,
    },
    /// The answer to a client's decision.
    Settled { delivery_id: u32, state: Value },
    /// The link's credit has changed.
    Flow(LinkFlow),
    /// A token was accepted for an audience path.
    Claimed { path: String, caller: Caller },
    /// An answer, to go out on the link that has this link's node as source.
    Reply {
        reply_to: Option<String>,
        payload: Bytes,
    },
}

/// A link's end of its two channels.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) id: LinkId,
    /// The connection that the link is on, among all of the namespace.
    pub(super) connection: Uuid,
    /// What the client asked for.
    pub(super) attach: Attach,
    pub(super) inbox: mpsc::Receiver<Input>,
    pub(super) outputs: mpsc::Sender<(LinkId, Output)>,
}

impl Port {
    /// Tells the connection; when that is gone, no one wants to know any more.
    pub(super) async fn emit(&self, output: Output) {
        if self.outputs.send((self.id, output)).await.is_err() {
            tracing::debug!(handle = self.id.handle, "the connection is gone");
        }
    }
}

/// What a link is for, decided from its attach alone.
#[derive(Debug)]
pub(super) enum Plan {
    /// Requests to `$cbs`.
    Cbs,
    /// Answers from `$cbs`.
    CbsReplies,
    /// Answers from a queue's `$management`.
    ManagementReplies(Access),
    /// Work on a queue.
    Work(Work, Access),
}

/// What a link does with a queue.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// Messages to it.
    Send,
    /// Messages from it.
    Receive(ReceiveMode),
    /// Requests to its `$management`.
    Manage,
}

/// What the gate has to be asked before a link opens.
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// As the refusal names it.
    claim: &'static str,
    operation: &'static str,
    permission: Permission,
    queue: String,
    part: Part,
    /// Where it is, as refusals show it.
    pub(super) display_path: String,
    /// The token's caller; without one the link is refused like one without a
    /// role.
    pub(super) caller: Option<Caller>,
}

impl Plan {
    /// Reads an attach. What is not played is refused by name.
    pub(super) fn of(
        attach: &Attach,
        node: &Node,
        caller: Option<&Caller>,
    ) -> Result<Self, Refusal> {
        let access = |claim, operation, permission, entity: &Entity| Access {
            claim,
            operation,
            permission,
            queue: entity.queue.clone(),
            part: entity.part,
            display_path: node.display_path(),
            caller: caller.cloned(),
        };
        Ok(match (node, attach.role) {
            (Node::Cbs, Role::Sender) => Self::Cbs,
            (Node::Cbs, Role::Receiver) => Self::CbsReplies,
            // Assumed: management needs Listen. All that is played here does.
            (Node::Management(entity), role) => {
                let access = access("Listen", "AttachManagement", RECEIVE, entity);
                match role {
                    Role::Sender => Self::Work(Work::Manage, access),
                    Role::Receiver => Self::ManagementReplies(access),
                }
            }
            (Node::Queue(entity), Role::Sender) => {
                if entity.part == Part::DeadLetter {
                    return Err(Refusal::not_implemented("sending to a dead-letter queue"));
                }
                Self::Work(Work::Send, access("Send", "AttachSender", SEND, entity))
            }
            (Node::Queue(entity), Role::Receiver) => {
                if has_filter(&attach.source) {
                    return Err(Refusal::not_implemented(
                        "a filter on a receiver (sessions)",
                    ));
                }
                // Sender settle mode "settled" is receive-and-delete.
                let mode = match attach.snd_settle_mode {
                    Some(1) => ReceiveMode::ReceiveAndDelete,
                    _ => ReceiveMode::PeekLock,
                };
                let access = access("Listen", "AttachReceiver", RECEIVE, entity);
                Self::Work(Work::Receive(mode), access)
            }
        })
    }
}

/// Runs a link from its attach until the connection drops its inbox.
pub(super) async fn run(bus: Arc<ServiceBus>, port: Port, plan: Plan) {
    match plan {
        Plan::Cbs => {
            port.emit(Output::Attached).await;
            super::cbs::run(&bus, port).await;
        }
        Plan::CbsReplies => {
            port.emit(Output::Attached).await;
            replying::run(&bus, port, None).await;
        }
        Plan::ManagementReplies(access) => {
            if let Some((entry, port)) = enter(&bus, port, access).await {
                port.emit(Output::Attached).await;
                replying::run(&bus, port, Some(entry)).await;
            }
        }
        Plan::Work(work, access) => {
            if let Some((entry, port)) = enter(&bus, port, access).await {
                self::work(&bus, port, entry, work).await;
            }
        }
    }
}

/// Works on the queue where its messages are: here, or in an emulator.
async fn work(bus: &ServiceBus, port: Port, entry: Entry<Place>, work: Work) {
    match entry.queue.clone() {
        Place::Own(queue) => {
            let entry = entry.at(queue);
            port.emit(Output::Attached).await;
            match work {
                Work::Send => sending::run(bus, port, entry).await,
                Work::Receive(mode) => receiving::run(bus, port, entry, mode).await,
                Work::Manage => super::management::run(bus, port, entry).await,
            }
        }
        Place::Emulator(relay, _) => {
            relaying::run(bus, port, entry.at(relay), work).await;
        }
    }
}

/// A queue that a link was let into, with what the link works on.
#[derive(Debug)]
pub(super) struct Entry<Q = Arc<SharedQueue>> {
    pub(super) access: Access,
    pub(super) queue: Q,
    pub(super) part: Part,
    pub(super) admitted: Admitted,
}

impl<Q> Entry<Q> {
    /// The same admission, for what is worked on.
    fn at<R>(self, queue: R) -> Entry<R> {
        Entry {
            access: self.access,
            queue,
            part: self.part,
            admitted: self.admitted,
        }
    }

    /// Asks the gate again, for a new token on the connection. The open link
    /// lives on only if the role is still there.
    pub(super) async fn readmit(
        &mut self,
        bus: &ServiceBus,
        caller: Caller,
    ) -> Result<(), Refusal> {
        self.access.caller = Some(caller);
        self.admitted = admit(bus, &self.access).await?;
        Ok(())
    }
}

/// Lets a link in, or refuses it.
async fn enter(bus: &ServiceBus, port: Port, access: Access) -> Option<(Entry<Place>, Port)> {
    // Authorisation precedes existence: who has no role learns nothing about
    // which queues there are.
    let admitted = match admit(bus, &access).await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            port.emit(Output::Detach(refusal)).await;
            return None;
        }
    };
    let Some(queue) = bus.queue(&access.queue) else {
        let now = bus.clock.now();
        let refusal = Refusal::not_found(&bus.namespace_host, &access.display_path, now);
        port.emit(Output::Detach(refusal)).await;
        return None;
    };
    let entry = Entry {
        part: access.part,
        access,
        queue,
        admitted,
    };
    Some((entry, port))
}

async fn admit(bus: &ServiceBus, access: &Access) -> Result<Admitted, Refusal> {
    let refused = || {
        let now = bus.clock.now();
        Refusal::unauthorized(access.claim, &bus.namespace_host, &access.display_path, now)
    };
    let caller = access.caller.as_ref().ok_or_else(|| {
        bus.audit_as_missing();
        refused()
    })?;
    let scope = bus.queue(&access.queue).map_or_else(
        || Scope::new([bus.resource_name.as_str(), "queues", access.queue.as_str()]),
        |queue| queue.scope().clone(),
    );
    bus.gate
        .admit(
            caller,
            Operation::at(access.operation, access.permission, scope),
        )
        .await
        .map_err(|_denied| refused())
}

/// Whether a source has a filter in it; an empty map is none (azservicebus).
fn has_filter(source: &Value) -> bool {
    let Value::Described(source) = source else {
        return false;
    };
    let Value::List(fields) = &source.value else {
        return false;
    };
    match fields.get(7) {
        None | Some(Value::Null) => false,
        Some(Value::Map(filters)) => !filters.is_empty(),
        Some(_) => true,
    }
}
