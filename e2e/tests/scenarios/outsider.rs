//! A program beside the pods that holds an identity's token and speaks AMQP with
//! a client that is not ours: to put something into a queue that the workload
//! would never put there, and to see what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use e2e::stack::Stack;
use fe2o3_amqp::connection::{Connection, ConnectionHandle};
use fe2o3_amqp::link::{Receiver, Sender};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::{Session, SessionHandle};
use fe2o3_amqp::types::messaging::{ApplicationProperties, Body, Message, MessageId, Properties};
use fe2o3_amqp::types::primitives::{SimpleValue, Value};
use local_cloud::EXCHANGE_AUDIENCE;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::api::token_of;

const NAMESPACE: &str = "localbus.servicebus.windows.net";

/// Someone who holds an identity's Service Bus token.
pub(crate) struct Outsider {
    token: String,
    amqp: String,
    tls: TlsConnector,
}

/// A dead-lettered message.
pub(crate) struct DeadLetter {
    pub(crate) body: Vec<u8>,
    pub(crate) reason: String,
    pub(crate) description: String,
}

/// An HTTP client for what the cloud plays under real host names.
pub(crate) fn http(stack: &Stack) -> reqwest::Client {
    let ca = std::fs::read(stack.cloud_state().join("ca.pem")).expect("ca.pem");
    let ca = reqwest::Certificate::from_pem(&ca).expect("a certificate");
    let proxy = reqwest::Proxy::https(&stack.endpoints().proxy).expect("a proxy");
    let client = reqwest::Client::builder().tls_certs_only([ca]).proxy(proxy);
    client.build().expect("a client")
}

/// Exchanges a service-account token of the identity for an access token.
pub(crate) async fn access_token(stack: &Stack, identity: &str, scope: &str) -> String {
    let request = token_of(identity, EXCHANGE_AUDIENCE);
    let assertion = stack.control().sign_token(&request).await.expect("signed");
    let client_id = local_cloud::names::client_id(identity).to_string();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &client_id),
        ("scope", scope),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", &assertion),
    ];
    let tenant = &stack.endpoints().tenant_id;
    let url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
    let answer = http(stack).post(url).form(&form).send().await;
    let answer: serde_json::Value = answer.expect("an answer").json().await.expect("JSON");
    answer["access_token"].as_str().expect("a token").to_owned()
}

impl Outsider {
    /// Exchanges a service-account token of the identity for a Service Bus token.
    pub(crate) async fn as_identity(stack: &Stack, identity: &str) -> Self {
        let scope = "https://servicebus.azure.net/.default";
        let ca = std::fs::read(stack.cloud_state().join("ca.pem")).expect("ca.pem");
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&ca).expect("PEM"))
            .expect("a certificate");
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            token: access_token(stack, identity, scope).await,
            amqp: stack.endpoints().amqp[NAMESPACE].clone(),
            tls: TlsConnector::from(Arc::new(tls)),
        }
    }

    /// Sends a message.
    pub(crate) async fn send(&self, queue: &str, message_id: &str, body: &[u8]) {
        let message = (message_id.to_owned(), body.to_owned());
        self.send_all(queue, &[message]).await;
    }

    /// Sends messages, each an id and a body, over one link.
    pub(crate) async fn send_all(&self, queue: &str, messages: &[(String, Vec<u8>)]) {
        let (mut connection, mut session) = self.connect(queue).await;
        let mut sender = Sender::attach(&mut session, "outsider", queue)
            .await
            .expect("attached");
        for (message_id, body) in messages {
            let message = Message::builder()
                .properties(Properties {
                    message_id: Some(MessageId::from(message_id.clone())),
                    ..Properties::default()
                })
                .data(body.clone())
                .build();
            let outcome = sender.send(message).await.expect("sent");
            outcome.accepted_or("refused").expect("accepted");
        }
        sender.close().await.expect("closed");
        session.end().await.expect("ended");
        connection.close().await.expect("closed");
    }

    /// Waits for the next message in a queue's dead-letter sub-queue, and takes it.
    pub(crate) async fn receive_dead_letter(&self, queue: &str) -> DeadLetter {
        let (mut connection, mut session) = self.connect(queue).await;
        let address = format!("{queue}/$DeadLetterQueue");
        let mut receiver = Receiver::attach(&mut session, "outsider", address)
            .await
            .expect("attached");
        let delivery =
            tokio::time::timeout(Duration::from_secs(30), receiver.recv::<Body<Value>>())
                .await
                .expect("something is dead-lettered")
                .expect("received");
        let message = delivery.message();
        let property = |name: &str| {
            let value = message
                .application_properties
                .as_ref()
                .and_then(|properties| properties.0.get(name));
            match value {
                Some(SimpleValue::String(text)) => text.clone(),
                other => panic!("{name} is {other:?}"),
            }
        };
        let Body::Data(data) = &message.body else {
            panic!("the body is {:?}", message.body);
        };
        let dead = DeadLetter {
            body: data.iter().flat_map(|part| part.0.to_vec()).collect(),
            reason: property("DeadLetterReason"),
            description: property("DeadLetterErrorDescription"),
        };
        receiver.accept(&delivery).await.expect("completed");
        receiver.close().await.expect("closed");
        session.end().await.expect("ended");
        connection.close().await.expect("closed");
        dead
    }

    /// Connects, and puts the token for a queue.
    async fn connect(&self, queue: &str) -> (ConnectionHandle<()>, SessionHandle<()>) {
        let tcp = tokio::net::TcpStream::connect(&self.amqp)
            .await
            .expect("the bus listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = self.tls.connect(name, tcp).await.expect("TLS");
        let mut connection = Connection::builder()
            .container_id("outsider")
            .hostname(NAMESPACE)
            .sasl_profile(SaslProfile::Anonymous)
            .open_with_stream(tls)
            .await
            .expect("opened");
        let mut session = Session::begin(&mut connection).await.expect("begun");
        let mut replies = Receiver::attach(&mut session, "cbs-replies", "$cbs")
            .await
            .expect("attached");
        let mut requests = Sender::attach(&mut session, "cbs-requests", "$cbs")
            .await
            .expect("attached");
        let put = Message::builder()
            .properties(Properties {
                message_id: Some(MessageId::from(1_u64)),
                reply_to: Some("cbs-replies".to_owned()),
                ..Properties::default()
            })
            .application_properties(
                ApplicationProperties::builder()
                    .insert("operation", "put-token")
                    .insert("type", "jwt")
                    .insert("name", format!("amqps://{NAMESPACE}/{queue}"))
                    .build(),
            )
            .value(Value::String(self.token.clone()))
            .build();
        requests
            .send(put)
            .await
            .expect("sent")
            .accepted_or("refused")
            .expect("accepted");
        let reply = replies.recv::<Body<Value>>().await.expect("a reply");
        let properties = reply
            .message()
            .application_properties
            .as_ref()
            .expect("a status");
        assert_eq!(
            properties.0.get("status-code"),
            Some(&SimpleValue::Int(202))
        );
        replies.accept(&reply).await.expect("settled");
        (connection, session)
    }
}
