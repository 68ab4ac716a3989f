//! A message as it is kept: the sender's sections as raw bytes, except for the
//! few that a broker has to read or rewrite.
//!
//! Follows OASIS AMQP 1.0 part 3, section 3.2; the batch format, the
//! annotations and the .NET byte order of lock tokens are Service Bus' own
//! (observed with the official Python and JavaScript clients).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_amqp::{Value, primitives::OrderedMap};
use time::OffsetDateTime;
use uuid::Uuid;

use super::codec::{self, Malformed, described};

/// Several whole messages, each in a data section of one transfer.
const BATCH_FORMAT: u32 = 0x8001_3700;

const HEADER: u64 = 0x70;
const DELIVERY_ANNOTATIONS: u64 = 0x71;
const MESSAGE_ANNOTATIONS: u64 = 0x72;
const PROPERTIES: u64 = 0x73;
const APPLICATION_PROPERTIES: u64 = 0x74;
const DATA: u64 = 0x75;
const FOOTER: u64 = 0x78;

/// An AMQP map, as annotations and application properties are.
pub(super) type Map = OrderedMap<Value, Value>;

/// A message at rest.
#[derive(Debug, Clone)]
pub(super) struct Message {
    durable: bool,
    priority: Option<u8>,
    time_to_live: Option<u32>,
    annotations: Map,
    id: Value,
    properties: Bytes,
    application_properties: Bytes,
    /// The body's sections and the footer.
    body: Bytes,
}

/// What the broker adds to a message when it hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) sequence_number: i64,
    pub(super) enqueued_at: OffsetDateTime,
    /// Failed deliveries so far.
    pub(super) delivery_count: u32,
    /// Lock token and the lock's end, for a message that is locked.
    pub(super) lock: Option<(Uuid, OffsetDateTime)>,
    /// The queue that the message was dead-lettered from.
    pub(super) dead_letter_source: Option<String>,
}

/// The messages in one delivery: one, or a batch of them.
pub(super) fn parse_delivery(format: u32, payload: &Bytes) -> Result<Vec<Message>, Malformed> {
    match format {
        0 => Message::parse(payload).map(|message| vec![message]),
        BATCH_FORMAT => {
            let mut messages = Vec::new();
            for section in Sections(payload.clone()) {
                let section = section?;
                if section.code == DATA {
                    messages.push(Message::parse(&section.data()?)?);
                }
            }
            Ok(messages)
        }
        other => Err(Malformed::new(format!("unknown message format {other:#x}"))),
    }
}

impl Message {
    /// Reads a message's sections. A message without an id gets one, because
    /// receivers rely on it (observed: JavaScript cannot renew locks otherwise).
    pub(super) fn parse(payload: &Bytes) -> Result<Self, Malformed> {
        let mut message = Self {
            durable: false,
            priority: None,
            time_to_live: None,
            annotations: Map::new(),
            id: Value::Null,
            properties: Bytes::new(),
            application_properties: Bytes::new(),
            body: Bytes::new(),
        };
        let mut properties = vec![Value::Null; 13];
        let mut rest = payload.clone();
        for section in Sections(payload.clone()) {
            let section = section?;
            match section.code {
                HEADER => {
                    let mut fields = codec::Fields::new(section.value()?)?;
                    message.durable = fields.flag(0, "durable")?;
                    message.priority = fields.u8(1, "priority")?;
                    message.time_to_live = fields.u32(2, "ttl")?;
                }
                DELIVERY_ANNOTATIONS => {}
                MESSAGE_ANNOTATIONS => message.annotations = section.map()?,
                PROPERTIES => {
                    properties = match section.value()? {
                        Value::List(fields) => fields,
                        _ => return Err(Malformed::new("properties are not a list")),
                    };
                    message.properties = section.bytes.clone();
                }
                APPLICATION_PROPERTIES => {
                    section.map()?;
                    message.application_properties = section.bytes.clone();
                }
                DATA..=FOOTER => {
                    // The body and all that follows it stay as they came; the
                    // loop goes on only to check that it is well formed.
                    if message.body.is_empty() {
                        message.body = rest.clone();
                    }
                }
                other => {
                    return Err(Malformed::new(format!(
                        "descriptor {other:#04x} is not a message section"
                    )));
                }
            }
            rest = section.rest;
        }
        message.id = properties.first().cloned().unwrap_or_default();
        if message.id == Value::Null {
            message.id = Value::String(Uuid::new_v4().simple().to_string());
            properties.resize(properties.len().max(13), Value::Null);
            if let Some(id) = properties.first_mut() {
                id.clone_from(&message.id);
            }
            message.properties = section_bytes(PROPERTIES, Value::List(properties));
        }
        Ok(message)
    }

    /// The message id, as the sender wrote it.
    pub(super) fn id(&self) -> &Value {
        &self.id
    }

    /// Bytes that the message takes while it is kept.
    pub(super) fn size(&self) -> usize {
        self.properties.len() + self.application_properties.len() + self.body.len()
    }

    /// The sections whose content identifies the message, for digests.
    pub(super) fn content(&self) -> [&[u8]; 3] {
        [&self.properties, &self.application_properties, &self.body]
    }

    /// What the sender asks for that this broker does not play.
    pub(super) fn unsupported(&self) -> Option<&'static str> {
        if self.time_to_live.is_some() {
            return Some("a message's time to live");
        }
        codec::entry(&self.annotations, "x-opt-scheduled-enqueue-time")
            .filter(|time| **time != Value::Null)
            .map(|_| "scheduling a message")
    }

    /// The message with these application properties added or replaced.
    pub(super) fn with_properties(&self, changes: &Map) -> Self {
        let mut message = self.clone();
        if changes.is_empty() {
            return message;
        }
        let mut properties = codec::decode(&self.application_properties)
            .ok()
            .and_then(|(section, _)| as_map(section))
            .unwrap_or_default();
        for (name, value) in changes {
            // A key must be a string here, whatever the client sent.
            let name = codec::text(name).map_or_else(|| name.clone(), Value::from);
            properties.insert(name, value.clone());
        }
        message.application_properties =
            section_bytes(APPLICATION_PROPERTIES, Value::Map(properties));
        message
    }

    /// The whole message as a receiver gets it.
    pub(super) fn encode(&self, envelope: &Envelope) -> Bytes {
        let header = vec![
            Value::Bool(self.durable),
            self.priority.map_or(Value::Null, Value::Ubyte),
            Value::Null,
            Value::Null,
            Value::Uint(envelope.delivery_count),
        ];
        let mut out = codec::encode(&described(HEADER, Value::List(header)));
        if let Some((token, _)) = envelope.lock {
            // The tag carries the token too, in .NET order; azservicebus reads
            // it from here (observed).
            let token = BTreeMap::from([(
                codec::symbol("x-opt-lock-token"),
                Value::Uuid(token.into_bytes().into()),
            )]);
            out.extend(codec::encode(&described(
                DELIVERY_ANNOTATIONS,
                token.into(),
            )));
        }
        let annotations = Value::Map(self.annotations_with(envelope));
        out.extend(codec::encode(&described(MESSAGE_ANNOTATIONS, annotations)));
        for section in self.content() {
            out.extend_from_slice(section);
        }
        Bytes::from(out)
    }

    fn annotations_with(&self, envelope: &Envelope) -> Map {
        let mut annotations = self.annotations.clone();
        let mut set = |name: &str, value: Value| {
            annotations.insert(codec::symbol(name), value);
        };
        set(
            "x-opt-sequence-number",
            Value::Long(envelope.sequence_number),
        );
        set(
            "x-opt-enqueued-time",
            codec::timestamp(envelope.enqueued_at),
        );
        if let Some((_, until)) = envelope.lock {
            set("x-opt-locked-until", codec::timestamp(until));
        }
        if let Some(source) = &envelope.dead_letter_source {
            set("x-opt-deadletter-source", Value::String(source.clone()));
        }
        annotations
    }
}

/// The body of an amqp-value section or the concatenated data sections, and
/// the maps and lists before it: what requests to `$cbs` and `$management` are.
#[derive(Debug, Default)]
pub(super) struct Plain {
    pub(super) properties: codec::Fields,
    pub(super) application_properties: Map,
    pub(super) body: Value,
}

impl Plain {
    pub(super) fn parse(payload: &Bytes) -> Result<Self, Malformed> {
        let mut plain = Self::default();
        for section in Sections(payload.clone()) {
            let section = section?;
            match section.code {
                PROPERTIES => plain.properties = codec::Fields::new(section.value()?)?,
                APPLICATION_PROPERTIES => plain.application_properties = section.map()?,
                0x77 => plain.body = section.value()?,
                _ => {}
            }
        }
        Ok(plain)
    }

    /// A message of properties, application properties and an amqp-value body.
    pub(super) fn encode(
        properties: Vec<Value>,
        application_properties: Map,
        body: Value,
    ) -> Bytes {
        let mut out = codec::encode(&described(PROPERTIES, Value::List(properties)));
        out.extend(codec::encode(&described(
            APPLICATION_PROPERTIES,
            Value::Map(application_properties),
        )));
        out.extend(codec::encode(&described(0x77, body)));
        Bytes::from(out)
    }
}

/// The sections of an encoded message, one after the other.
struct Sections(Bytes);

struct Section {
    code: u64,
    bytes: Bytes,
    rest: Bytes,
}

impl Iterator for Sections {
    type Item = Result<Section, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let section = self.split();
        if section.is_err() {
            self.0.clear();
        }
        Some(section)
    }
}

impl Sections {
    fn split(&mut self) -> Result<Section, Malformed> {
        let size = codec::extent(&self.0)?;
        let bytes = self.0.split_to(size);
        Ok(Section {
            code: section_code(&bytes)?,
            bytes,
            rest: self.0.clone(),
        })
    }
}

impl Section {
    fn value(&self) -> Result<Value, Malformed> {
        let (section, _) = codec::decode(&self.bytes)?;
        Ok(codec::open_described(section)?.1)
    }

    fn map(&self) -> Result<Map, Malformed> {
        match self.value()? {
            Value::Map(map) => Ok(map),
            _ => Err(Malformed::new(format!(
                "section {:#04x} is not a map",
                self.code
            ))),
        }
    }

    fn data(&self) -> Result<Bytes, Malformed> {
        match self.value()? {
            Value::Binary(data) => Ok(Bytes::from(data.into_vec())),
            _ => Err(Malformed::new("a data section is not binary")),
        }
    }
}

/// The descriptor of a section without decoding what it describes.
fn section_code(section: &[u8]) -> Result<u64, Malformed> {
    let Some((0x00, descriptor)) = section.split_first() else {
        return Err(Malformed::new("a message section is expected"));
    };
    match codec::decode(descriptor)? {
        (Value::Ulong(code), _) => Ok(code),
        _ => Err(Malformed::new("a section's descriptor is not a number")),
    }
}

fn section_bytes(code: u64, value: Value) -> Bytes {
    Bytes::from(codec::encode(&described(code, value)))
}

fn as_map(section: Value) -> Option<Map> {
    match codec::open_described(section).ok()?.1 {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_bytes::ByteBuf;
    use time::macros::datetime;

    fn data(bytes: &[u8]) -> Bytes {
        section_bytes(DATA, Value::Binary(ByteBuf::from(bytes)))
    }

    fn envelope() -> Envelope {
        Envelope {
            sequence_number: 7,
            enqueued_at: datetime!(2026-01-01 00:00 UTC),
            delivery_count: 2,
            lock: Some((Uuid::from_u128(1), datetime!(2026-01-01 00:01 UTC))),
            dead_letter_source: None,
        }
    }

    #[test]
    fn a_message_without_an_id_gets_one() {
        let message = Message::parse(&data(b"x")).unwrap();

        assert!(matches!(message.id(), Value::String(id) if id.len() == 32));
        let sent = Message::parse(&message.encode(&envelope())).unwrap();
        assert_eq!(sent.id(), message.id());
        assert_eq!(sent.body, data(b"x"));
    }

    #[test]
    fn an_id_of_any_type_is_kept() {
        for id in [
            Value::Ulong(9),
            Value::Uuid([1; 16].into()),
            Value::from("id"),
        ] {
            let properties = section_bytes(PROPERTIES, Value::List(vec![id.clone()]));
            let payload = Bytes::from([properties, data(b"x")].concat());
            assert_eq!(Message::parse(&payload).unwrap().id(), &id);
        }
    }

    #[test]
    fn a_batch_is_taken_apart() {
        let batch = Bytes::from([data(&data(b"a")), data(&data(b"b"))].concat());

        let messages = parse_delivery(BATCH_FORMAT, &batch).unwrap();

        let bodies: Vec<_> = messages
            .iter()
            .map(|message| message.body.clone())
            .collect();
        assert_eq!(bodies, [data(b"a"), data(b"b")]);
    }

    #[test]
    fn added_properties_stand_beside_the_senders() {
        let map = |name, value| Map::from_iter([(Value::from(name), Value::from(value))]);
        let own = section_bytes(APPLICATION_PROPERTIES, Value::Map(map("a", "1")));
        let message = Message::parse(&Bytes::from([own, data(b"x")].concat())).unwrap();

        let changed = message.with_properties(&map("b", "2"));

        let plain = Plain::parse(&changed.encode(&envelope())).unwrap();
        let properties = plain.application_properties;
        assert_eq!(codec::entry(&properties, "a"), Some(&Value::from("1")));
        assert_eq!(codec::entry(&properties, "b"), Some(&Value::from("2")));
    }

    #[test]
    fn what_is_not_played_is_named() {
        let header = section_bytes(
            HEADER,
            Value::List(vec![Value::Null, Value::Null, Value::Uint(5)]),
        );
        let message = Message::parse(&Bytes::from([header, data(b"x")].concat())).unwrap();

        assert_eq!(message.unsupported(), Some("a message's time to live"));
    }
}
