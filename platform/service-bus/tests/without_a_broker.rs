//! What a caller sees when there is no broker, no token, or no client any more.

#![cfg(test)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    error::ErrorKind,
    time::OffsetDateTime,
};
use service_bus::{
    Direction, ServiceBusClient, ServiceBusClientOptions, ServiceBusErrorKind, ServiceBusMessage,
    ServiceBusReceiverOptions,
};
use tokio::net::TcpListener;

const TOKEN: &str = "the-access-token";

#[derive(Debug, Default)]
struct Credential {
    is_refused: bool,
    asked: AtomicUsize,
}

#[async_trait::async_trait]
impl TokenCredential for Credential {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["https://servicebus.azure.net/.default"]);
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.is_refused {
            let refusal = "AADSTS70021: No matching federated identity record found";
            return Err(azure_core::Error::with_message(
                ErrorKind::Credential,
                refusal,
            ));
        }
        let expires_on = OffsetDateTime::now_utc() + azure_core::time::Duration::hours(1);
        Ok(AccessToken::new(TOKEN, expires_on))
    }
}

/// A port of this machine that nobody listens on.
async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

fn client(credential: &Arc<Credential>, port: u16, try_timeout: Duration) -> ServiceBusClient {
    let mut options = ServiceBusClientOptions {
        custom_endpoint_address: Some(format!("127.0.0.1:{port}")),
        try_timeout,
        ..ServiceBusClientOptions::default()
    };
    options.retry.delay = Duration::from_millis(1);
    options.retry.budget = try_timeout;
    let credential = Arc::clone(credential);
    ServiceBusClient::new("localbus.servicebus.windows.net", credential, options).unwrap()
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_a_lost_connection_after_three_attempts() {
    let credential = Arc::new(Credential::default());
    let client = client(&credential, free_port().await, Duration::from_secs(5));

    let error = client
        .create_sender("todo-events")
        .send_message(&ServiceBusMessage::new("m1", "body"))
        .await
        .unwrap_err();

    assert!(
        matches!(error.kind(), ServiceBusErrorKind::Connection { .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .starts_with("cannot send to todo-events: cannot reach 127.0.0.1:"),
        "{error}"
    );
    assert_eq!(credential.asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_sender_that_cannot_be_opened_says_why() {
    let credential = Arc::new(Credential::default());
    let client = client(&credential, free_port().await, Duration::from_secs(5));

    let error = client
        .create_sender("todo-events")
        .open()
        .await
        .unwrap_err();

    assert!(
        error
            .to_string()
            .starts_with("cannot attach a sender to todo-events: cannot reach 127.0.0.1:"),
        "{error}"
    );
    assert_eq!(credential.asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_broker_that_says_nothing_costs_no_more_than_the_budget() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let credential = Arc::new(Credential::default());
    let port = silent.local_addr().unwrap().port();
    let client = client(&credential, port, Duration::from_millis(200));

    let started = Instant::now();
    let error = client
        .probe("todo-events", Direction::Send)
        .await
        .unwrap_err();

    assert!(
        matches!(error.kind(), ServiceBusErrorKind::Timeout { .. }),
        "{error}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_refused_token_exchange_is_reported_with_its_reason_and_not_retried() {
    let credential = Arc::new(Credential {
        is_refused: true,
        ..Credential::default()
    });
    let client = client(&credential, free_port().await, Duration::from_secs(5));

    let error = client
        .create_receiver("todo-events", ServiceBusReceiverOptions::default())
        .receive_message(Duration::from_secs(1))
        .await
        .unwrap_err();

    assert_eq!(
        error.to_string(),
        "cannot receive from todo-events: no access token for \
         https://servicebus.azure.net/.default"
    );
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("AADSTS70021"), "{source}");
    assert_eq!(credential.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_closed_client_opens_nothing_any_more() {
    let credential = Arc::new(Credential::default());
    let client = client(&credential, free_port().await, Duration::from_secs(5));
    let sender = client.create_sender("todo-events");

    client.close().await;
    let error = sender
        .send_message(&ServiceBusMessage::new("m1", "body"))
        .await
        .unwrap_err();

    assert_eq!(
        error.to_string(),
        "cannot send to todo-events: the client is closed"
    );
}

#[tokio::test]
async fn neither_clients_nor_errors_show_the_token() {
    let credential = Arc::new(Credential::default());
    let client = client(&credential, free_port().await, Duration::from_secs(5));
    let sender = client.create_sender("todo-events");

    let error = sender
        .send_message(&ServiceBusMessage::new("m1", "body"))
        .await
        .unwrap_err();

    let shown = format!("{client:?} {sender:?} {error:?} {error}");
    assert!(!shown.contains(TOKEN), "{shown}");
}
