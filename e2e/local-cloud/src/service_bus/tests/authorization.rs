//! Tokens and roles: who may put, attach, and go on.

use std::time::Duration;

use fe2o3_amqp::link::SendError;

use super::client::*;
use crate::holds::{Matcher, State};

fn unauthorized(claim: &str, path: &str) -> String {
    format!(
        "Unauthorized access. '{claim}' claim(s) are required to perform this operation. \
         Resource: 'sb://{HOST}/{path}'. TrackingId:"
    )
}

#[tokio::test]
async fn a_link_without_a_role_is_refused() {
    let cloud = Cloud::new();
    let entities = [JOBS, EVENTS, "missing"];
    let mut frontend = cloud.connect_as("frontend", &entities).await;
    let mut worker = cloud.connect_as("worker", &entities).await;
    let before = cloud.bus.digest();

    // A missing queue is not told apart: authorisation precedes existence.
    for queue in [EVENTS, "missing"] {
        let (condition, text) = frontend.sender(queue).await.unwrap_err().refusal();
        assert_eq!(condition, "amqp:unauthorized-access");
        assert!(text.starts_with(&unauthorized("Send", queue)), "{text}");
    }
    let (condition, text) = frontend.receiver(JOBS, 0).await.unwrap_err().refusal();
    assert_eq!(condition, "amqp:unauthorized-access");
    assert!(text.starts_with(&unauthorized("Listen", JOBS)), "{text}");
    let (condition, text) = worker.sender(JOBS).await.unwrap_err().refusal();
    assert_eq!(condition, "amqp:unauthorized-access");
    assert!(text.starts_with(&unauthorized("Send", JOBS)), "{text}");
    let node = format!("{JOBS}/$management");
    let (condition, text) = frontend.sender(&node).await.unwrap_err().refusal();
    assert_eq!(condition, "amqp:unauthorized-access");
    assert!(text.starts_with(&unauthorized("Listen", &node)), "{text}");

    assert_eq!(cloud.bus.digest(), before);
    assert_eq!(
        cloud.audited()[0],
        "frontend AttachSender bus/queues/todo-events Denied"
    );
}

#[tokio::test]
async fn a_link_without_a_token_for_its_entity_is_refused() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[EVENTS]).await;

    let (condition, text) = frontend.sender(JOBS).await.unwrap_err().refusal();

    assert_eq!(condition, "amqp:unauthorized-access");
    assert!(text.starts_with(&unauthorized("Send", JOBS)), "{text}");
}

#[tokio::test]
async fn a_missing_queue_is_not_found_by_who_might_use_it() {
    let cloud = Cloud::new();
    let mut everywhere = grant("frontend", "Azure Service Bus Data Sender", JOBS);
    everywhere.scope = crate::model::Scope::new(["bus"]);
    cloud.fixture.gate.grant(everywhere).unwrap();
    let mut frontend = cloud.connect_as("frontend", &["missing"]).await;

    let (condition, text) = frontend.sender("missing").await.unwrap_err().refusal();

    assert_eq!(condition, "amqp:not-found");
    let start = format!("The messaging entity 'sb://{HOST}/missing' could not be found.");
    assert!(text.starts_with(&start), "{text}");
}

#[tokio::test]
async fn attaching_without_credit_changes_nothing() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;
    let before = cloud.bus.digest();

    let probe = worker.receiver(JOBS, 0).await.unwrap();
    within("detaching", probe.close()).await.unwrap();
    let probe = frontend.sender(JOBS).await.unwrap();
    within("detaching", probe.close()).await.unwrap();

    assert_eq!(cloud.bus.digest(), before);
}

#[tokio::test]
async fn a_bad_token_is_refused_with_401() {
    let cloud = Cloud::new();
    let mut client = cloud.connect().await;
    let other_audience = cloud.fixture.token("frontend", "https://vault.azure.net");
    let good = cloud.token("frontend");
    let (head, signature) = good.rsplit_once('.').unwrap();
    let unsigned = format!("{head}.{}", "A".repeat(signature.len()));

    for (token, start) in [
        (
            other_audience.as_str(),
            "InvalidAudience: The authorization header contains a token with a wrong audience. TrackingId:",
        ),
        (
            &unsigned,
            "InvalidSignature: The token has an invalid signature. TrackingId:",
        ),
        ("not a token", "MalformedToken: "),
    ] {
        let (status, text) = client.put_token(token, JOBS).await;
        assert_eq!(status, 401, "{text}");
        assert!(text.starts_with(start), "{text}");
        assert!(
            text.contains(", SystemTracker:NoSystemTracker, Timestamp:"),
            "{text}"
        );
    }
    cloud.advance(25 * 60 * 60);
    let (status, text) = client.put_token(&good, JOBS).await;
    assert_eq!(status, 401, "{text}");
    assert!(
        text.starts_with("ExpiredToken: The token is expired. TrackingId:"),
        "{text}"
    );

    // None of them has left a claim.
    let (condition, _) = client.sender(JOBS).await.unwrap_err().refusal();
    assert_eq!(condition, "amqp:unauthorized-access");
}

#[tokio::test]
async fn a_shared_access_signature_is_refused() {
    let cloud = Cloud::new();
    let mut client = cloud.connect().await;
    let name = format!("sb://{HOST}/{JOBS}");

    let (status, text) = client
        .put(
            "SharedAccessSignature sr=..",
            "servicebus.windows.net:sastoken",
            &name,
        )
        .await;

    assert_eq!(status, 401);
    assert!(text.starts_with("LocalAuthDisabled: "), "{text}");
}

#[tokio::test]
async fn what_cbs_does_not_play_is_refused_with_501_naming_it() {
    let cloud = Cloud::new();
    let mut client = cloud.connect().await;
    let token = cloud.token("frontend");
    let name = format!("sb://{HOST}/{JOBS}");

    let (status, text) = client
        .put(&token, "servicebus.windows.net:other", &name)
        .await;
    assert_eq!(status, 501);
    assert_eq!(
        text,
        "local cloud, not Azure: token type \"servicebus.windows.net:other\" is not implemented"
    );
    let (status, text) = client.ask_cbs("delete-token", &token, "jwt", &name).await;
    assert_eq!(status, 501);
    assert_eq!(
        text,
        "local cloud, not Azure: $cbs operation \"delete-token\" is not implemented"
    );

    // Neither has left a claim.
    let (condition, _) = client.sender(JOBS).await.unwrap_err().refusal();
    assert_eq!(condition, "amqp:unauthorized-access");
}

#[tokio::test]
async fn nothing_is_sent_to_a_dead_letter_queue() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let address = format!("{JOBS}/$DeadLetterQueue");

    let (condition, text) = frontend.sender(&address).await.unwrap_err().refusal();

    assert_eq!(condition, "amqp:not-implemented");
    assert_eq!(
        text,
        "local cloud, not Azure: sending to a dead-letter queue is not implemented"
    );
}

#[tokio::test]
async fn a_link_is_detached_when_its_token_expires() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;

    cloud.advance(25 * 60 * 60);

    let detached = within("the detach", sender.on_detach()).await;
    let fe2o3_amqp::link::DetachError::RemoteClosedWithError(error) = detached else {
        panic!("not detached by the broker: {detached:?}");
    };
    let (condition, text) = parts(error);
    assert_eq!(condition, "amqp:unauthorized-access");
    assert!(text.starts_with("ExpiredToken: "), "{text}");
}

#[tokio::test]
async fn an_open_link_outlives_its_role_until_the_token_is_renewed() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();

    let sender_role = grant("frontend", "Azure Service Bus Data Sender", JOBS);
    assert!(cloud.fixture.gate.revoke(&sender_role));

    // The open link goes on; a new one is refused at once.
    send(&mut sender, "id-1", "x").await;
    let (condition, _) = frontend.sender(JOBS).await.unwrap_err().refusal();
    assert_eq!(condition, "amqp:unauthorized-access");
    send(&mut sender, "id-2", "x").await;

    // The new token is as good as the old one; the role is not there.
    let token = cloud.token("frontend");
    assert_eq!(frontend.put_token(&token, JOBS).await.0, 202);
    let detached = within("the detach", sender.on_detach()).await;
    let fe2o3_amqp::link::DetachError::RemoteClosedWithError(error) = detached else {
        panic!("not detached by the broker: {detached:?}");
    };
    let (condition, text) = parts(error);
    assert_eq!(condition, "amqp:unauthorized-access");
    assert!(text.starts_with(&unauthorized("Send", JOBS)), "{text}");

    cloud.fixture.gate.grant(sender_role).unwrap();
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-3", "x").await;
}

#[tokio::test]
async fn a_renewed_token_keeps_the_links_open() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();

    cloud.advance(20 * 60 * 60);
    let token = cloud.token("frontend");
    assert_eq!(frontend.put_token(&token, JOBS).await.0, 202);
    cloud.advance(20 * 60 * 60);

    send(&mut sender, "id-1", "x").await;
}

#[tokio::test]
async fn a_held_operation_stops_only_its_own_link() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut stopped = frontend.sender(JOBS).await.unwrap();
    let mut free = frontend.sender(JOBS).await.unwrap();
    let hold = cloud.fixture.holds.arm(Matcher {
        operation: Some("Send".to_owned()),
        ..Matcher::default()
    });

    let sending =
        tokio::spawn(async move { stopped.send(message("id-1", "held")).await.map(|_| ()) });
    eventually(
        || cloud.fixture.holds.state(hold),
        |state| *state == Some(State::Holding),
    )
    .await;
    send(&mut free, "id-2", "free").await;
    assert!(!sending.is_finished());
    cloud.fixture.holds.release(hold);

    within("the held send", sending).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_operation_held_when_the_client_dies_has_no_effect() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;
    let hold = cloud.fixture.holds.arm(Matcher {
        operation: Some("Complete".to_owned()),
        ..Matcher::default()
    });
    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();
    let delivery = receive(&mut receiver).await;
    // Settles on its own: the answer does not come while it is held.
    tokio::spawn(async move {
        let settled = receiver.accept(&delivery).await;
        std::future::pending::<()>().await;
        drop((receiver, settled));
    });
    eventually(
        || cloud.fixture.holds.state(hold),
        |state| *state == Some(State::Holding),
    )
    .await;

    // As a killed process does: the stream ends without a close.
    worker.kill();
    eventually(
        || cloud.fixture.holds.state(hold),
        |state| *state == Some(State::Gone),
    )
    .await;
    cloud.advance(30);

    let mut worker = cloud.connect_as("worker", &[JOBS]).await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();
    assert_eq!(delivery_count(&receive(&mut receiver).await), 1);
}

#[tokio::test]
async fn an_oversized_message_ends_its_link() {
    let cloud = Cloud::new();
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    assert_eq!(sender.max_message_size(), Some(262_144));

    let sent = tokio::time::timeout(
        Duration::from_secs(10),
        sender.send(message("id-1", &"x".repeat(270_000))),
    )
    .await
    .unwrap();

    // fe2o3-amqp keeps the limit itself; the wire test below goes past it.
    assert!(
        matches!(sent, Err(SendError::MessageSizeExceeded(_))),
        "{sent:?}"
    );
}
