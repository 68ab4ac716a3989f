//! The connection to the emulator: its opening, frames in and out, and which session
//! each is for.
//!
//! Follows OASIS AMQP 1.0 part 2, sections 2.2 to 2.5, and part 5, section 5.3.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use serde_amqp::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::{interval_at, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{RelayError, gone};
use crate::service_bus::{
    frame::{self, Frame, FrameType, MAX_FRAME_SIZE, ProtocolHeader},
    performatives::{self, Open, Performative},
    refusal::Refusal,
};

/// The highest channel that this side uses, so the number of sessions is bounded.
const CHANNEL_MAX: u16 = 4_999;

/// The longest silence that this side accepts, in milliseconds; it waits twice as
/// long, as AMQP advises.
const IDLE_TIME_OUT: u32 = 120_000;

/// What this side chooses: tokens come later, through `$cbs`.
const MECHANISM: &str = "ANONYMOUS";

/// An open connection. It ends when nobody has it any more.
pub(super) struct Wire {
    out: mpsc::UnboundedSender<Bytes>,
    sessions: Arc<Mutex<Sessions>>,
    channel_max: u16,
    /// The largest frame that the emulator takes.
    pub(super) max_frame_bytes: usize,
    _task: AbortOnDropHandle<()>,
}

/// A session's ear: what the emulator says on it.
pub(super) type Ear = mpsc::UnboundedReceiver<Performative>;

#[derive(Default)]
struct Sessions {
    is_over: bool,
    /// By this side's channel.
    begun: HashMap<u16, Begun>,
    /// This side's channels by the emulator's.
    theirs: HashMap<u16, u16>,
}

/// A session that at least one side has not ended yet.
struct Begun {
    ear: mpsc::UnboundedSender<Performative>,
    ended_here: bool,
    ended_there: bool,
}

impl Wire {
    /// Opens a connection as a client: SASL, which asks for nothing, then AMQP.
    pub(super) async fn open(stream: TcpStream, host: &str) -> Result<Self, RelayError> {
        let mut opening = Opening {
            stream,
            input: BytesMut::new(),
        };
        let theirs = opening.run(host).await?;
        let Opening { stream, input } = opening;
        let (out, outgoing) = mpsc::unbounded_channel();
        let sessions = Arc::new(Mutex::new(Sessions::default()));
        let heartbeat = theirs
            .idle_time_out
            .filter(|milliseconds| *milliseconds > 0);
        let running = run(stream, input, outgoing, Arc::clone(&sessions), heartbeat);
        let max_frame_size = theirs.max_frame_size.unwrap_or(MAX_FRAME_SIZE);
        Ok(Self {
            out,
            sessions,
            channel_max: theirs.channel_max.unwrap_or(u16::MAX).min(CHANNEL_MAX),
            max_frame_bytes: usize::try_from(max_frame_size.min(MAX_FRAME_SIZE))
                .unwrap_or(usize::MAX),
            _task: AbortOnDropHandle::new(tokio::spawn(running)),
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.sessions().is_over
    }

    /// A channel for a new session.
    pub(super) fn begin(&self) -> Result<(u16, Ear), Refusal> {
        let mut sessions = self.sessions();
        if sessions.is_over {
            return Err(gone());
        }
        let free = (0..=self.channel_max).find(|channel| !sessions.begun.contains_key(channel));
        let channel = free.ok_or_else(|| {
            Refusal::limit("local cloud, not Azure: the emulator's connection has too many links")
        })?;
        let (ear, heard) = mpsc::unbounded_channel();
        let begun = Begun {
            ear,
            ended_here: false,
            ended_there: false,
        };
        sessions.begun.insert(channel, begun);
        Ok((channel, heard))
    }

    /// Ends a session. Its channel is free once the emulator has ended it too.
    pub(super) fn end(&self, channel: u16) {
        self.write(channel, &performatives::end(None), &[]);
        let mut sessions = self.sessions();
        if let Some(begun) = sessions.begun.get_mut(&channel) {
            begun.ended_here = true;
            if begun.ended_there {
                sessions.begun.remove(&channel);
            }
        }
    }

    /// Sends a frame. Who waits for an answer learns when there can be none.
    pub(super) fn write(&self, channel: u16, performative: &Value, payload: &[u8]) {
        let mut frame = BytesMut::new();
        frame::put_frame(&mut frame, FrameType::Amqp, channel, performative, payload);
        if self.out.send(frame.freeze()).is_err() {
            tracing::debug!("the connection to the emulator is gone");
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.sessions)
    }
}

fn lock(sessions: &Mutex<Sessions>) -> MutexGuard<'_, Sessions> {
    sessions.lock().expect("no one panics with the sessions")
}

impl Sessions {
    /// Tells a session what was said on it. What is said on none is left alone: the
    /// last words of one that was ended here may still be on their way.
    fn hear(&mut self, theirs: u16, performative: Performative) {
        if let Performative::Begin(begin) = &performative
            && let Some(ours) = begin.remote_channel
        {
            self.theirs.insert(theirs, ours);
        }
        let Some(&ours) = self.theirs.get(&theirs) else {
            return;
        };
        let is_end = matches!(performative, Performative::End(_));
        if let Some(begun) = self.begun.get_mut(&ours) {
            if begun.ear.send(performative).is_err() {
                tracing::trace!(channel = ours, "said on a session that was ended here");
            }
            begun.ended_there |= is_end;
            if begun.ended_there && begun.ended_here {
                self.begun.remove(&ours);
            }
        }
        if is_end {
            self.theirs.remove(&theirs);
        }
    }
}

/// Reads and writes until the connection ends, and then tells every session.
async fn run(
    stream: TcpStream,
    input: BytesMut,
    outgoing: mpsc::UnboundedReceiver<Bytes>,
    sessions: Arc<Mutex<Sessions>>,
    heartbeat: Option<u32>,
) {
    let (reader, writer) = stream.into_split();
    let why = tokio::select! {
        ended = read(reader, input, &sessions) => ended,
        ended = write(writer, outgoing, heartbeat) => ended.map_err(RelayError::from),
    };
    match why {
        Ok(()) => tracing::debug!("the emulator ended its connection"),
        Err(error) => tracing::warn!(%error, "the connection to the emulator broke"),
    }
    let mut sessions = lock(&sessions);
    sessions.is_over = true;
    // A session whose ear hears no more knows that it is gone.
    sessions.begun.clear();
}

async fn read(
    mut reader: impl AsyncRead + Unpin,
    mut input: BytesMut,
    sessions: &Mutex<Sessions>,
) -> Result<(), RelayError> {
    let patience = Duration::from_millis(u64::from(IDLE_TIME_OUT)) * 2;
    loop {
        while let Some(frame) = frame::take_frame(&mut input)? {
            if frame.kind != FrameType::Amqp || frame.body.is_empty() {
                continue;
            }
            match Performative::parse(&frame.body)? {
                Performative::Close(None) => return Ok(()),
                Performative::Close(Some(refusal)) => return Err(refusal.into()),
                performative => lock(sessions).hear(frame.channel, performative),
            }
        }
        let read = timeout(patience, reader.read_buf(&mut input)).await;
        if read.map_err(|_elapsed| RelayError::Silent)?? == 0 {
            return Ok(());
        }
    }
}

/// `idle`: how long the emulator bears a silence, in milliseconds.
async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut outgoing: mpsc::UnboundedReceiver<Bytes>,
    idle: Option<u32>,
) -> io::Result<()> {
    // Without a wish, often enough for anybody.
    let period = Duration::from_millis(u64::from(idle.unwrap_or(IDLE_TIME_OUT) / 3).max(250));
    let mut heartbeat = interval_at(tokio::time::Instant::now() + period, period);
    let mut empty = BytesMut::new();
    frame::put_heartbeat(&mut empty);
    loop {
        tokio::select! {
            frame = outgoing.recv() => match frame {
                Some(frame) => writer.write_all(&frame).await?,
                None => return Ok(()),
            },
            _ = heartbeat.tick() => writer.write_all(&empty).await?,
        }
    }
}

/// A connection on which nothing but its opening happens.
struct Opening {
    stream: TcpStream,
    input: BytesMut,
}

impl Opening {
    async fn run(&mut self, host: &str) -> Result<Open, RelayError> {
        self.header(ProtocolHeader::Sasl).await?;
        let mechanisms = self.frame(FrameType::Sasl).await?;
        if !performatives::offers_mechanism(&mechanisms.body, MECHANISM)? {
            return Err(RelayError::Ended(format!("it does not offer {MECHANISM}")));
        }
        self.put(FrameType::Sasl, &performatives::sasl_init(MECHANISM))
            .await?;
        let outcome = self.frame(FrameType::Sasl).await?;
        let code = performatives::parse_sasl_outcome(&outcome.body)?;
        if code != 0 {
            return Err(RelayError::Ended(format!("SASL ends with code {code}")));
        }
        self.header(ProtocolHeader::Amqp).await?;
        let container = format!("local-cloud-{}", Uuid::new_v4());
        let open = performatives::open(
            &container,
            Some(host),
            MAX_FRAME_SIZE,
            CHANNEL_MAX,
            IDLE_TIME_OUT,
        );
        self.put(FrameType::Amqp, &open).await?;
        let frame = self.frame(FrameType::Amqp).await?;
        match Performative::parse(&frame.body)? {
            Performative::Open(open) => Ok(open),
            _ => Err(RelayError::Ended(
                "it does not begin with an open".to_owned(),
            )),
        }
    }

    async fn header(&mut self, header: ProtocolHeader) -> Result<(), RelayError> {
        self.stream.write_all(&header.bytes()).await?;
        while self.input.len() < header.bytes().len() {
            self.read().await?;
        }
        let answer = self.input.split_to(header.bytes().len());
        if answer != header.bytes()[..] {
            return Err(RelayError::Ended("it does not speak AMQP 1.0".to_owned()));
        }
        Ok(())
    }

    async fn frame(&mut self, kind: FrameType) -> Result<Frame, RelayError> {
        loop {
            match frame::take_frame(&mut self.input)? {
                Some(frame) if frame.kind == kind && !frame.body.is_empty() => return Ok(frame),
                Some(_) => {}
                None => self.read().await?,
            }
        }
    }

    async fn read(&mut self) -> Result<(), RelayError> {
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    async fn put(&mut self, kind: FrameType, performative: &Value) -> io::Result<()> {
        let mut frame = BytesMut::new();
        frame::put_frame(&mut frame, kind, 0, performative, &[]);
        self.stream.write_all(&frame).await
    }
}
