//! Requests to `$cbs` and `$management`, and their answers.

use bytes::Bytes;
use serde_amqp::Value;

use super::{
    codec::{self, Malformed},
    message::{Map, Plain},
};

/// The application property that names the receiver which a lock is of.
const ASSOCIATED_LINK: &str = "associated-link-name";

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    /// Of any type; copied to the answer's correlation id.
    message_id: Value,
    pub(super) reply_to: Option<String>,
    application_properties: Map,
    pub(super) body: Value,
}

/// What the answer says, before it is written.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) application_properties: Vec<(&'static str, Value)>,
    pub(super) body: Value,
}

impl Request {
    pub(super) fn parse(payload: &Bytes) -> Result<Self, Malformed> {
        let mut plain = Plain::parse(payload)?;
        Ok(Self {
            message_id: plain.properties.take(0),
            reply_to: plain.properties.text(4, "reply-to")?,
            application_properties: plain.application_properties,
            body: plain.body,
        })
    }

    /// An application property that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        codec::entry(&self.application_properties, name).and_then(codec::text)
    }

    /// The body's map entry under this name.
    pub(super) fn argument(&self, name: &str) -> Option<&Value> {
        match &self.body {
            Value::Map(map) => codec::entry(map, name),
            _ => None,
        }
    }

    /// The same request for another node of the same kind: where the answer goes,
    /// and what the link is called that it speaks of, are named as there.
    pub(super) fn forwarded(mut self, reply_to: &str, name: impl Fn(&str) -> String) -> Bytes {
        let link = self.text(ASSOCIATED_LINK).map(name);
        if let Some(link) = link {
            self.application_properties
                .insert(Value::from(ASSOCIATED_LINK), Value::String(link));
        }
        message(
            self.message_id,
            reply_to,
            self.application_properties,
            self.body,
        )
    }

    /// The encoded answer.
    pub(super) fn answer(self, answer: Answer) -> Bytes {
        let mut properties = vec![Value::Null; 13];
        if let Some(correlation_id) = properties.get_mut(5) {
            *correlation_id = self.message_id;
        }
        let application_properties = answer
            .application_properties
            .into_iter()
            .map(|(name, value)| (Value::from(name), value))
            .collect();
        Plain::encode(properties, application_properties, answer.body)
    }
}

/// An encoded request.
pub(super) fn message(
    id: Value,
    reply_to: &str,
    application_properties: Map,
    body: Value,
) -> Bytes {
    let mut properties = vec![Value::Null; 13];
    if let [first, _, _, _, reply, ..] = properties.as_mut_slice() {
        *first = id;
        *reply = Value::from(reply_to);
    }
    Plain::encode(properties, application_properties, body)
}
