//! `$management` of a queue: what a link's own frames cannot say.
//!
//! Follows Microsoft Learn, *AMQP 1.0 in Service Bus: request-response-based
//! operations*. Operations that are not played are answered 501 by name.

use serde_amqp::{
    Value,
    primitives::{Array, OrderedMap},
};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::{
    ServiceBus, codec,
    link::{Entry, Incoming, Input, Output, Port, settle},
    message::Map,
    outcome::{self, Outcome},
    queue::{LockLost, Part, reason},
    refusal::Refusal,
    request::{Answer, Request},
};

/// The most messages of one peek, and their bytes together.
const MAX_PEEKED: usize = 250;
const MAX_PEEKED_BYTES: usize = 1 << 20;

pub(super) async fn run(bus: &ServiceBus, mut port: Port, mut entry: Entry) {
    while let Some(input) = port.inbox.recv().await {
        match input {
            Input::Delivery(delivery) => answer(bus, &port, &entry, delivery).await,
            Input::Readmit(caller) => {
                if let Err(refusal) = entry.readmit(bus, caller).await {
                    port.emit(Output::Detach(refusal)).await;
                    return;
                }
            }
            Input::Flow { .. } | Input::Settle { .. } | Input::Reply(_) => {}
        }
    }
}

/// What a request asks for, of what is played.
#[derive(Debug)]
pub(super) enum Operation {
    RenewLocks(Vec<Uuid>),
    Peek { from: i64, count: usize },
    UpdateDisposition(Vec<Uuid>, Outcome),
}

/// Why an operation was not done: status and, in `errorCondition`, the refusal.
#[derive(Debug)]
pub(super) struct Failed(i32, Refusal);

impl Operation {
    /// Reads a request. What is not played is refused by name.
    pub(super) fn of(request: &Request, part: Part) -> Result<Self, Failed> {
        match request.text("operation").unwrap_or_default() {
            "com.microsoft:renew-lock" => Ok(Self::RenewLocks(lock_tokens(request)?)),
            "com.microsoft:peek-message" => Ok(Self::Peek {
                from: number(request, "from-sequence-number")?,
                count: usize::try_from(number(request, "message-count")?)
                    .map_err(|_| invalid("message-count is negative"))?,
            }),
            "com.microsoft:update-disposition" => {
                let outcome = disposition(request)?;
                match outcome.not_played(part) {
                    None => Ok(Self::UpdateDisposition(lock_tokens(request)?, outcome)),
                    Some(refusal) => Err(Failed(501, refusal)),
                }
            }
            other => {
                let what = format!("management operation {other:?}");
                Err(Failed(501, Refusal::not_implemented(&what)))
            }
        }
    }

    /// Its names in the audit: a disposition stands there once for each message.
    pub(super) fn audited(&self) -> Vec<&'static str> {
        match self {
            Self::RenewLocks(_) => vec!["RenewLock"],
            Self::Peek { .. } => vec!["Peek"],
            Self::UpdateDisposition(tokens, outcome) => vec![outcome.operation(); tokens.len()],
        }
    }
}

async fn answer(bus: &ServiceBus, port: &Port, entry: &Entry, delivery: Incoming) {
    let state = match Request::parse(&delivery.payload) {
        Ok(request) => {
            let done = match Operation::of(&request, entry.part) {
                Ok(operation) => carry_out(bus, entry, operation).await,
                Err(failed) => Err(failed),
            };
            let reply_to = request.reply_to.clone();
            let payload = request.answer(as_answer(done));
            port.emit(Output::Reply { reply_to, payload }).await;
            outcome::accepted()
        }
        Err(malformed) => outcome::rejected(&Refusal::decode(&malformed.0)),
    };
    let output = Output::Processed {
        delivery_id: delivery.delivery_id,
        state: (!delivery.settled).then_some(state),
    };
    port.emit(output).await;
}

async fn carry_out(
    bus: &ServiceBus,
    entry: &Entry,
    operation: Operation,
) -> Result<Option<Value>, Failed> {
    match operation {
        Operation::RenewLocks(tokens) => renew_locks(bus, entry, tokens).await,
        Operation::Peek { from, count } => Ok(peek(bus, entry, from, count).await),
        Operation::UpdateDisposition(tokens, outcome) => {
            update_disposition(bus, entry, tokens, &outcome).await
        }
    }
}

/// The answer to a request that was done, with what came of it, or was not.
pub(super) fn as_answer(done: Result<Option<Value>, Failed>) -> Answer {
    let (status, description, condition, body) = match done {
        Ok(Some(body)) => (200, "OK".to_owned(), None, body),
        Ok(None) => (204, "No Content".to_owned(), None, Value::Null),
        Err(Failed(status, refusal)) => (
            status,
            refusal.description,
            Some(refusal.condition),
            Value::Null,
        ),
    };
    let mut application_properties = vec![
        ("statusCode", Value::Int(status)),
        ("statusDescription", Value::String(description)),
    ];
    if let Some(condition) = condition {
        application_properties.push(("errorCondition", codec::symbol(&condition)));
    }
    Answer {
        application_properties,
        body,
    }
}

async fn renew_locks(
    bus: &ServiceBus,
    entry: &Entry,
    tokens: Vec<Uuid>,
) -> Result<Option<Value>, Failed> {
    bus.gate.pass(&entry.admitted, "RenewLock").await;
    let now = bus.clock.now();
    let mut expirations = Vec::new();
    for token in tokens {
        let until = entry
            .queue
            .with(|queue| queue.renew(&entry.admitted, now, entry.part, token))
            .map_err(|LockLost| Failed(410, Refusal::lock_lost(now)))?;
        expirations.push(codec::timestamp(until));
    }
    let expirations = Value::Array(Array::from(expirations));
    Ok(Some(map([("expirations", expirations)])))
}

async fn peek(bus: &ServiceBus, entry: &Entry, from: i64, count: usize) -> Option<Value> {
    bus.gate.pass(&entry.admitted, "Peek").await;
    let now = bus.clock.now();
    let peeked = entry.queue.with(|queue| {
        queue.peek(
            &entry.admitted,
            now,
            entry.part,
            from,
            count.min(MAX_PEEKED),
        )
    });
    let mut bytes = 0;
    let messages: Vec<_> = peeked
        .into_iter()
        .map(|delivery| delivery.message.encode(&delivery.envelope))
        .take_while(|message| {
            let first = bytes == 0;
            bytes += message.len();
            first || bytes <= MAX_PEEKED_BYTES
        })
        .map(|message| map([("message", Value::Binary(ByteBuf::from(message.to_vec())))]))
        .collect();
    (!messages.is_empty()).then(|| map([("messages", Value::List(messages))]))
}

async fn update_disposition(
    bus: &ServiceBus,
    entry: &Entry,
    tokens: Vec<Uuid>,
    outcome: &Outcome,
) -> Result<Option<Value>, Failed> {
    for token in tokens {
        settle(bus, entry, token, outcome)
            .await
            .map_err(|refusal| Failed(410, refusal))?;
    }
    Ok(Some(Value::Map(OrderedMap::new())))
}

/// The decision that an `update-disposition` carries.
fn disposition(request: &Request) -> Result<Outcome, Failed> {
    let text = |name| request.argument(name).and_then(codec::text);
    let changes = match request.argument("properties-to-modify") {
        Some(Value::Map(changes)) => changes.clone(),
        _ => Map::new(),
    };
    let status = text("disposition-status").unwrap_or_default();
    match status {
        "completed" => Ok(Outcome::Complete),
        "abandoned" => Ok(Outcome::Abandon(changes)),
        "defered" => Ok(Outcome::Defer),
        "suspended" => {
            let mut changes = changes;
            let why = reason(text("deadletter-reason"), text("deadletter-description"));
            for (name, value) in &why {
                changes.insert(name.clone(), value.clone());
            }
            Ok(Outcome::DeadLetter(changes))
        }
        other => {
            let what = format!("disposition-status {other:?}");
            Err(Failed(501, Refusal::not_implemented(&what)))
        }
    }
}

fn lock_tokens(request: &Request) -> Result<Vec<Uuid>, Failed> {
    let Some(Value::Array(Array(tokens)) | Value::List(tokens)) = request.argument("lock-tokens")
    else {
        return Err(invalid("lock-tokens is not an array"));
    };
    tokens
        .iter()
        .map(|token| match token {
            Value::Uuid(token) => Ok(Uuid::from_bytes(*token.as_inner())),
            _ => Err(invalid("a lock token is not a uuid")),
        })
        .collect()
}

fn number(request: &Request, name: &str) -> Result<i64, Failed> {
    match request.argument(name) {
        Some(Value::Long(number)) => Ok(*number),
        Some(Value::Int(number)) => Ok(i64::from(*number)),
        _ => Err(invalid(&format!("{name} is not a number"))),
    }
}

fn invalid(what: &str) -> Failed {
    Failed(400, Refusal::new("amqp:invalid-field", what))
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.map(|(name, value)| (Value::from(name), value));
    Value::Map(OrderedMap::from_iter(entries))
}
