//! A connection to Service Bus that puts whatever token it is given, and shows
//! what the broker says: on fe2o3-amqp alone, without the workload's client.

use std::sync::Arc;

use fe2o3_amqp::connection::{Connection, ConnectionHandle};
use fe2o3_amqp::link::{Receiver, Sender, SenderAttachError};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::{Session, SessionHandle};
use fe2o3_amqp::types::definitions::{AmqpError, ErrorCondition};
use fe2o3_amqp::types::messaging::{
    ApplicationProperties, Body, Message, MessageId, Properties, Source, Target,
};
use fe2o3_amqp::types::primitives::{SimpleValue, Value};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

pub(crate) const NAMESPACE: &str = "localbus.servicebus.windows.net";
const REPLIES: &str = "cbs-replies";

/// An open connection with links to `$cbs`.
pub(crate) struct Bus {
    _connection: ConnectionHandle<()>,
    session: SessionHandle<()>,
    requests: Sender,
    replies: Receiver,
}

impl Bus {
    /// Opens a connection at this address of the machine's, whose certificate this
    /// CA (PEM) has issued.
    pub(crate) async fn connect(address: &str, ca: &[u8]) -> Self {
        let tcp = TcpStream::connect(address).await;
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = tls(ca).connect(name, tcp.expect("it listens")).await;
        let mut connection = Connection::builder()
            .container_id("stranger")
            .hostname(NAMESPACE)
            .sasl_profile(SaslProfile::Anonymous)
            .open_with_stream(tls.expect("TLS"))
            .await
            .expect("opened");
        let mut session = Session::begin(&mut connection).await.expect("begun");
        let requests = Sender::attach(&mut session, "cbs-requests", "$cbs").await;
        let replies = Receiver::builder()
            .name(REPLIES)
            .source(Source::from("$cbs"))
            .target(Target::from(REPLIES))
            .auto_accept(true)
            .attach(&mut session)
            .await;
        Self {
            requests: requests.expect("attached"),
            replies: replies.expect("attached"),
            session,
            _connection: connection,
        }
    }

    /// Puts a token of a type for a queue: the answer's status and description.
    pub(crate) async fn put_token(
        &mut self,
        kind: &str,
        token: &str,
        queue: &str,
    ) -> (i32, String) {
        let properties = ApplicationProperties::builder()
            .insert("operation", "put-token")
            .insert("type", kind)
            .insert("name", format!("amqps://{NAMESPACE}/{queue}"));
        let put = Message::builder()
            .properties(Properties {
                message_id: Some(MessageId::from(1_u64)),
                reply_to: Some(REPLIES.to_owned()),
                ..Properties::default()
            })
            .application_properties(properties.build())
            .value(Value::from(token))
            .build();
        let outcome = self.requests.send(put).await.expect("sent");
        outcome.accepted_or("refused").expect("accepted");
        let reply = self.replies.recv::<Body<Value>>().await.expect("a reply");
        let properties = reply.into_message().application_properties;
        let properties = properties.expect("a status");
        match (
            properties.get("status-code"),
            properties.get("status-description"),
        ) {
            (Some(SimpleValue::Int(status)), Some(SimpleValue::String(text))) => {
                (*status, text.clone())
            }
            other => panic!("the answer is {other:?}"),
        }
    }

    /// Attaches a sender: nothing, or the description of `amqp:unauthorized-access`.
    pub(crate) async fn attach_sender(&mut self, queue: &str) -> Result<(), String> {
        match Sender::attach(&mut self.session, "sender", queue).await {
            Ok(sender) => {
                sender.close().await.expect("detached");
                Ok(())
            }
            Err(SenderAttachError::RemoteClosedWithError(error)) => {
                let unauthorized = ErrorCondition::AmqpError(AmqpError::UnauthorizedAccess);
                assert_eq!(error.condition, unauthorized, "{error:?}");
                Err(error.description.expect("a description"))
            }
            Err(error) => panic!("the broker did not refuse: {error:?}"),
        }
    }
}

fn tls(ca: &[u8]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(ca).expect("PEM");
    roots.add(ca).expect("a certificate");
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
