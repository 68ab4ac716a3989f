//! `$cbs`: takes tokens for entities, for the connection that they are put on.
//!
//! Follows *AMQP Claims-Based Security 1.0* (working draft) and Microsoft Learn,
//! *AMQP 1.0 in Service Bus: protocol guide*. The texts are quoted in issues of
//! the Azure SDKs, except those marked "assumed".

use serde_amqp::Value;
use time::OffsetDateTime;

use super::{
    ServiceBus, address,
    link::{Incoming, Input, Output, Port},
    refusal::to_the_second,
    request::{Answer, Request},
};
use crate::gate::{Audience, Caller, TokenRefusal};

pub(super) async fn run(bus: &ServiceBus, mut port: Port) {
    while let Some(input) = port.inbox.recv().await {
        if let Input::Delivery(delivery) = input {
            answer(bus, &port, delivery).await;
        }
    }
}

async fn answer(bus: &ServiceBus, port: &Port, delivery: Incoming) {
    let state = match Request::parse(&delivery.payload) {
        Ok(request) => {
            let outcome = put_token(bus, &request);
            let (status, description) = match outcome {
                Ok((path, caller)) => {
                    port.emit(Output::Claimed { path, caller }).await;
                    (202, "Accepted".to_owned())
                }
                Err(refused) => refused,
            };
            let reply_to = request.reply_to.clone();
            let payload = request.answer(Answer {
                application_properties: vec![
                    ("status-code", Value::Int(status)),
                    ("status-description", Value::String(description)),
                ],
                body: Value::Null,
            });
            port.emit(Output::Reply { reply_to, payload }).await;
            super::outcome::accepted()
        }
        Err(malformed) => super::outcome::rejected(&super::refusal::Refusal::decode(&malformed.0)),
    };
    let output = Output::Processed {
        delivery_id: delivery.delivery_id,
        state: (!delivery.settled).then_some(state),
    };
    port.emit(output).await;
}

/// The audience's path and the caller, or status and description of a refusal.
fn put_token(bus: &ServiceBus, request: &Request) -> Result<(String, Caller), (i32, String)> {
    let now = bus.clock.now();
    let operation = request.text("operation").unwrap_or_default();
    if operation != "put-token" {
        let text =
            format!("local cloud, not Azure: $cbs operation {operation:?} is not implemented");
        return Err((501, text));
    }
    let kind = request.text("type").unwrap_or_default();
    #[cfg(test)]
    if let Some(keyholder) = &bus.stand_in {
        return keyholder.put_token(bus, request);
    }
    if kind.eq_ignore_ascii_case("servicebus.windows.net:sastoken") {
        bus.audit_as_missing();
        let text = "LocalAuthDisabled: Authorization failed because SAS authentication has been \
                    disabled for the namespace.";
        return Err((401, tracked(text, now)));
    }
    if kind != "jwt" {
        let text = format!("local cloud, not Azure: token type {kind:?} is not implemented");
        return Err((501, text));
    }
    let (host, path) = request
        .text("name")
        .and_then(address::audience)
        .ok_or_else(|| (400, tracked("The audience of the token is missing.", now)))?;
    if !bus.answers_to(host) {
        // Assumed: what Azure says to another namespace's name is not known.
        return Err((404, tracked("The audience is not in this namespace.", now)));
    }
    let token = match &request.body {
        Value::String(token) => Some(token.as_str()),
        Value::Binary(token) => std::str::from_utf8(token).ok(),
        _ => None,
    };
    let audience = Audience::service_bus(&bus.namespace_host);
    match bus.gate.authenticate(token, &audience) {
        Ok(caller) => Ok((path, caller)),
        Err(refusal) => Err((401, tracked(text_of(&refusal), now))),
    }
}

fn text_of(refusal: &TokenRefusal) -> &'static str {
    match refusal {
        TokenRefusal::Audience { .. } => {
            "InvalidAudience: The authorization header contains a token with a wrong audience."
        }
        TokenRefusal::Issuer { .. } => "InvalidIssuer: Token issuer is invalid.",
        TokenRefusal::Expired => "ExpiredToken: The token is expired.",
        TokenRefusal::Signature | TokenRefusal::UnknownKey | TokenRefusal::Algorithm(_) => {
            "InvalidSignature: The token has an invalid signature."
        }
        // Assumed, all four.
        TokenRefusal::Missing | TokenRefusal::Malformed(_) => {
            "MalformedToken: The token is missing or cannot be read."
        }
        TokenRefusal::NotYetValid => "InvalidToken: The token is not yet valid.",
        TokenRefusal::UnknownPrincipal => "InvalidToken: The token's principal is not known.",
    }
}

fn tracked(text: &str, now: OffsetDateTime) -> String {
    format!(
        "{text} TrackingId:{}, SystemTracker:NoSystemTracker, Timestamp:{}",
        uuid::Uuid::new_v4(),
        to_the_second(now)
    )
}
