//! Requests to `$cbs` and `$management`, and their answers.

use bytes::Bytes;
use serde_amqp::Value;

use super::{
    codec::{self, Malformed},
    message::{Map, Plain},
};

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
