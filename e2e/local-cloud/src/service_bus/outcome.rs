//! What a receiver decides about a delivery, and the broker's answer to it.
//!
//! Follows OASIS AMQP 1.0 part 3, section 3.4; how Service Bus' operations map
//! to outcomes was observed with the official Python and JavaScript clients.

use serde_amqp::Value;

use super::{
    codec::{self, Fields, Malformed, described},
    message::Map,
    performatives,
    queue::{Part, reason},
    refusal::Refusal,
};

const ACCEPTED: u64 = 0x24;
const REJECTED: u64 = 0x25;
const RELEASED: u64 = 0x26;
const MODIFIED: u64 = 0x27;

/// A receiver's decision.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Complete,
    /// Give it back as failed, with these application properties changed.
    Abandon(Map),
    /// Give it back untouched.
    Release,
    /// Set it aside; not played.
    Defer,
    /// Move it to the dead-letter sub-queue with these application properties.
    DeadLetter(Map),
}

impl Outcome {
    /// The outcome in a disposition; `None` for a state that decides nothing.
    pub(super) fn parse(state: Value) -> Result<Option<Self>, Malformed> {
        if state == Value::Null {
            return Ok(None);
        }
        let (code, fields) = codec::open_described(state)?;
        let mut fields = Fields::new(fields)?;
        Ok(match code {
            // Received: how much of it has arrived.
            0x23 => None,
            ACCEPTED => Some(Self::Complete),
            REJECTED => Some(Self::DeadLetter(rejection(fields.take(0))?)),
            RELEASED => Some(Self::Release),
            MODIFIED if fields.flag(1, "undeliverable-here")? => Some(Self::Defer),
            MODIFIED => Some(Self::Abandon(as_map(fields.take(2)))),
            other => {
                return Err(Malformed::new(format!(
                    "descriptor {other:#04x} is not a delivery state"
                )));
            }
        })
    }

    /// What is not played of it, by name.
    pub(super) fn not_played(&self, part: Part) -> Option<Refusal> {
        match self {
            Self::Defer => Some(Refusal::not_implemented("deferring a message")),
            Self::DeadLetter(_) if part == Part::DeadLetter => Some(Refusal::not_implemented(
                "dead-lettering from a dead-letter queue",
            )),
            _ => None,
        }
    }

    /// The operation's name in the audit.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::Complete => "Complete",
            Self::Abandon(_) => "Abandon",
            Self::Release => "Release",
            Self::Defer => "Defer",
            Self::DeadLetter(_) => "DeadLetter",
        }
    }

    /// The answer when it was done: the same kind of outcome, which the official
    /// Python client checks from 7.15 on (observed).
    pub(super) fn done(&self) -> Value {
        match self {
            Self::Complete => accepted(),
            Self::Abandon(_) | Self::Defer => performatives::full_length(MODIFIED, 3, []),
            Self::Release => released(),
            Self::DeadLetter(_) => performatives::full_length(REJECTED, 1, []),
        }
    }
}

pub(super) fn accepted() -> Value {
    described(ACCEPTED, Value::List(Vec::new()))
}

pub(super) fn released() -> Value {
    described(RELEASED, Value::List(Vec::new()))
}

/// The error of an outcome that is a rejection.
pub(super) fn refused(state: Value) -> Result<(), Refusal> {
    match codec::open_described(state) {
        Ok((REJECTED, fields)) => {
            let error = Fields::new(fields).map(|mut fields| fields.take(0));
            let error = error.ok().and_then(performatives::parse_error);
            Err(error.unwrap_or_else(|| Refusal::new("amqp:internal-error", "rejected")))
        }
        _ => Ok(()),
    }
}

pub(super) fn rejected(refusal: &Refusal) -> Value {
    performatives::full_length(REJECTED, 1, [performatives::error(Some(refusal))])
}

/// Reason and description out of a rejection's error: from its info map, where
/// the official clients write them, else from condition and description.
fn rejection(error: Value) -> Result<Map, Malformed> {
    if error == Value::Null {
        return Ok(Map::new());
    }
    let mut error = Fields::new(codec::open_described(error)?.1)?;
    let condition = error.text(0, "condition")?;
    let description = error.text(1, "description")?;
    let mut changes = as_map(error.take(2));
    let named = condition.filter(|condition| condition != "com.microsoft:dead-letter");
    let defaults = reason(named.as_deref(), description.as_deref());
    for (name, value) in &defaults {
        if codec::text(name).is_some_and(|name| codec::entry(&changes, name).is_none()) {
            changes.insert(name.clone(), value.clone());
        }
    }
    Ok(changes)
}

fn as_map(value: Value) -> Map {
    match value {
        Value::Map(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service_bus::performatives::full_length;

    fn dead_letter(condition: &str, info: Value) -> Value {
        let error = full_length(
            0x1d,
            3,
            [codec::symbol(condition), Value::from("described"), info],
        );
        full_length(REJECTED, 1, [error])
    }

    #[test]
    fn a_reason_is_read_with_string_or_symbol_keys() {
        for key in [
            Value::from("DeadLetterReason"),
            codec::symbol("DeadLetterReason"),
        ] {
            let info = Value::Map(Map::from_iter([(key, Value::from("why"))]));

            let outcome = Outcome::parse(dead_letter("com.microsoft:dead-letter", info)).unwrap();

            let Some(Outcome::DeadLetter(changes)) = outcome else {
                panic!("not a dead letter: {outcome:?}");
            };
            let found = |name| codec::entry(&changes, name).and_then(codec::text);
            assert_eq!(found("DeadLetterReason"), Some("why"));
            assert_eq!(found("DeadLetterErrorDescription"), Some("described"));
        }
    }

    #[test]
    fn the_answer_is_of_the_same_kind() {
        for (state, operation) in [
            (accepted(), "Complete"),
            (full_length(REJECTED, 1, []), "DeadLetter"),
            (described(RELEASED, Value::List(vec![])), "Release"),
            (full_length(MODIFIED, 3, [Value::Bool(true)]), "Abandon"),
            (
                full_length(MODIFIED, 3, [Value::Null, Value::Bool(true)]),
                "Defer",
            ),
        ] {
            let outcome = Outcome::parse(state.clone()).unwrap().unwrap();
            assert_eq!(outcome.operation(), operation);
            let kind = |value| codec::open_described(value).unwrap().0;
            assert_eq!(kind(outcome.done()), kind(state));
        }
    }
}
