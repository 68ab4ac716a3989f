//! Settling a message, renewing its lock and peeking through the entity's node `$management`.
//!
//! On the link itself a settlement is a frame to which the AMQP engine shows no answer, so a lost
//! lock would look like success; here the broker answers 200, or 410 with
//! `com.microsoft:message-lock-lost`.
//!
//! Vendor's page: *AMQP request/response-based operations*, read 2026-11.

use std::sync::Arc;

use fe2o3_amqp_types::primitives::{Array, OrderedMap, SimpleValue, Value};
use time::OffsetDateTime;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use crate::{
    ServiceBusErrorKind, ServiceBusReceivedMessage,
    address::Entity,
    client::Shared,
    link::{self, Opened},
    message::instant_of,
    request_link::{self, RequestLink, Response},
    retry::{Failure, Retry},
};

/// What becomes of a message.
pub(crate) enum Disposition<'a> {
    Completed,
    Abandoned,
    DeadLettered {
        reason: &'a str,
        description: &'a str,
    },
}

/// The management node of one entity; its link is opened by the first request.
pub(crate) struct Management {
    shared: Arc<Shared>,
    entity: Entity,
    link: Mutex<Option<Opened<RequestLink>>>,
}

impl Management {
    pub(crate) fn new(shared: Arc<Shared>, entity: &Entity) -> Self {
        Self {
            shared,
            entity: entity.management(),
            link: Mutex::default(),
        }
    }

    pub(crate) async fn update_disposition(
        &self,
        link_name: &str,
        lock_token: Uuid,
        disposition: &Disposition<'_>,
    ) -> Result<(), ServiceBusErrorKind> {
        let body = disposition_body(lock_token, disposition);
        self.call("com.microsoft:update-disposition", Some(link_name), &body)
            .await?;
        Ok(())
    }

    /// Until when the message is locked now.
    pub(crate) async fn renew_lock(
        &self,
        link_name: &str,
        lock_token: Uuid,
    ) -> Result<OffsetDateTime, ServiceBusErrorKind> {
        let body = map([("lock-tokens", lock_tokens(lock_token))]);
        let response = self
            .call("com.microsoft:renew-lock", Some(link_name), &body)
            .await?;
        expiration_in(&response.body).ok_or_else(|| ServiceBusErrorKind::Amqp {
            condition: "amqp:decode-error".to_owned(),
            description: "the response names no expiration".to_owned(),
        })
    }

    /// Messages from a sequence number on, without locking them.
    pub(crate) async fn peek(
        &self,
        max_messages: u32,
        from_sequence_number: i64,
    ) -> Result<Vec<ServiceBusReceivedMessage>, ServiceBusErrorKind> {
        let count = i32::try_from(max_messages).unwrap_or(i32::MAX);
        let body = map([
            ("from-sequence-number", Value::Long(from_sequence_number)),
            ("message-count", Value::Int(count)),
        ]);
        let response = self.call("com.microsoft:peek-message", None, &body).await?;
        messages_in(&response.body)
    }

    pub(crate) async fn close(&self) {
        let opened = self.link.lock().await.take();
        if let Some(opened) = opened {
            let outcome = opened.close(self.shared.options.try_timeout).await;
            tracing::debug!(
                entity = self.entity.path(),
                ?outcome,
                "closed a management link"
            );
        }
    }

    async fn call(
        &self,
        operation: &'static str,
        link_name: Option<&str>,
        body: &Value,
    ) -> Result<Response, ServiceBusErrorKind> {
        let mut retry = Retry::new(&self.shared.options);
        loop {
            // Opening a link takes many steps, and few requests have to.
            match Box::pin(self.attempt(operation, link_name, body, &retry)).await {
                Ok(response) => return Ok(response),
                Err(failure) => retry.or_give_up(failure).await?,
            }
        }
    }

    async fn attempt(
        &self,
        operation: &'static str,
        link_name: Option<&str>,
        body: &Value,
        retry: &Retry<'_>,
    ) -> Result<Response, Failure> {
        let limit = retry.limit();
        let deadline = Instant::now() + limit;
        let timed_out = |_| ServiceBusErrorKind::Timeout { after: limit };

        let mut slot = timeout_at(deadline, self.link.lock())
            .await
            .map_err(timed_out)?;
        let is_fresh = slot.is_none();
        if is_fresh {
            *slot = Some(link::open(&self.shared, &self.entity, limit).await?);
        }
        let opened = slot.as_mut().expect("it was opened above");

        let operation = [("operation", SimpleValue::from(operation))];
        let link = link_name.map(|name| ("associated-link-name", SimpleValue::from(name)));
        let properties = request_link::properties(operation.into_iter().chain(link));
        let request = opened.link.request(properties, body.clone());
        let answer = timeout_at(deadline, request)
            .await
            .unwrap_or_else(|elapsed| Err(timed_out(elapsed)));
        match answer {
            Ok(response) => Ok(verdict(response)?),
            Err(kind) => {
                if let Some(opened) = slot.take() {
                    opened.give_up(&self.shared, &kind).await;
                }
                Err(Failure::of_link(kind, is_fresh))
            }
        }
    }
}

fn verdict(response: Response) -> Result<Response, ServiceBusErrorKind> {
    let Response {
        status,
        description,
        error_condition,
        body,
    } = response;
    match (status, error_condition) {
        (200 | 202 | 204, _) => Ok(Response {
            status,
            description,
            error_condition: None,
            body,
        }),
        (_, Some(condition)) => Err(ServiceBusErrorKind::from_condition(&condition, description)),
        (401 | 403, None) => Err(ServiceBusErrorKind::from_condition(
            "amqp:unauthorized-access",
            description,
        )),
        (404, None) => Err(ServiceBusErrorKind::MessagingEntityNotFound { description }),
        (410, None) => Err(ServiceBusErrorKind::MessageLockLost { description }),
        (500.., None) => Err(ServiceBusErrorKind::ServerBusy { description }),
        (_, None) => Err(ServiceBusErrorKind::Amqp {
            condition: format!("status {status}"),
            description,
        }),
    }
}

fn disposition_body(lock_token: Uuid, disposition: &Disposition<'_>) -> Value {
    let tokens = ("lock-tokens", lock_tokens(lock_token));
    match disposition {
        Disposition::Completed => map([("disposition-status", Value::from("completed")), tokens]),
        Disposition::Abandoned => map([("disposition-status", Value::from("abandoned")), tokens]),
        Disposition::DeadLettered {
            reason,
            description,
        } => map([
            ("disposition-status", Value::from("suspended")),
            tokens,
            ("deadletter-reason", Value::from(*reason)),
            ("deadletter-description", Value::from(*description)),
        ]),
    }
}

fn lock_tokens(lock_token: Uuid) -> Value {
    Value::Array(Array(vec![Value::Uuid(lock_token.into())]))
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let mut map = OrderedMap::new();
    for (key, value) in entries {
        map.insert(Value::from(key), value);
    }
    Value::Map(map)
}

fn expiration_in(body: &Value) -> Option<OffsetDateTime> {
    let Value::Map(map) = body else {
        return None;
    };
    let first = match map.get(&Value::from("expirations"))? {
        Value::Array(expirations) => expirations.0.first(),
        Value::List(expirations) => expirations.first(),
        _ => None,
    };
    match first? {
        Value::Timestamp(at) => Some(instant_of(at.milliseconds())),
        _ => None,
    }
}

/// Empty also when the broker answers 204, without a body.
fn messages_in(body: &Value) -> Result<Vec<ServiceBusReceivedMessage>, ServiceBusErrorKind> {
    let Value::Map(map) = body else {
        return Ok(Vec::new());
    };
    let messages = match map.get(&Value::from("messages")) {
        Some(Value::List(messages) | Value::Array(Array(messages))) => messages.as_slice(),
        _ => &[],
    };
    messages
        .iter()
        .filter_map(|message| match message {
            Value::Map(message) => message.get(&Value::from("message")),
            _ => None,
        })
        .filter_map(|message| match message {
            Value::Binary(encoded) => Some(ServiceBusReceivedMessage::from_peeked(encoded)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Uuid = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);

    fn answered(status: i32, error_condition: Option<&str>) -> ServiceBusErrorKind {
        verdict(Response {
            status,
            description: "why".to_owned(),
            error_condition: error_condition.map(str::to_owned),
            body: Value::Null,
        })
        .unwrap_err()
    }

    #[test]
    fn a_lost_lock_is_seen_with_and_without_its_condition() {
        for condition in [None, Some("com.microsoft:message-lock-lost")] {
            let kind = answered(410, condition);

            assert_eq!(kind.to_string(), "com.microsoft:message-lock-lost: why");
        }
    }

    #[test]
    fn other_statuses_become_their_kinds() {
        assert_eq!(answered(404, None).to_string(), "amqp:not-found: why");
        assert_eq!(answered(400, None).to_string(), "status 400: why");
        assert!(answered(503, None).is_transient());
        assert!(!answered(401, None).is_transient());
    }

    #[test]
    fn a_lock_token_is_sent_in_network_order() {
        let encoded = serde_amqp::to_vec(&lock_tokens(TOKEN)).unwrap();

        assert!(encoded.ends_with(TOKEN.as_bytes()), "{encoded:02x?}");
    }

    #[test]
    fn dead_lettering_carries_reason_and_description() {
        let body = disposition_body(
            TOKEN,
            &Disposition::DeadLettered {
                reason: "invalid",
                description: "no such list",
            },
        );

        let Value::Map(map) = body else {
            panic!("{body:?}");
        };
        let get = |key: &str| map.get(&Value::from(key)).cloned();
        assert_eq!(get("disposition-status"), Some(Value::from("suspended")));
        assert_eq!(get("deadletter-reason"), Some(Value::from("invalid")));
        assert_eq!(
            get("deadletter-description"),
            Some(Value::from("no such list"))
        );
    }

    #[test]
    fn a_peek_that_finds_nothing_has_no_body() {
        assert!(messages_in(&Value::Null).unwrap().is_empty());
        let malformed = map([("message", Value::Binary(vec![1, 2, 3].into()))]);

        let found = messages_in(&map([("messages", Value::List(vec![malformed]))]));

        let kind = found.unwrap_err();
        assert!(
            kind.to_string().starts_with("amqp:decode-error: "),
            "{kind}"
        );
    }

    #[test]
    fn the_expiration_of_a_renewed_lock_is_read() {
        let expirations = Value::Array(Array(vec![Value::Timestamp(1_700_000_000_000.into())]));

        let expiration = expiration_in(&map([("expirations", expirations)]));

        assert_eq!(expiration.unwrap().unix_timestamp(), 1_700_000_000);
        assert_eq!(expiration_in(&Value::Null), None);
    }
}
