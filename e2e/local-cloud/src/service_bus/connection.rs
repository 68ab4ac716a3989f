//! One connection as a state machine: bytes in, bytes out, links started.
//!
//! It does no input or output of its own. Follows OASIS AMQP 1.0 part 2,
//! sections 2.2 to 2.4, and part 5, section 5.3 (SASL).

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use time::OffsetDateTime;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};
use uuid::Uuid;

use super::{
    ServiceBus,
    address::Node,
    claims::Claims,
    codec::Malformed,
    frame::{self, Frame, FrameType, MAX_FRAME_SIZE, ProtocolHeader},
    link::{self, Input, LinkId, Output, Plan, Port},
    performatives::{self, Attach, Begin, Open, Performative, Role},
    refusal::Refusal,
    session::{Broken, HANDLE_MAX, Link, Session},
};

/// The highest channel, so the number of sessions is bounded.
const CHANNEL_MAX: u16 = 255;

/// Links of one connection over all its sessions.
const MAX_LINKS: usize = 1_024;

/// What a link may leave undone before its connection is closed: more than its
/// credit and its unsettled deliveries together.
const INBOX: usize = 8_192;

/// The longest silence that the broker accepts, in milliseconds; it waits twice
/// as long, as AMQP advises.
pub(super) const IDLE_TIME_OUT: u32 = 120_000;

/// The smallest frame size that AMQP lets a peer ask for.
const MIN_FRAME_SIZE: u32 = 512;

const WEBSOCKET_ANSWER: &[u8] = b"HTTP/1.1 501 Not Implemented\r\nConnection: close\r\n\
    Content-Type: text/plain\r\nContent-Length: 66\r\n\r\n\
    local cloud, not Azure: AMQP over WebSocket (GET) not implemented.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    SaslHeader,
    SaslInit,
    AmqpHeader,
    Open,
    Running,
    /// Nothing more is read; `out` holds the last words.
    Over {
        orderly: bool,
    },
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    bus: Arc<ServiceBus>,
    id: Uuid,
    /// Whether the namespace has room for it.
    admitted: bool,
    phase: Phase,
    /// Bytes for the client.
    pub(super) out: BytesMut,
    sessions: HashMap<u16, Session>,
    claims: Claims,
    outputs: mpsc::Sender<(LinkId, Output)>,
    tasks: JoinSet<()>,
    next_serial: u64,
    peer_max_frame_size: u32,
    heartbeat: Option<Duration>,
}

impl Connection {
    pub(super) fn new(
        bus: Arc<ServiceBus>,
        admitted: bool,
        outputs: mpsc::Sender<(LinkId, Output)>,
    ) -> Self {
        Self {
            bus,
            id: Uuid::new_v4(),
            admitted,
            phase: Phase::SaslHeader,
            out: BytesMut::new(),
            sessions: HashMap::new(),
            claims: Claims::default(),
            outputs,
            tasks: JoinSet::new(),
            next_serial: 0,
            peer_max_frame_size: MAX_FRAME_SIZE,
            heartbeat: None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// How often the client wants to hear something, once it has said so.
    pub(super) fn heartbeat(&self) -> Option<Duration> {
        self.heartbeat
    }

    /// When a claim ends next, on the cloud's clock.
    pub(super) fn next_claim_expiry(&self) -> Option<OffsetDateTime> {
        self.claims.next_expiry()
    }

    /// Frames that wait for the client's windows.
    pub(super) fn waiting(&self) -> usize {
        self.sessions.values().map(Session::waiting).sum()
    }

    /// Takes what has arrived, as far as it is whole.
    pub(super) fn receive(&mut self, input: &mut BytesMut) {
        while !self.is_over() {
            let more = match self.phase {
                Phase::SaslHeader | Phase::AmqpHeader => self.take_header(input),
                _ => self.take_frame(input),
            };
            if !more {
                return;
            }
        }
    }

    /// Says that this side is alive. Never before Open: an empty frame during
    /// SASL ends the official Python and JavaScript clients (observed).
    pub(super) fn write_heartbeat(&mut self) {
        if self.phase == Phase::Running {
            frame::put_heartbeat(&mut self.out);
        }
    }

    /// Closes the connection for a reason of the broker's.
    pub(super) fn close(&mut self, refusal: &Refusal) {
        if self.phase == Phase::Open {
            self.write_open();
        }
        if matches!(self.phase, Phase::Open | Phase::Running) {
            tracing::debug!(
                condition = &*refusal.condition,
                description = refusal.description,
                "closing an AMQP connection"
            );
            self.write(0, &performatives::close(Some(refusal)));
        }
        self.phase = Phase::Over { orderly: false };
    }

    /// Ends the links that stand on claims whose time is over.
    pub(super) fn expire_claims(&mut self) {
        let now = self.bus.clock.now();
        let expired = self.claims.take_expired(now);
        for session in self.sessions.values_mut() {
            let handles: Vec<_> = session
                .links()
                .filter(|link| {
                    link.claim
                        .as_ref()
                        .is_some_and(|claim| expired.contains(claim))
                })
                .map(|link| link.id.handle)
                .collect();
            for handle in handles {
                session.detach_link(handle, &Refusal::expired_token(now), &mut self.out);
            }
        }
    }

    /// Writes what a link has to say, or does it.
    pub(super) fn on_output(&mut self, id: LinkId, output: Output) {
        if self.is_over() {
            return;
        }
        let done = match output {
            Output::Claimed { path, caller } => self.claim(path, caller),
            Output::Reply { reply_to, payload } => self.reply(id, reply_to.as_deref(), payload),
            output => {
                if let Some(session) = self.sessions.get_mut(&id.channel) {
                    session.on_output(id, output, &mut self.out);
                }
                Ok(())
            }
        };
        if let Err(broken) = done {
            self.fail(id.channel, broken);
        }
    }

    /// Ends the connection's tasks. After an orderly close what the client sent
    /// before is still done; when the client just vanished nothing more is.
    pub(super) fn finish(mut self) {
        self.sessions.clear();
        if self.phase == (Phase::Over { orderly: true }) {
            self.tasks.detach_all();
        }
    }

    fn take_header(&mut self, input: &mut BytesMut) -> bool {
        if self.phase == Phase::SaslHeader && input.starts_with(b"GET ") {
            self.out.extend_from_slice(WEBSOCKET_ANSWER);
            self.phase = Phase::Over { orderly: false };
            return false;
        }
        let Some(&header) = input.first_chunk::<8>() else {
            return false;
        };
        input.advance(header.len());
        let (wanted, next) = if self.phase == Phase::SaslHeader {
            (ProtocolHeader::Sasl, Phase::SaslInit)
        } else {
            (ProtocolHeader::Amqp, Phase::Open)
        };
        // The same bytes back, or the ones that are wanted, and goodbye.
        self.out.extend_from_slice(&wanted.bytes());
        if header != wanted.bytes() {
            self.phase = Phase::Over { orderly: false };
            return false;
        }
        self.phase = next;
        if next == Phase::SaslInit {
            let mechanisms = performatives::sasl_mechanisms("ANONYMOUS");
            frame::put_frame(&mut self.out, FrameType::Sasl, 0, &mechanisms, &[]);
        }
        true
    }

    fn take_frame(&mut self, input: &mut BytesMut) -> bool {
        match frame::take_frame(input) {
            Ok(None) => false,
            Ok(Some(frame)) => {
                self.on_frame(&frame);
                true
            }
            Err(Malformed(text)) => {
                self.close(&Refusal::new("amqp:connection:framing-error", text));
                false
            }
        }
    }

    fn on_frame(&mut self, frame: &Frame) {
        match (self.phase, frame.kind) {
            (Phase::SaslInit, FrameType::Sasl) => self.on_sasl_init(frame),
            (Phase::SaslInit, FrameType::Amqp) => self.phase = Phase::Over { orderly: false },
            (_, FrameType::Sasl) => {
                let text = "a SASL frame after SASL has ended";
                self.close(&Refusal::new("amqp:connection:framing-error", text));
            }
            (_, FrameType::Amqp) if frame.body.is_empty() => {}
            (_, FrameType::Amqp) => match Performative::parse(&frame.body) {
                Ok(performative) => self.on_performative(frame.channel, performative),
                Err(malformed) => self.close(&Refusal::decode(&malformed.0)),
            },
        }
    }

    fn on_sasl_init(&mut self, frame: &Frame) {
        // Tokens come later, through `$cbs`; here every client is anonymous.
        let anonymous = performatives::parse_sasl_init(&frame.body)
            .is_ok_and(|mechanism| mechanism == "ANONYMOUS");
        let outcome = performatives::sasl_outcome(u8::from(!anonymous));
        frame::put_frame(&mut self.out, FrameType::Sasl, 0, &outcome, &[]);
        self.phase = if anonymous {
            Phase::AmqpHeader
        } else {
            Phase::Over { orderly: false }
        };
    }

    fn on_performative(&mut self, channel: u16, performative: Performative) {
        if self.phase == Phase::Open {
            return match performative {
                Performative::Open(open) => self.on_open(&open),
                _ => self.close(&Refusal::not_allowed("the first performative must be open")),
            };
        }
        let done = match performative {
            Performative::Open(_) => Err(not_allowed("a second open")),
            Performative::Begin(begin) => self.on_begin(channel, &begin),
            Performative::Close(_) => {
                self.write(0, &performatives::close(None));
                self.phase = Phase::Over { orderly: true };
                return;
            }
            performative => self.on_session_performative(channel, performative),
        };
        if let Err(broken) = done {
            self.fail(channel, broken);
        }
    }

    fn on_open(&mut self, open: &Open) {
        self.peer_max_frame_size = open
            .max_frame_size
            .unwrap_or(u32::MAX)
            .clamp(MIN_FRAME_SIZE, MAX_FRAME_SIZE);
        // Less than half of the client's patience.
        self.heartbeat = open
            .idle_time_out
            .filter(|milliseconds| *milliseconds > 0)
            .map(|milliseconds| {
                Duration::from_millis(u64::from(milliseconds / 3).clamp(250, 15_000))
            });
        if !self.admitted {
            // Assumed text: Azure has a quota of connections per namespace.
            return self.close(&Refusal::limit("the namespace has too many connections"));
        }
        if let Some(host) = &open.hostname
            && !self.bus.answers_to(host)
        {
            let text = format!("the namespace {host} is not served here");
            return self.close(&Refusal::new("amqp:not-found", text));
        }
        self.write_open();
        self.phase = Phase::Running;
    }

    fn write_open(&mut self) {
        let container = self.bus.namespace_host.clone();
        self.write(
            0,
            &performatives::open(&container, None, MAX_FRAME_SIZE, CHANNEL_MAX, IDLE_TIME_OUT),
        );
    }

    fn on_begin(&mut self, channel: u16, begin: &Begin) -> Result<(), Broken> {
        if channel > CHANNEL_MAX {
            return Err(not_allowed("the channel exceeds channel-max"));
        }
        if self.sessions.contains_key(&channel) {
            return Err(not_allowed("the channel has a session already"));
        }
        let max_frame_bytes = usize::try_from(self.peer_max_frame_size).unwrap_or(usize::MAX);
        let session = Session::begin(channel, begin, max_frame_bytes, &mut self.out);
        self.sessions.insert(channel, session);
        Ok(())
    }

    fn on_session_performative(
        &mut self,
        channel: u16,
        performative: Performative,
    ) -> Result<(), Broken> {
        let out = &mut self.out;
        let Some(session) = self.sessions.get_mut(&channel) else {
            // After the broker ended a session, frames may still be on their way.
            return Ok(());
        };
        match performative {
            Performative::Attach(attach) => return self.on_attach(channel, *attach),
            Performative::Flow(flow) => session.on_flow(&flow, out)?,
            Performative::Transfer(transfer, payload) => {
                session.on_transfer(&transfer, &payload, out)?;
            }
            Performative::Disposition(disposition) => session.on_disposition(disposition)?,
            Performative::Detach(detach) => session.on_detach(&detach, out),
            Performative::End(_) => {
                self.sessions.remove(&channel);
                self.write(channel, &performatives::end(None));
            }
            Performative::Open(_) | Performative::Begin(_) | Performative::Close(_) => {}
        }
        Ok(())
    }

    fn on_attach(&mut self, channel: u16, attach: Attach) -> Result<(), Broken> {
        while self.tasks.try_join_next().is_some() {}
        let links: usize = self
            .sessions
            .values()
            .map(|session| session.links().count())
            .sum();
        let Some(session) = self.sessions.get_mut(&channel) else {
            return Ok(());
        };
        let handle = attach.handle;
        if handle > HANDLE_MAX {
            return Err(not_allowed("the handle exceeds handle-max"));
        }
        if session.has_link(handle) {
            let text = format!("handle {handle} is in use");
            return Err(Broken::Session(Refusal::new(
                "amqp:session:handle-in-use",
                text,
            )));
        }
        self.next_serial += 1;
        let id = LinkId {
            channel,
            handle,
            serial: self.next_serial,
        };
        let address = match attach.role {
            Role::Sender => performatives::terminus_address(&attach.target),
            Role::Receiver => performatives::terminus_address(&attach.source),
        };
        let node = Node::parse(address.unwrap_or_default());
        let claim = self.claims.covering(&node.path(), self.bus.clock.now());
        let plan = if links >= MAX_LINKS {
            Err(Refusal::limit("the connection has too many links"))
        } else if address.is_none() {
            // The anonymous terminus, or a transaction coordinator.
            Err(Refusal::not_implemented("a link without an address"))
        } else {
            Plan::of(&attach, &node, claim.map(|(_, caller)| caller))
        };
        let claim = claim.map(|(path, _)| path.to_owned());
        let (inbox, receiver) = mpsc::channel(INBOX);
        let (task, refusal) = match plan {
            Ok(plan) => {
                let port = Port {
                    id,
                    connection: self.id,
                    attach: attach.clone(),
                    inbox: receiver,
                    outputs: self.outputs.clone(),
                };
                let run = link::run(Arc::clone(&self.bus), port, plan);
                (self.tasks.spawn(run), None)
            }
            Err(refusal) => (idle_task(&mut self.tasks), Some(refusal)),
        };
        session.insert(Link::new(id, attach, node, claim, inbox, task));
        if let Some(refusal) = refusal {
            session.detach_link(handle, &refusal, &mut self.out);
        }
        Ok(())
    }

    /// Keeps a claim and lets the gate look again at the links that stand on it.
    fn claim(&mut self, path: String, caller: crate::gate::Caller) -> Result<(), Broken> {
        if self.claims.is_full(&path) {
            return Err(Broken::Connection(Refusal::limit(
                "the connection has too many tokens",
            )));
        }
        let links = self.sessions.values().flat_map(Session::links);
        for link in links.filter(|link| link.claim.as_ref() == Some(&path)) {
            link.give(Input::Readmit(caller.clone()))?;
        }
        self.claims.put(path, caller);
        Ok(())
    }

    /// Finds the link for an answer: one whose source is the request's node, on
    /// the same session if there is one, best the one that reply-to names.
    /// (Python sends no reply-to; JavaScript and fe2o3 mean different things.)
    fn reply(
        &self,
        request: LinkId,
        reply_to: Option<&str>,
        payload: bytes::Bytes,
    ) -> Result<(), Broken> {
        let Some(node) = self
            .sessions
            .get(&request.channel)
            .and_then(|session| session.link(request))
            .map(|link| &link.node)
        else {
            return Ok(());
        };
        let link = self
            .sessions
            .values()
            .flat_map(Session::links)
            .filter(|link| link.takes_replies_of(node))
            .max_by_key(|link| {
                (
                    link.id.channel == request.channel,
                    link.is_named(reply_to),
                    link.id.serial,
                )
            });
        match link {
            Some(link) => link.give(Input::Reply(payload)),
            None => Ok(()),
        }
    }

    fn fail(&mut self, channel: u16, broken: Broken) {
        match broken {
            Broken::Connection(refusal) => self.close(&refusal),
            // A broken link was ended by its session already.
            Broken::Link(refusal) | Broken::Session(refusal) => {
                self.sessions.remove(&channel);
                self.write(channel, &performatives::end(Some(&refusal)));
            }
        }
    }

    fn write(&mut self, channel: u16, performative: &serde_amqp::Value) {
        frame::put_frame(&mut self.out, FrameType::Amqp, channel, performative, &[]);
    }
}

/// A handle for a link that was refused before it had a task.
fn idle_task(tasks: &mut JoinSet<()>) -> AbortHandle {
    tasks.spawn(async {})
}

fn not_allowed(what: &str) -> Broken {
    Broken::Connection(Refusal::not_allowed(what))
}
