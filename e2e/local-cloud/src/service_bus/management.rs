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
    queue::{LockLost, reason},
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

/// Why an operation was not done: status and, in `errorCondition`, the refusal.
struct Failed(i32, Refusal);

async fn answer(bus: &ServiceBus, port: &Port, entry: &Entry, delivery: Incoming) {
    let state = match Request::parse(&delivery.payload) {
        Ok(request) => {
            let operation = request.text("operation").unwrap_or_default();
            let done = match operation {
                "com.microsoft:renew-lock" => renew_locks(bus, entry, &request).await,
                "com.microsoft:peek-message" => peek(bus, entry, &request).await,
                "com.microsoft:update-disposition" => {
                    update_disposition(bus, entry, &request).await
                }
                other => Err(Failed(
                    501,
                    Refusal::not_implemented(&format!("management operation {other:?}")),
                )),
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

fn as_answer(done: Result<Option<Value>, Failed>) -> Answer {
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
        application_properties.push(("errorCondition", codec::symbol(condition)));
    }
    Answer {
        application_properties,
        body,
    }
}

async fn renew_locks(
    bus: &ServiceBus,
    entry: &Entry,
    request: &Request,
) -> Result<Option<Value>, Failed> {
    let tokens = lock_tokens(request)?;
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

async fn peek(bus: &ServiceBus, entry: &Entry, request: &Request) -> Result<Option<Value>, Failed> {
    let from = number(request, "from-sequence-number")?;
    let count = usize::try_from(number(request, "message-count")?)
        .map_err(|_| invalid("message-count is negative"))?;
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
    if messages.is_empty() {
        return Ok(None);
    }
    Ok(Some(map([("messages", Value::List(messages))])))
}

async fn update_disposition(
    bus: &ServiceBus,
    entry: &Entry,
    request: &Request,
) -> Result<Option<Value>, Failed> {
    let tokens = lock_tokens(request)?;
    let text = |name| request.argument(name).and_then(codec::text);
    let changes = match request.argument("properties-to-modify") {
        Some(Value::Map(changes)) => changes.clone(),
        _ => Map::new(),
    };
    let status = text("disposition-status").unwrap_or_default();
    let outcome = match status {
        "completed" => Outcome::Complete,
        "abandoned" => Outcome::Abandon(changes),
        "defered" => Outcome::Defer,
        "suspended" => {
            let mut changes = changes;
            let why = reason(text("deadletter-reason"), text("deadletter-description"));
            for (name, value) in &why {
                changes.insert(name.clone(), value.clone());
            }
            Outcome::DeadLetter(changes)
        }
        other => {
            let what = format!("disposition-status {other:?}");
            return Err(Failed(501, Refusal::not_implemented(&what)));
        }
    };
    for token in tokens {
        settle(bus, entry, token, &outcome)
            .await
            .map_err(|refusal| {
                let status = match refusal.condition {
                    "com.microsoft:message-lock-lost" => 410,
                    _ => 501,
                };
                Failed(status, refusal)
            })?;
    }
    Ok(Some(Value::Map(OrderedMap::new())))
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
