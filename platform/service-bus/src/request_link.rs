//! Request and response over a pair of links to one node (`$cbs`, `<entity>/$management`), as the
//! *AMQP Management* draft has it. One request at a time.

use fe2o3_amqp::{Receiver, Sender, link::receiver::CreditMode, session::SessionHandle};
use fe2o3_amqp_types::{
    definitions::ReceiverSettleMode,
    messaging::{
        AmqpValue, ApplicationProperties, Body, Message, MessageId, Properties, Source, Target,
    },
    primitives::{SimpleValue, Value},
};
use uuid::Uuid;

use crate::{ServiceBusErrorKind, connection::Connection, engine_errors::accepted};

pub(crate) struct RequestLink {
    sender: Sender,
    receiver: Receiver,
    reply_to: String,
    last_id: u64,
}

/// What the node answered.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: i32,
    pub(crate) description: String,
    pub(crate) error_condition: Option<String>,
    pub(crate) body: Value,
}

impl RequestLink {
    pub(crate) async fn attach(
        session: &mut SessionHandle<()>,
        node: &str,
    ) -> Result<Self, ServiceBusErrorKind> {
        let reply_to = format!("service-bus-{}", Uuid::new_v4());
        let sender = Sender::builder()
            .name(format!("{reply_to}-requests"))
            .source(reply_to.as_str())
            .target(node)
            .attach(session)
            .await?;
        let receiver = Receiver::builder()
            .name(reply_to.as_str())
            .source(Source::from(node))
            .target(Target::from(reply_to.as_str()))
            .receiver_settle_mode(ReceiverSettleMode::First)
            .credit_mode(CreditMode::Auto(50))
            .auto_accept(true)
            .attach(session)
            .await?;
        Ok(Self {
            sender,
            receiver,
            reply_to,
            last_id: 0,
        })
    }

    pub(crate) async fn close(self) -> Result<(), ServiceBusErrorKind> {
        self.sender.close().await?;
        Ok(self.receiver.close().await?)
    }

    /// Sends one request and waits for its response, without a limit of its own.
    ///
    /// Cancel safety: a dropped request may still be carried out; its response is skipped by the
    /// next request.
    pub(crate) async fn request(
        &mut self,
        properties: ApplicationProperties,
        body: Value,
    ) -> Result<Response, ServiceBusErrorKind> {
        self.last_id += 1;
        let id = MessageId::Ulong(self.last_id);
        let message = Message::builder()
            .properties(
                Properties::builder()
                    .message_id(id.clone())
                    .reply_to(self.reply_to.as_str())
                    .build(),
            )
            .application_properties(properties)
            .body(AmqpValue(body))
            .build();

        let outcome = self.sender.send_batchable(message).await?;
        tokio::pin!(outcome);
        let mut is_settled = false;
        loop {
            tokio::select! {
                outcome = &mut outcome, if !is_settled => {
                    accepted(outcome?)?;
                    is_settled = true;
                }
                delivery = self.receiver.recv::<Body<Value>>() => {
                    let message = delivery?.into_message();
                    let answers = message
                        .properties
                        .as_ref()
                        .and_then(|properties| properties.correlation_id.as_ref());
                    if answers == Some(&id) {
                        return Response::read(message);
                    }
                }
            }
        }
    }
}

impl Response {
    fn read(message: Message<Body<Value>>) -> Result<Self, ServiceBusErrorKind> {
        let properties = message.application_properties.unwrap_or_default();
        // CBS and management spell the same keys differently.
        let get = |keys: [&str; 2]| keys.into_iter().find_map(|key| properties.get(key));
        let text = |keys| match get(keys) {
            Some(SimpleValue::String(text)) => Some(text.clone()),
            Some(SimpleValue::Symbol(symbol)) => Some(symbol.as_str().to_owned()),
            _ => None,
        };

        let status = match get(["status-code", "statusCode"]) {
            Some(SimpleValue::Int(status)) => Some(*status),
            Some(SimpleValue::Uint(status)) => i32::try_from(*status).ok(),
            Some(SimpleValue::Long(status)) => i32::try_from(*status).ok(),
            Some(SimpleValue::Ushort(status)) => Some(i32::from(*status)),
            _ => None,
        };
        let status = status.ok_or_else(|| ServiceBusErrorKind::Amqp {
            condition: "amqp:decode-error".to_owned(),
            description: "the response has no status code".to_owned(),
        })?;
        let description = text(["status-description", "statusDescription"]).unwrap_or_default();
        let error_condition = text(["error-condition", "errorCondition"]);
        let body = match message.body {
            Body::Value(AmqpValue(value)) => value,
            _ => Value::Null,
        };

        Ok(Self {
            status,
            description,
            error_condition,
            body,
        })
    }
}

/// Application properties of a request.
pub(crate) fn properties<'a>(
    entries: impl IntoIterator<Item = (&'a str, SimpleValue)>,
) -> ApplicationProperties {
    let mut properties = ApplicationProperties::default();
    for (key, value) in entries {
        properties.insert(key.to_owned(), value);
    }
    properties
}

/// Opens a request link in a session of its own, which has to outlive it.
pub(crate) async fn open(
    connection: &Connection,
    node: &str,
) -> Result<(RequestLink, SessionHandle<()>), ServiceBusErrorKind> {
    let mut session = connection.begin_session().await?;
    let requests = RequestLink::attach(&mut session, node).await?;
    Ok((requests, session))
}

#[cfg(test)]
mod tests {
    use fe2o3_amqp_types::primitives::Symbol;

    use super::*;

    fn response<const N: usize>(
        entries: [(&str, SimpleValue); N],
    ) -> Result<Response, ServiceBusErrorKind> {
        Response::read(
            Message::builder()
                .application_properties(properties(entries))
                .body(Body::<Value>::Empty)
                .build(),
        )
    }

    #[test]
    fn both_spellings_of_a_status_are_understood() {
        let cbs = response([
            ("status-code", SimpleValue::Int(401)),
            ("status-description", SimpleValue::from("InvalidSignature")),
        ])
        .unwrap();
        let management = response([
            ("statusCode", SimpleValue::Int(410)),
            ("statusDescription", SimpleValue::from("gone")),
            (
                "errorCondition",
                SimpleValue::Symbol(Symbol::from("com.microsoft:message-lock-lost")),
            ),
        ])
        .unwrap();

        assert_eq!(
            (cbs.status, cbs.description.as_str()),
            (401, "InvalidSignature")
        );
        assert_eq!(
            (management.status, management.description.as_str()),
            (410, "gone")
        );
        assert_eq!(
            management.error_condition.as_deref(),
            Some("com.microsoft:message-lock-lost")
        );
    }

    #[test]
    fn a_response_without_a_status_is_no_success() {
        let error = response([]).unwrap_err();

        assert_eq!(
            error.to_string(),
            "amqp:decode-error: the response has no status code"
        );
    }
}
