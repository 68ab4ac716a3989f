//! Messages: what a caller sends, and what the broker hands over.

use std::{collections::BTreeMap, fmt};

use fe2o3_amqp::Delivery;
use fe2o3_amqp_types::{
    messaging::{
        AmqpValue, ApplicationProperties, Body, Data, Message, MessageAnnotations, MessageId,
        Properties, message::DecodeIntoMessage as _,
    },
    primitives::{Binary, SimpleValue, Symbol, Value},
};
use serde_amqp::read::SliceReader;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::ServiceBusErrorKind;

/// A message to send.
#[derive(Clone, Default)]
pub struct ServiceBusMessage {
    /// Identifies the message to duplicate detection and to handlers: choose it so that the same
    /// fact, sent twice, has the same id. At most 128 characters.
    pub message_id: String,
    /// The payload.
    pub body: Vec<u8>,
    /// The payload's media type.
    pub content_type: Option<String>,
    /// Ties the message to a request or another message.
    pub correlation_id: Option<String>,
    /// Properties for the application's own use.
    pub application_properties: BTreeMap<String, String>,
}

/// A message received in peek-lock mode: it belongs to the receiver until
/// [`locked_until`](Self::locked_until), unless the lock is renewed or the message settled.
pub struct ServiceBusReceivedMessage {
    body: Vec<u8>,
    message_id: Option<String>,
    content_type: Option<String>,
    correlation_id: Option<String>,
    application_properties: BTreeMap<String, String>,
    delivery_count: u32,
    lock_token: Uuid,
    locked_until: OffsetDateTime,
    sequence_number: i64,
    enqueued_time: OffsetDateTime,
    dead_letter_source: Option<String>,
    link_name: String,
}

impl ServiceBusMessage {
    /// A message with this id and payload.
    pub fn new(message_id: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            message_id: message_id.into(),
            body: body.into(),
            ..Self::default()
        }
    }

    pub(crate) fn to_amqp(&self) -> Message<Data> {
        let properties = Properties {
            message_id: Some(MessageId::String(self.message_id.clone())),
            content_type: self.content_type.as_deref().map(Symbol::from),
            correlation_id: self.correlation_id.clone().map(MessageId::String),
            ..Properties::default()
        };
        let application_properties = (!self.application_properties.is_empty()).then(|| {
            let mut properties = ApplicationProperties::default();
            for (key, value) in &self.application_properties {
                properties.insert(key.clone(), SimpleValue::String(value.clone()));
            }
            properties
        });
        Message {
            header: None,
            delivery_annotations: None,
            message_annotations: None,
            properties: Some(properties),
            application_properties,
            body: Data(Binary::from(self.body.clone())),
            footer: None,
        }
    }
}

impl ServiceBusReceivedMessage {
    pub(crate) fn from_delivery(
        delivery: Delivery<Body<Value>>,
        link_name: &str,
    ) -> Result<Self, ServiceBusErrorKind> {
        let (info, message) = delivery.into_parts();
        let lock_token = lock_token(info.delivery_tag())
            .ok_or_else(|| undecodable("the delivery tag is no lock token"))?;
        Ok(Self::from_amqp(message, (lock_token, link_name)))
    }

    /// A message that was only looked at, as the management node encodes it.
    pub(crate) fn from_peeked(encoded: &[u8]) -> Result<Self, ServiceBusErrorKind> {
        let message = Body::<Value>::decode_message_from_reader(SliceReader::new(encoded))
            .map_err(|error| undecodable(&error.to_string()))?;
        Ok(Self::from_amqp(message, (Uuid::nil(), "")))
    }

    fn from_amqp(message: Message<Body<Value>>, (lock_token, link_name): (Uuid, &str)) -> Self {
        let properties = message.properties.unwrap_or_default();
        let annotations = message.message_annotations.unwrap_or_default();
        Self {
            body: bytes_of(message.body),
            message_id: properties.message_id.map(id_text),
            content_type: properties.content_type.map(Symbol::into_inner),
            correlation_id: properties.correlation_id.map(id_text),
            application_properties: message
                .application_properties
                .map(texts)
                .unwrap_or_default(),
            delivery_count: message.header.map_or(0, |header| header.delivery_count),
            lock_token,
            locked_until: instant(&annotations, "x-opt-locked-until"),
            sequence_number: match annotation(&annotations, "x-opt-sequence-number") {
                Some(Value::Long(number)) => *number,
                _ => 0,
            },
            enqueued_time: instant(&annotations, "x-opt-enqueued-time"),
            dead_letter_source: match annotation(&annotations, "x-opt-deadletter-source") {
                Some(Value::String(source)) => Some(source.clone()),
                Some(Value::Symbol(source)) => Some(source.as_str().to_owned()),
                _ => None,
            },
            link_name: link_name.to_owned(),
        }
    }

    /// The payload. Empty if it is neither bytes nor text.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The id that the sender chose.
    pub fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }

    /// The payload's media type.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// What the sender tied the message to.
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    /// The application's own properties, as text; those that have none (lists, bytes) are left out.
    pub fn application_properties(&self) -> &BTreeMap<String, String> {
        &self.application_properties
    }

    /// How many deliveries of this message came to nothing before this one, as AMQP's header has
    /// it: 0 at first. (The .NET SDK shows one more.)
    pub fn delivery_count(&self) -> u32 {
        self.delivery_count
    }

    /// Names this lock; nil when the message was only peeked at.
    pub fn lock_token(&self) -> Uuid {
        self.lock_token
    }

    /// When the lock ends by the broker's clock, as it was when the message was handed over.
    pub fn locked_until(&self) -> OffsetDateTime {
        self.locked_until
    }

    /// The broker's number of the message in its queue.
    pub fn sequence_number(&self) -> i64 {
        self.sequence_number
    }

    /// When the broker accepted the message.
    pub fn enqueued_time(&self) -> OffsetDateTime {
        self.enqueued_time
    }

    /// Why the message was dead-lettered, a short code.
    pub fn dead_letter_reason(&self) -> Option<&str> {
        self.property("DeadLetterReason")
    }

    /// Why the message was dead-lettered, in words.
    pub fn dead_letter_error_description(&self) -> Option<&str> {
        self.property("DeadLetterErrorDescription")
    }

    /// The queue that the dead-lettered message came from.
    pub fn dead_letter_source(&self) -> Option<&str> {
        self.dead_letter_source.as_deref()
    }

    /// The link that the message came over.
    pub(crate) fn link_name(&self) -> &str {
        &self.link_name
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.application_properties.get(name).map(String::as_str)
    }
}

impl fmt::Debug for ServiceBusMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBusMessage")
            .field("message_id", &self.message_id)
            .field("body_bytes", &self.body.len())
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ServiceBusReceivedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBusReceivedMessage")
            .field("message_id", &self.message_id)
            .field("body_bytes", &self.body.len())
            .field("delivery_count", &self.delivery_count)
            .field("sequence_number", &self.sequence_number)
            .field("locked_until", &self.locked_until)
            .finish_non_exhaustive()
    }
}

fn undecodable(what: &str) -> ServiceBusErrorKind {
    ServiceBusErrorKind::Amqp {
        condition: "amqp:decode-error".to_owned(),
        description: what.to_owned(),
    }
}

/// The delivery tag is the lock token in the byte order of a .NET GUID; everywhere else the token
/// is an AMQP uuid in network order.
fn lock_token(tag: &[u8]) -> Option<Uuid> {
    tag.try_into().ok().map(Uuid::from_bytes_le)
}

pub(crate) fn instant_of(milliseconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn instant(annotations: &MessageAnnotations, name: &str) -> OffsetDateTime {
    match annotation(annotations, name) {
        Some(Value::Timestamp(at)) => instant_of(at.milliseconds()),
        _ => OffsetDateTime::UNIX_EPOCH,
    }
}

fn annotation<'a>(annotations: &'a MessageAnnotations, name: &str) -> Option<&'a Value> {
    use fe2o3_amqp_types::messaging::annotations::AnnotationKey;

    annotations.get(&name as &dyn AnnotationKey)
}

fn bytes_of(body: Body<Value>) -> Vec<u8> {
    match body {
        Body::Data(sections) => sections
            .into_iter()
            .flat_map(|section| section.0.into_vec())
            .collect(),
        Body::Value(AmqpValue(Value::Binary(bytes))) => bytes.into_vec(),
        Body::Value(AmqpValue(Value::String(text))) => text.into_bytes(),
        Body::Value(_) | Body::Sequence(_) | Body::Empty => Vec::new(),
    }
}

fn id_text(id: MessageId) -> String {
    match id {
        MessageId::Ulong(number) => number.to_string(),
        MessageId::Uuid(id) => Uuid::from(id).to_string(),
        MessageId::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        MessageId::String(text) => text,
    }
}

fn texts(properties: ApplicationProperties) -> BTreeMap<String, String> {
    properties
        .0
        .into_iter()
        .filter_map(|(key, value)| Some((key, text(value)?)))
        .collect()
}

fn text(value: SimpleValue) -> Option<String> {
    Some(match value {
        SimpleValue::String(text) => text,
        SimpleValue::Symbol(symbol) => symbol.into_inner(),
        SimpleValue::Bool(value) => value.to_string(),
        SimpleValue::Ubyte(number) => number.to_string(),
        SimpleValue::Ushort(number) => number.to_string(),
        SimpleValue::Uint(number) => number.to_string(),
        SimpleValue::Ulong(number) => number.to_string(),
        SimpleValue::Byte(number) => number.to_string(),
        SimpleValue::Short(number) => number.to_string(),
        SimpleValue::Int(number) => number.to_string(),
        SimpleValue::Long(number) => number.to_string(),
        SimpleValue::Float(number) => number.to_string(),
        SimpleValue::Double(number) => number.to_string(),
        SimpleValue::Uuid(id) => Uuid::from(id).to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use fe2o3_amqp_types::messaging::Batch;

    use super::*;

    #[test]
    fn a_delivery_tag_is_a_guid_in_dotnet_byte_order() {
        let token = Uuid::parse_str("00112233-4455-6677-8899-aabbccddeeff").unwrap();
        let tag = [
            0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
            0xee, 0xff,
        ];

        assert_eq!(lock_token(&tag), Some(token));
        assert_eq!(lock_token(&[1, 2, 3, 4]), None);
    }

    #[test]
    fn a_message_keeps_everything_the_sender_gave() {
        let mut message = ServiceBusMessage::new("event-1", br#"{"schema":1}"#);
        message.content_type = Some("application/json".to_owned());
        message.correlation_id = Some("request-7".to_owned());
        message
            .application_properties
            .insert("type".to_owned(), "todo.added".to_owned());

        let amqp = message.to_amqp();

        let properties = amqp.properties.unwrap();
        assert_eq!(
            properties.message_id.map(id_text).as_deref(),
            Some("event-1")
        );
        assert_eq!(
            properties.content_type.map(Symbol::into_inner).as_deref(),
            Some("application/json")
        );
        assert_eq!(
            properties.correlation_id.map(id_text).as_deref(),
            Some("request-7")
        );
        assert_eq!(
            texts(amqp.application_properties.unwrap())["type"],
            "todo.added"
        );
        assert_eq!(amqp.body.0.as_slice(), br#"{"schema":1}"#);
    }

    #[test]
    fn bodies_of_several_sections_and_of_text_are_read() {
        let sections = [b"ab".to_vec(), b"c".to_vec()].map(|bytes| Data(Binary::from(bytes)));

        assert_eq!(bytes_of(Body::Data(Batch::from_iter(sections))), b"abc");
        assert_eq!(
            bytes_of(Body::Value(AmqpValue(Value::from("text")))),
            b"text"
        );
        assert_eq!(bytes_of(Body::Empty), b"");
    }

    #[test]
    fn annotations_are_read_by_name() {
        let annotations = MessageAnnotations::builder()
            .insert(
                "x-opt-locked-until",
                Value::Timestamp(1_700_000_000_250.into()),
            )
            .build();

        let locked_until = instant(&annotations, "x-opt-locked-until");

        assert_eq!(locked_until.unix_timestamp(), 1_700_000_000);
        assert_eq!(locked_until.millisecond(), 250);
        assert_eq!(
            instant(&annotations, "x-opt-enqueued-time"),
            OffsetDateTime::UNIX_EPOCH
        );
    }

    #[test]
    fn debugging_a_message_shows_its_size_but_not_its_body() {
        let message = ServiceBusMessage::new("m1", b"private".to_vec());

        let shown = format!("{message:?}");

        assert!(shown.contains("body_bytes: 7"), "{shown}");
        assert!(!shown.contains("private"), "{shown}");
    }
}
