//! The relay against a server of another make, fe2o3-amqp's, so that a mistake which
//! our own client and our own plane share is seen.

use std::sync::Arc;

use fe2o3_amqp::{
    Receiver, Sender,
    acceptor::{
        ConnectionAcceptor, LinkAcceptor, LinkEndpoint, ListenerConnectionHandle,
        SaslAnonymousMechanism, SessionAcceptor,
    },
    types::messaging::{
        AmqpValue, ApplicationProperties, Body, Message, Outcome, message::__private::Serializable,
    },
};
use serde_amqp::Value;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::client::*;
use crate::{
    clock::Clock,
    service_bus::{
        message::Plain,
        outcome,
        relay::{Heard, Relay},
    },
};

/// The texts that the server's only queue has.
const TEXTS: [usize; 3] = [1, 200_000, 3];

async fn server() -> (Url, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("amqp://{}", listener.local_addr().expect("bound"));
    let serving = async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let acceptor = ConnectionAcceptor::builder()
            .container_id("another make")
            .max_frame_size(4096_u32)
            .sasl_acceptor(SaslAnonymousMechanism {})
            .build();
        let connection = Box::pin(acceptor.accept(stream)).await.expect("it opens");
        sessions(connection).await;
    };
    let serving = AbortOnDropHandle::new(tokio::spawn(serving));
    (url.parse().expect("a URL"), serving)
}

async fn sessions(mut connection: ListenerConnectionHandle) {
    while let Ok(mut session) = SessionAcceptor::new().accept(&mut connection).await {
        tokio::spawn(async move {
            let acceptor = LinkAcceptor::new();
            match acceptor.accept(&mut session).await.expect("a link") {
                LinkEndpoint::Sender(sender) => deliver(sender).await,
                LinkEndpoint::Receiver(mut receiver) => {
                    let target = receiver.target().as_ref().expect("it has one");
                    if target.address.as_deref() == Some("$cbs") {
                        let LinkEndpoint::Sender(answers) =
                            acceptor.accept(&mut session).await.expect("a link")
                        else {
                            panic!("answers go out");
                        };
                        answer(receiver, answers).await;
                    } else {
                        loop {
                            let delivery = receiver.recv::<Body<Value>>().await.expect("one");
                            receiver.accept(&delivery).await.expect("it is there");
                        }
                    }
                }
            }
            session.on_end().await.expect("the client ends it");
        });
    }
}

async fn answer(mut requests: Receiver, mut answers: Sender) {
    let request = requests.recv::<Body<Value>>().await.expect("a request");
    requests.accept(&request).await.expect("it is there");
    let status = ApplicationProperties::builder()
        .insert("status-code", 202)
        .insert("status-description", "Accepted")
        .build();
    let answer = Message::builder()
        .application_properties(status)
        .body(AmqpValue(Value::Null))
        .build();
    answers.send(answer).await.expect("there is credit");
    // The links end with the session.
    std::future::pending::<()>().await;
}

async fn deliver(mut sender: Sender) {
    for length in TEXTS {
        let text = "x".repeat(length);
        let sent = sender.send(message("id", &text)).await;
        assert!(matches!(sent, Ok(Outcome::Accepted(_))), "{sent:?}");
    }
    std::future::pending::<()>().await;
}

async fn relay(url: Url) -> Arc<Relay> {
    let queues = [JOBS.to_owned()];
    let connected = Relay::connect(url, queues.iter(), Clock::system());
    within("connecting", connected)
        .await
        .expect("it takes the key")
}

#[tokio::test]
async fn messages_are_sent_to_a_server_of_another_make() {
    let (url, _serving) = server().await;
    let relay = relay(url).await;
    let sending = relay.sender(JOBS, "sender", (None, None));
    let mut link = within("a link", sending).await.expect("it opens");

    for length in TEXTS {
        let text = "x".repeat(length);
        let payload = serde_amqp::to_vec(&Serializable(message("id", &text))).unwrap();
        let state = within("sending", link.send(0, false, payload.into())).await;
        assert_eq!(state.expect("it is taken"), Some(outcome::accepted()));
    }
}

#[tokio::test]
async fn messages_are_received_from_a_server_of_another_make() {
    let (url, _serving) = server().await;
    let relay = relay(url).await;
    let receiving = relay.receiver(JOBS, "receiver", (Some(0), Some(0)));
    let mut link = within("a link", receiving).await.expect("it opens");

    for length in TEXTS {
        link.grant(1, false);
        let heard = loop {
            match within("a message", link.next())
                .await
                .expect("the link is open")
            {
                Heard::Delivery(delivery) => break delivery,
                Heard::Flow(_) | Heard::Settled(..) | Heard::Outcome(..) => {}
            }
        };
        let plain = Plain::parse(&heard.payload).expect("a message");
        assert_eq!(plain.body, Value::String("x".repeat(length)));
        link.settle(heard.id, true, outcome::accepted());
    }
}
