//! The performatives of AMQP 1.0: what the broker understands of those that it
//! receives, and how it writes its own. At an emulator it is a client, and writes
//! a client's.
//!
//! Every list that the broker writes has its full length, with nulls at the end
//! where nothing is said: the official Python client up to 7.14.3 reads
//! performatives by position and fails on shortened ones (observed).
//! Follows OASIS AMQP 1.0 part 2, section 2.7.

use bytes::Bytes;
use serde_amqp::Value;
use serde_bytes::ByteBuf;

use super::{
    codec::{self, Fields, Malformed, described},
    refusal::Refusal,
};

mod sasl;

pub(super) use sasl::{
    offers_mechanism, parse_sasl_init, parse_sasl_outcome, sasl_init, sasl_mechanisms, sasl_outcome,
};

/// A frame's body, parsed.
#[derive(Debug)]
pub(super) enum Performative {
    Open(Open),
    Begin(Begin),
    Attach(Box<Attach>),
    Flow(Flow),
    Transfer(Transfer, Bytes),
    Disposition(Disposition),
    Detach(Detach),
    /// With its error, if there is one.
    End(Option<Refusal>),
    /// With its error, if there is one.
    Close(Option<Refusal>),
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) hostname: Option<String>,
    pub(super) max_frame_size: Option<u32>,
    pub(super) channel_max: Option<u16>,
    /// In milliseconds.
    pub(super) idle_time_out: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Begin {
    /// The channel of the begin that this one answers.
    pub(super) remote_channel: Option<u16>,
    pub(super) next_outgoing_id: u32,
    pub(super) incoming_window: u32,
}

/// Which end of a link its peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Sender,
    Receiver,
}

impl Role {
    pub(super) fn opposite(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }

    fn parse(receiver: bool) -> Self {
        if receiver {
            Self::Receiver
        } else {
            Self::Sender
        }
    }

    fn value(self) -> Value {
        Value::Bool(self == Self::Receiver)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Attach {
    pub(super) name: String,
    pub(super) handle: u32,
    pub(super) role: Role,
    pub(super) snd_settle_mode: Option<u8>,
    pub(super) rcv_settle_mode: Option<u8>,
    pub(super) source: Value,
    pub(super) target: Value,
    pub(super) initial_delivery_count: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Flow {
    pub(super) next_incoming_id: Option<u32>,
    pub(super) incoming_window: u32,
    pub(super) handle: Option<u32>,
    pub(super) link: LinkFlow,
    pub(super) echo: bool,
}

/// The part of a flow that is about one link.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LinkFlow {
    pub(super) delivery_count: Option<u32>,
    pub(super) credit: u32,
    pub(super) drain: bool,
}

#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) handle: u32,
    pub(super) delivery_id: Option<u32>,
    pub(super) delivery_tag: Value,
    pub(super) message_format: Option<u32>,
    pub(super) settled: bool,
    pub(super) more: bool,
    pub(super) aborted: bool,
}

#[derive(Debug)]
pub(super) struct Disposition {
    pub(super) role: Role,
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) settled: bool,
    pub(super) state: Value,
}

#[derive(Debug)]
pub(super) struct Detach {
    pub(super) handle: u32,
    pub(super) closed: bool,
    pub(super) error: Option<Refusal>,
}

impl Performative {
    /// Parses a frame's body. What follows a transfer is its payload; anything
    /// after another performative is ignored, as AMQP asks.
    pub(super) fn parse(body: &Bytes) -> Result<Self, Malformed> {
        let (value, payload) = codec::decode(body)?;
        let payload = body.slice_ref(payload);
        let (code, fields) = codec::open_described(value)?;
        let mut fields = Fields::new(fields)?;
        Ok(match code {
            0x10 => Self::Open(Open {
                hostname: fields.text(1, "hostname")?,
                max_frame_size: fields.u32(2, "max-frame-size")?,
                channel_max: fields.u16(3, "channel-max")?,
                idle_time_out: fields.u32(4, "idle-time-out")?,
            }),
            0x11 => Self::Begin(Begin {
                remote_channel: fields.u16(0, "remote-channel")?,
                next_outgoing_id: required(fields.u32(1, "next-outgoing-id")?, "next-outgoing-id")?,
                incoming_window: required(fields.u32(2, "incoming-window")?, "incoming-window")?,
            }),
            0x12 => Self::Attach(Box::new(Attach {
                name: required(fields.text(0, "name")?, "name")?,
                handle: required(fields.u32(1, "handle")?, "handle")?,
                role: Role::parse(fields.flag(2, "role")?),
                snd_settle_mode: fields.u8(3, "snd-settle-mode")?,
                rcv_settle_mode: fields.u8(4, "rcv-settle-mode")?,
                source: fields.take(5),
                target: fields.take(6),
                initial_delivery_count: fields.u32(9, "initial-delivery-count")?,
            })),
            0x13 => Self::Flow(Flow {
                next_incoming_id: fields.u32(0, "next-incoming-id")?,
                incoming_window: required(fields.u32(1, "incoming-window")?, "incoming-window")?,
                handle: fields.u32(4, "handle")?,
                link: LinkFlow {
                    delivery_count: fields.u32(5, "delivery-count")?,
                    credit: fields.u32(6, "link-credit")?.unwrap_or(0),
                    drain: fields.flag(8, "drain")?,
                },
                echo: fields.flag(9, "echo")?,
            }),
            0x14 => Self::Transfer(
                Transfer {
                    handle: required(fields.u32(0, "handle")?, "handle")?,
                    delivery_id: fields.u32(1, "delivery-id")?,
                    delivery_tag: fields.take(2),
                    message_format: fields.u32(3, "message-format")?,
                    settled: fields.flag(4, "settled")?,
                    more: fields.flag(5, "more")?,
                    aborted: fields.flag(9, "aborted")?,
                },
                payload,
            ),
            0x15 => {
                let first = required(fields.u32(1, "first")?, "first")?;
                Self::Disposition(Disposition {
                    role: Role::parse(fields.flag(0, "role")?),
                    first,
                    last: fields.u32(2, "last")?.unwrap_or(first),
                    settled: fields.flag(3, "settled")?,
                    state: fields.take(4),
                })
            }
            0x16 => Self::Detach(Detach {
                handle: required(fields.u32(0, "handle")?, "handle")?,
                closed: fields.flag(1, "closed")?,
                error: parse_error(fields.take(2)),
            }),
            0x17 => Self::End(parse_error(fields.take(0))),
            0x18 => Self::Close(parse_error(fields.take(0))),
            other => {
                return Err(Malformed::new(format!(
                    "descriptor {other:#04x} is not a performative"
                )));
            }
        })
    }
}

impl LinkFlow {
    /// The credit left (part 2, section 2.6.7): what was granted, less what was sent
    /// since the granter last counted.
    pub(super) fn credit_left(self, delivery_count: u32) -> u32 {
        let counted = self.delivery_count.unwrap_or_default();
        left(counted.wrapping_add(self.credit), delivery_count)
    }
}

/// How far it is to `end`, of windows, credit and ids. They are serial numbers (RFC
/// 1982): the upper half is "less than zero", and nothing is left then.
pub(super) fn left(end: u32, from: u32) -> u32 {
    match end.wrapping_sub(from) {
        left if left > u32::MAX / 2 => 0,
        left => left,
    }
}

/// The reason that the peer gives, as far as it is understood: it ends something
/// either way.
pub(super) fn parse_error(error: Value) -> Option<Refusal> {
    let mut error = Fields::new(codec::open_described(error).ok()?.1).ok()?;
    let condition = error.text(0, "condition").ok()??;
    let description = error.text(1, "description").ok()?;
    Some(Refusal::new(condition, description.unwrap_or_default()))
}

/// `idle_time_out` in milliseconds.
pub(super) fn open(
    container_id: &str,
    hostname: Option<&str>,
    max_frame_size: u32,
    channel_max: u16,
    idle_time_out: u32,
) -> Value {
    full_length(
        0x10,
        10,
        [
            Value::String(container_id.to_owned()),
            hostname.map_or(Value::Null, Value::from),
            Value::Uint(max_frame_size),
            Value::Ushort(channel_max),
            Value::Uint(idle_time_out),
        ],
    )
}

/// `remote_channel`: that of the begin that this one answers.
pub(super) fn begin(remote_channel: Option<u16>, window: u32, handle_max: u32) -> Value {
    full_length(
        0x11,
        8,
        [
            remote_channel.map_or(Value::Null, Value::Ushort),
            Value::Uint(0),
            Value::Uint(window),
            Value::Uint(window),
            Value::Uint(handle_max),
        ],
    )
}

/// The answer to an accepted attach: everything echoed, from the other end.
pub(super) fn attach(request: &Attach, max_message_size: u64) -> Value {
    attach_with(
        request,
        padded(request.source.clone(), 11),
        padded(request.target.clone(), 7),
        Value::Ulong(max_message_size),
    )
}

/// A client's attach. The settle modes are the sender's and the receiver's.
pub(super) fn client_attach(
    name: &str,
    handle: u32,
    role: Role,
    (snd_settle_mode, rcv_settle_mode): (Option<u8>, Option<u8>),
    source: Value,
    target: Value,
) -> Value {
    let initial_delivery_count = match role {
        Role::Sender => Value::Uint(0),
        Role::Receiver => Value::Null,
    };
    full_length(
        0x12,
        14,
        [
            Value::from(name),
            Value::Uint(handle),
            role.value(),
            snd_settle_mode.map_or(Value::Null, Value::Ubyte),
            rcv_settle_mode.map_or(Value::Null, Value::Ubyte),
            source,
            target,
            Value::Null,
            Value::Null,
            initial_delivery_count,
        ],
    )
}

pub(super) fn source(address: Option<&str>) -> Value {
    full_length(0x28, 11, [address.map_or(Value::Null, Value::from)])
}

pub(super) fn target(address: Option<&str>) -> Value {
    full_length(0x29, 7, [address.map_or(Value::Null, Value::from)])
}

/// The answer to a refused attach, followed at once by a detach with the reason.
/// Null source and target are what the official JavaScript client recognises
/// (observed).
pub(super) fn refused_attach(request: &Attach) -> Value {
    attach_with(request, Value::Null, Value::Null, Value::Null)
}

fn attach_with(request: &Attach, source: Value, target: Value, max_message_size: Value) -> Value {
    let initial_delivery_count = match request.role {
        Role::Receiver => Value::Uint(0),
        Role::Sender => Value::Null,
    };
    full_length(
        0x12,
        14,
        [
            Value::String(request.name.clone()),
            Value::Uint(request.handle),
            request.role.opposite().value(),
            request.snd_settle_mode.map_or(Value::Null, Value::Ubyte),
            request.rcv_settle_mode.map_or(Value::Null, Value::Ubyte),
            source,
            target,
            Value::Null,
            Value::Null,
            initial_delivery_count,
            max_message_size,
        ],
    )
}

/// What a flow says of the session that it is on.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionFlow {
    pub(super) next_incoming_id: u32,
    pub(super) incoming_window: u32,
    pub(super) next_outgoing_id: u32,
    pub(super) outgoing_window: u32,
}

/// `echo`: the peer is asked to answer with a flow of its own.
pub(super) fn flow(session: SessionFlow, link: Option<(u32, LinkFlow)>, echo: bool) -> Value {
    let mut fields = vec![
        Value::Uint(session.next_incoming_id),
        Value::Uint(session.incoming_window),
        Value::Uint(session.next_outgoing_id),
        Value::Uint(session.outgoing_window),
    ];
    if let Some((handle, link)) = link {
        fields.extend([
            Value::Uint(handle),
            link.delivery_count.map_or(Value::Null, Value::Uint),
            Value::Uint(link.credit),
            Value::Null,
            Value::Bool(link.drain),
            Value::Bool(echo),
        ]);
    }
    full_length(0x13, 11, fields)
}

/// The first or only frame of a delivery.
pub(super) fn transfer(
    handle: u32,
    delivery_id: u32,
    delivery_tag: &[u8],
    message_format: u32,
    settled: bool,
    more: bool,
) -> Value {
    full_length(
        0x14,
        11,
        [
            Value::Uint(handle),
            Value::Uint(delivery_id),
            Value::Binary(ByteBuf::from(delivery_tag)),
            Value::Uint(message_format),
            Value::Bool(settled),
            Value::Bool(more),
        ],
    )
}

/// A later frame of a delivery: only the handle and whether more follow.
pub(super) fn continued_transfer(handle: u32, more: bool) -> Value {
    let mut fields = vec![Value::Null; 6];
    if let [first, .., last] = fields.as_mut_slice() {
        *first = Value::Uint(handle);
        *last = Value::Bool(more);
    }
    full_length(0x14, 11, fields)
}

/// A disposition of one delivery. `role`: the writer's own.
pub(super) fn disposition(role: Role, delivery_id: u32, settled: bool, state: Value) -> Value {
    full_length(
        0x15,
        6,
        [
            role.value(),
            Value::Uint(delivery_id),
            Value::Uint(delivery_id),
            Value::Bool(settled),
            state,
            Value::Bool(false),
        ],
    )
}

pub(super) fn detach(handle: u32, closed: bool, refusal: Option<&Refusal>) -> Value {
    full_length(
        0x16,
        3,
        [Value::Uint(handle), Value::Bool(closed), error(refusal)],
    )
}

pub(super) fn end(refusal: Option<&Refusal>) -> Value {
    full_length(0x17, 1, [error(refusal)])
}

pub(super) fn close(refusal: Option<&Refusal>) -> Value {
    full_length(0x18, 1, [error(refusal)])
}

/// The terminus (source or target) address, when there is one.
pub(super) fn terminus_address(terminus: &Value) -> Option<&str> {
    let Value::Described(described) = terminus else {
        return None;
    };
    let Value::List(fields) = &described.value else {
        return None;
    };
    fields.first().and_then(codec::text)
}

/// An `amqp:error` list, or null.
pub(super) fn error(refusal: Option<&Refusal>) -> Value {
    refusal.map_or(Value::Null, |refusal| {
        full_length(
            0x1d,
            3,
            [
                codec::symbol(&refusal.condition),
                Value::String(refusal.description.clone()),
            ],
        )
    })
}

pub(super) fn full_length(
    code: u64,
    length: usize,
    fields: impl IntoIterator<Item = Value>,
) -> Value {
    let mut fields: Vec<_> = fields.into_iter().collect();
    fields.resize(length, Value::Null);
    described(code, Value::List(fields))
}

fn padded(mut terminus: Value, length: usize) -> Value {
    if let Value::Described(described) = &mut terminus
        && let Value::List(fields) = &mut described.value
        && fields.len() < length
    {
        fields.resize(length, Value::Null);
    }
    terminus
}

fn required<T>(field: Option<T>, name: &str) -> Result<T, Malformed> {
    field.ok_or_else(|| Malformed::new(format!("field {name} is missing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_of(performative: &Value) -> usize {
        match performative {
            Value::Described(described) => match &described.value {
                Value::List(fields) => fields.len(),
                other => panic!("not a list: {other:?}"),
            },
            other => panic!("not described: {other:?}"),
        }
    }

    #[test]
    fn every_list_has_its_full_length() {
        let request = Attach {
            name: "link".into(),
            handle: 0,
            role: Role::Receiver,
            snd_settle_mode: None,
            rcv_settle_mode: Some(1),
            source: full_length(0x28, 1, [Value::from("queue")]),
            target: full_length(0x29, 0, []),
            initial_delivery_count: None,
        };
        let session = SessionFlow {
            next_incoming_id: 0,
            incoming_window: 1,
            next_outgoing_id: 0,
            outgoing_window: 1,
        };
        for (length, performative) in [
            (10, open("id", None, 512, 1, 0)),
            (8, begin(Some(0), 1, 1)),
            (14, attach(&request, 1)),
            (14, refused_attach(&request)),
            (11, flow(session, None, false)),
            (11, flow(session, Some((0, LinkFlow::default())), true)),
            (11, transfer(0, 0, b"tag", 0, false, false)),
            (11, continued_transfer(0, false)),
            (6, disposition(Role::Sender, 0, true, Value::Null)),
            (3, detach(0, true, None)),
            (1, end(None)),
            (1, close(None)),
        ] {
            assert_eq!(fields_of(&performative), length, "{performative:?}");
        }
    }

    #[test]
    fn a_performative_of_the_wrong_shape_is_refused() {
        for (value, message) in [
            (Value::Null, "a described value is expected"),
            (
                described(0x10, Value::Null),
                "a list is expected, not format code 0x40",
            ),
            (
                full_length(0x99, 0, []),
                "descriptor 0x99 is not a performative",
            ),
            (
                full_length(0x11, 0, []),
                "field next-outgoing-id is missing",
            ),
            (
                full_length(0x12, 1, [Value::Uint(1)]),
                "field name is not of type string",
            ),
        ] {
            let bytes = codec::encode(&value);
            let error = Performative::parse(&bytes.into()).unwrap_err();
            assert_eq!(error, Malformed::new(message));
        }
    }
}
