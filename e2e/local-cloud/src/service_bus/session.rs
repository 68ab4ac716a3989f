//! One session of a connection: windows, delivery ids, and the links on it.
//!
//! It turns performatives into [`Input`] for links and their [`Output`] into
//! frames; what a link is for it does not know. Follows OASIS AMQP 1.0 part 2,
//! sections 2.5 and 2.6.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

use super::{
    MAX_MESSAGE_SIZE, codec,
    frame::{self, FrameType},
    link::{Input, LinkId, Output},
    outcome::Outcome,
    performatives::{
        self, Begin, Detach, Disposition, Flow, LinkFlow, Role, SessionFlow, Transfer,
    },
    refusal::Refusal,
};

mod link;

pub(super) use link::Link;
use link::LinkState;

/// The highest handle, so the number of links on a session is bounded.
pub(super) const HANDLE_MAX: u32 = 255;

/// Frames that the client may send before the broker widens the window.
const WINDOW: u32 = 2_048;

/// What cannot go on, and why.
#[derive(Debug)]
pub(super) enum Broken {
    Link(Refusal),
    Session(Refusal),
    Connection(Refusal),
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    channel: u16,
    max_frame_bytes: usize,
    next_incoming_id: u32,
    incoming_window: u32,
    next_outgoing_id: u32,
    remote_incoming_window: u32,
    next_delivery_id: u32,
    links: HashMap<u32, Link>,
    unsettled: BTreeMap<u32, Unsettled>,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Unsettled {
    link: LinkId,
    token: Uuid,
}

/// Frames that wait for the client's window, in their order.
#[derive(Debug)]
enum Waiting {
    Transfer {
        link: LinkId,
        delivery_id: u32,
        tag: Uuid,
        settled: bool,
        started: bool,
        payload: Bytes,
    },
    Flow(LinkId, LinkFlow),
}

impl Session {
    /// Answers a begin.
    pub(super) fn begin(
        channel: u16,
        begin: &Begin,
        max_frame_bytes: usize,
        out: &mut BytesMut,
    ) -> Self {
        let session = Self {
            channel,
            max_frame_bytes,
            next_incoming_id: begin.next_outgoing_id,
            incoming_window: WINDOW,
            next_outgoing_id: 0,
            remote_incoming_window: begin.incoming_window,
            next_delivery_id: 0,
            links: HashMap::new(),
            unsettled: BTreeMap::new(),
            waiting: VecDeque::new(),
        };
        session.write(
            out,
            &performatives::begin(Some(channel), WINDOW, HANDLE_MAX),
        );
        session
    }

    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    pub(super) fn has_link(&self, handle: u32) -> bool {
        self.links.contains_key(&handle)
    }

    pub(super) fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id.handle).filter(|link| link.id == id)
    }

    pub(super) fn insert(&mut self, link: Link) {
        self.links.insert(link.id.handle, link);
    }

    /// Frames that wait for the client; the connection slows down when they pile
    /// up.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn on_flow(&mut self, flow: &Flow, out: &mut BytesMut) -> Result<(), Broken> {
        let client_got = flow.next_incoming_id.unwrap_or(0);
        let window_end = client_got.wrapping_add(flow.incoming_window);
        self.remote_incoming_window = performatives::left(window_end, self.next_outgoing_id);
        let link = flow.handle.and_then(|handle| self.links.get(&handle));
        match (link, flow.handle) {
            (None, None) if flow.echo => self.write_flow(out, None),
            (Some(link), _) if link.state == LinkState::Open => match link.attach.role {
                Role::Receiver => link.give(Input::Flow {
                    flow: flow.link,
                    echo: flow.echo,
                })?,
                Role::Sender if flow.echo => {
                    let flow = link.incoming_flow();
                    self.write_flow(out, Some((link.id.handle, flow)));
                }
                Role::Sender => {}
            },
            // Flows for links that are gone may still be on their way.
            _ => {}
        }
        self.pump(out);
        Ok(())
    }

    pub(super) fn on_transfer(
        &mut self,
        transfer: &Transfer,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), Broken> {
        self.next_incoming_id = self.next_incoming_id.wrapping_add(1);
        self.incoming_window = self.incoming_window.checked_sub(1).ok_or_else(|| {
            Broken::Session(Refusal::new(
                "amqp:session:window-violation",
                "more transfers than the window allows",
            ))
        })?;
        let link = self.links.get_mut(&transfer.handle).ok_or_else(|| {
            Broken::Session(Refusal::new(
                "amqp:session:unattached-handle",
                format!("no link has handle {}", transfer.handle),
            ))
        })?;
        // What a client sent before it saw the detach is dropped.
        if link.state != LinkState::Detached {
            match link.take(transfer, payload) {
                Err(Broken::Link(refusal)) => self.detach_link(transfer.handle, &refusal, out),
                done => done?,
            }
        }
        if self.incoming_window < WINDOW / 2 {
            self.write_flow(out, None);
        }
        Ok(())
    }

    pub(super) fn on_disposition(&mut self, disposition: Disposition) -> Result<(), Broken> {
        // The broker settles at once what it is sent, so only a receiver has
        // anything left to say.
        if disposition.role == Role::Sender || disposition.first > disposition.last {
            return Ok(());
        }
        let malformed =
            |malformed: codec::Malformed| Broken::Connection(Refusal::decode(&malformed.0));
        let Disposition { settled, state, .. } = disposition;
        let outcome = Outcome::parse(state.clone()).map_err(malformed)?;
        if outcome.is_none() && !settled {
            return Ok(());
        }
        let range = disposition.first..=disposition.last;
        for (delivery_id, unsettled) in self.unsettled.extract_if(range, |_, _| true) {
            if let Some(link) = self.links.get(&unsettled.link.handle)
                && link.id == unsettled.link
            {
                link.give(Input::Settle {
                    delivery_id,
                    token: unsettled.token,
                    outcome: outcome.clone(),
                    settled,
                    state: state.clone(),
                })?;
            }
        }
        Ok(())
    }

    /// The client closes a link. What it sent before is still done: the task
    /// ends when its inbox is empty.
    pub(super) fn on_detach(&mut self, detach: &Detach, out: &mut BytesMut) {
        let Some(link) = self.links.remove(&detach.handle) else {
            // Python detaches `$management` links after it ended the session.
            return;
        };
        match link.state {
            LinkState::Detached => return,
            LinkState::Attaching => {
                link.task.abort();
                self.write(out, &performatives::refused_attach(&link.attach));
            }
            LinkState::Open => self.forget(link.id),
        }
        self.write(
            out,
            &performatives::detach(detach.handle, detach.closed, None),
        );
    }

    /// Ends a link from the broker's side, whatever it is doing.
    pub(super) fn detach_link(&mut self, handle: u32, refusal: &Refusal, out: &mut BytesMut) {
        let Some(link) = self.links.get_mut(&handle) else {
            return;
        };
        let state = std::mem::replace(&mut link.state, LinkState::Detached);
        if state == LinkState::Detached {
            return;
        }
        link.task.abort();
        let id = link.id;
        if state == LinkState::Attaching {
            let answer = performatives::refused_attach(&link.attach);
            self.write(out, &answer);
        }
        self.forget(id);
        self.write(out, &performatives::detach(handle, true, Some(refusal)));
    }

    /// Writes what a link has to say.
    pub(super) fn on_output(&mut self, id: LinkId, output: Output, out: &mut BytesMut) {
        let Some(link) = self.links.get_mut(&id.handle).filter(|link| link.id == id) else {
            return;
        };
        if link.state == LinkState::Detached {
            return;
        }
        match output {
            Output::Attached => {
                link.state = LinkState::Open;
                let answer = performatives::attach(&link.attach, MAX_MESSAGE_SIZE);
                let grants = link.attach.role == Role::Sender;
                self.write(out, &answer);
                if grants {
                    self.top_up(id, out);
                }
            }
            Output::Detach(refusal) => self.detach_link(id.handle, &refusal, out),
            Output::Processed { delivery_id, state } => {
                link.processed();
                if let Some(state) = state {
                    self.write(
                        out,
                        &performatives::disposition(Role::Receiver, delivery_id, true, state),
                    );
                }
                self.top_up(id, out);
            }
            Output::Deliver {
                tag,
                settled,
                payload,
            } => {
                let delivery_id = self.next_delivery_id;
                self.next_delivery_id = delivery_id.wrapping_add(1);
                if !settled {
                    let unsettled = Unsettled {
                        link: id,
                        token: tag,
                    };
                    self.unsettled.insert(delivery_id, unsettled);
                }
                self.waiting.push_back(Waiting::Transfer {
                    link: id,
                    delivery_id,
                    tag,
                    settled,
                    started: false,
                    payload,
                });
                self.pump(out);
            }
            Output::Settled { delivery_id, state } => self.write(
                out,
                &performatives::disposition(Role::Sender, delivery_id, true, state),
            ),
            Output::Flow(flow) => {
                self.waiting.push_back(Waiting::Flow(id, flow));
                self.pump(out);
            }
            // The connection's business.
            Output::Claimed { .. } | Output::Reply { .. } => {}
        }
    }

    fn forget(&mut self, id: LinkId) {
        self.unsettled.retain(|_, unsettled| unsettled.link != id);
        self.waiting.retain(|waiting| match waiting {
            Waiting::Transfer { link, .. } | Waiting::Flow(link, _) => *link != id,
        });
    }

    fn top_up(&mut self, id: LinkId, out: &mut BytesMut) {
        let Some(link) = self.links.get_mut(&id.handle) else {
            return;
        };
        if let Some(flow) = link.top_up() {
            self.write_flow(out, Some((id.handle, flow)));
        }
    }

    /// Writes waiting frames for as long as the client's window is open.
    fn pump(&mut self, out: &mut BytesMut) {
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting {
                Waiting::Flow(link, flow) => self.write_flow(out, Some((link.handle, flow))),
                transfer @ Waiting::Transfer { .. } if self.remote_incoming_window == 0 => {
                    self.waiting.push_front(transfer);
                    return;
                }
                transfer @ Waiting::Transfer { .. } => {
                    if let Some(rest) = self.write_transfer(transfer, out) {
                        self.waiting.push_front(rest);
                    }
                }
            }
        }
    }

    /// Writes one frame of a delivery; what is left of it.
    fn write_transfer(&mut self, transfer: Waiting, out: &mut BytesMut) -> Option<Waiting> {
        let Waiting::Transfer {
            link,
            delivery_id,
            tag,
            settled,
            started,
            mut payload,
        } = transfer
        else {
            return Some(transfer);
        };
        // Lock tokens travel in the byte order of .NET's Guid.
        let performative = |more| {
            if started {
                performatives::continued_transfer(link.handle, more)
            } else {
                let tag = tag.to_bytes_le();
                performatives::transfer(link.handle, delivery_id, &tag, 0, settled, more)
            }
        };
        // Eight bytes of frame header; `more` takes one byte either way.
        let room = self
            .max_frame_bytes
            .saturating_sub(8 + codec::encode(&performative(false)).len());
        let more = payload.len() > room;
        let rest = if more {
            payload.split_off(room)
        } else {
            Bytes::new()
        };
        frame::put_frame(
            out,
            FrameType::Amqp,
            self.channel,
            &performative(more),
            &payload,
        );
        self.next_outgoing_id = self.next_outgoing_id.wrapping_add(1);
        self.remote_incoming_window = self.remote_incoming_window.saturating_sub(1);
        more.then_some(Waiting::Transfer {
            link,
            delivery_id,
            tag,
            settled,
            started: true,
            payload: rest,
        })
    }

    fn write_flow(&mut self, out: &mut BytesMut, link: Option<(u32, LinkFlow)>) {
        self.incoming_window = WINDOW;
        let session = SessionFlow {
            next_incoming_id: self.next_incoming_id,
            incoming_window: self.incoming_window,
            next_outgoing_id: self.next_outgoing_id,
            outgoing_window: WINDOW,
        };
        self.write(out, &performatives::flow(session, link, false));
    }

    fn write(&self, out: &mut BytesMut, performative: &serde_amqp::Value) {
        frame::put_frame(out, FrameType::Amqp, self.channel, performative, &[]);
    }
}
