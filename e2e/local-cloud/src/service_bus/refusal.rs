//! What Service Bus says when it refuses: AMQP conditions and texts.
//!
//! Sources: the messages that users quote in issues of the Azure SDKs
//! (azure-sdk-for-net#44734 and others) and *Service Bus messaging exceptions*.
//! Texts marked "assumed" follow their pattern but were not found quoted.

use std::borrow::Cow;

use time::{OffsetDateTime, macros::format_description};
use uuid::Uuid;

/// An AMQP error: a condition and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) condition: Cow<'static, str>,
    pub(super) description: String,
}

impl Refusal {
    pub(super) fn new(
        condition: impl Into<Cow<'static, str>>,
        description: impl Into<String>,
    ) -> Self {
        Self {
            condition: condition.into(),
            description: description.into(),
        }
    }

    /// No role grants `claim` (`Send` or `Listen`) on the entity, or no token
    /// was put for it on this connection.
    pub(super) fn unauthorized(
        claim: &str,
        namespace_host: &str,
        entity: &str,
        now: OffsetDateTime,
    ) -> Self {
        Self::new(
            "amqp:unauthorized-access",
            format!(
                "Unauthorized access. '{claim}' claim(s) are required to perform this operation. \
                 Resource: 'sb://{namespace_host}/{entity}'. {}",
                tracking(now)
            ),
        )
    }

    /// The token that the link stood on has expired.
    pub(super) fn expired_token(now: OffsetDateTime) -> Self {
        Self::new(
            "amqp:unauthorized-access",
            format!("ExpiredToken: The token is expired. {}", tracking(now)),
        )
    }

    /// The entity does not exist. The official JavaScript client matches this
    /// text with a regular expression (observed).
    pub(super) fn not_found(namespace_host: &str, entity: &str, now: OffsetDateTime) -> Self {
        Self::new(
            "amqp:not-found",
            format!(
                "The messaging entity 'sb://{namespace_host}/{entity}' could not be found. {}",
                tracking(now)
            ),
        )
    }

    pub(super) fn message_size_exceeded(delivery_id: u32, size: usize, limit: u64) -> Self {
        Self::new(
            "amqp:link:message-size-exceeded",
            format!(
                "The received message (delivery-id:{delivery_id}, size:{size} bytes) exceeds the \
                 limit ({limit} bytes) currently allowed on the link."
            ),
        )
    }

    pub(super) fn lock_lost(now: OffsetDateTime) -> Self {
        Self::new(
            "com.microsoft:message-lock-lost",
            format!(
                "The lock supplied is invalid. Either the lock expired, or the message has \
                 already been removed from the queue. {}",
                tracking(now)
            ),
        )
    }

    /// Something that the local cloud does not play. Azure has no such answer:
    /// it says what is missing here instead of guessing.
    pub(super) fn not_implemented(what: &str) -> Self {
        Self::new(
            "amqp:not-implemented",
            format!("local cloud, not Azure: {what} is not implemented"),
        )
    }

    pub(super) fn decode(what: &str) -> Self {
        Self::new("amqp:decode-error", what)
    }

    pub(super) fn not_allowed(what: impl Into<String>) -> Self {
        Self::new("amqp:not-allowed", what)
    }

    pub(super) fn limit(what: impl Into<String>) -> Self {
        Self::new("amqp:resource-limit-exceeded", what)
    }
}

/// `TrackingId:{32 hex}_G22, SystemTracker:gateway10, Timestamp:2024-12-12T10:26:39`
pub(super) fn tracking(now: OffsetDateTime) -> String {
    format!(
        "TrackingId:{}_G22, SystemTracker:gateway10, Timestamp:{}",
        Uuid::new_v4().simple(),
        to_the_second(now)
    )
}

/// `2024-12-12T10:26:39`
pub(super) fn to_the_second(at: OffsetDateTime) -> String {
    at.format(format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second]"
    ))
    .expect("every date can be written in this format")
}
