//! What stands between the client and the emulator: the gate, the emulator's key, and a
//! connection that can break.

use super::*;

#[tokio::test]
async fn without_a_role_nothing_reaches_the_emulator() {
    let gated = Gated::new().await;
    let named = || gated.emulator.times_heard(JOBS);
    let before = (named(), gated.emulator.cloud.audited());
    let mut frontend = gated.frontend().await;
    let mut worker = gated.worker().await;
    let mut nobody = gated.cloud.connect().await;

    for refusal in [
        frontend.receiver(JOBS, 1).await.unwrap_err().refusal(),
        worker.sender(JOBS).await.unwrap_err().refusal(),
        nobody.sender(JOBS).await.unwrap_err().refusal(),
        nobody.receiver(JOBS, 1).await.unwrap_err().refusal(),
    ] {
        assert_eq!(refusal.0, "amqp:unauthorized-access");
    }
    let token = gated.cloud.token("worker");
    let (status, _) = nobody.put_token(&format!("{token}x"), JOBS).await;
    assert_eq!(status, 401);
    assert_eq!((named(), gated.emulator.cloud.audited()), before);

    // A link that is admitted is there soon.
    frontend.sender(JOBS).await.unwrap();
    assert!(named() > before.0);
}

#[tokio::test]
async fn a_role_that_is_taken_away_ends_the_link_at_the_next_token() {
    let gated = Gated::new().await;
    let mut frontend = gated.frontend().await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;
    let role = grant("frontend", "Azure Service Bus Data Sender", JOBS);
    gated.cloud.fixture.gate.revoke(&role);
    let token = gated.cloud.token("frontend");
    frontend.put_token(&token, JOBS).await;

    let refused = within("sending", sender.send(message("id-2", "y"))).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(gated.emulator.counts(JOBS), (1, 0));
}

#[tokio::test]
async fn the_callers_token_never_reaches_the_emulator() {
    let gated = Gated::new().await;
    let token = gated.cloud.token("frontend");
    let mut frontend = gated.cloud.connect().await;
    frontend.put_token(&token, JOBS).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "what goes on").await;

    assert_eq!(gated.emulator.times_heard("what goes on"), 1);
    assert!(gated.emulator.times_heard("SharedAccessSignature") > 0);
    let signature = token.rsplit('.').next().unwrap();
    assert_eq!(gated.emulator.times_heard(signature), 0);
    assert_eq!(gated.emulator.times_heard("eyJ"), 0, "no token of any kind");
}

#[tokio::test]
async fn a_connection_that_breaks_ends_the_links_and_the_next_link_makes_a_new_one() {
    let gated = Gated::new().await;
    let mut frontend = gated.frontend().await;
    let mut worker = gated.worker().await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();

    gated.emulator.cut();

    let ended = within("the end", receiver.recv::<Body<Value>>()).await;
    let condition = match ended {
        Err(RecvError::LinkStateError(error)) => format!("{error:?}"),
        other => panic!("not ended: {other:?}"),
    };
    assert!(condition.contains("DetachForced"), "{condition}");
    let refused = within("sending", sender.send(message("id-1", "x"))).await;
    assert!(refused.is_err(), "{refused:?}");

    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-2", "again").await;
    let mut receiver = worker.receiver(JOBS, 1).await.unwrap();
    assert_eq!(text(&receive(&mut receiver).await), "again");
}

#[tokio::test]
async fn a_link_is_refused_so_that_it_is_tried_again_while_the_emulator_is_gone() {
    let gated = Gated::new().await;
    gated.emulator.end();
    let mut frontend = gated.frontend().await;

    let refusal = frontend.sender(JOBS).await.unwrap_err().refusal();

    assert_eq!(refusal.0, "amqp:link:detach-forced");
}

#[tokio::test]
async fn a_key_that_the_emulator_does_not_take_fails_the_start() {
    let fixture = Fixture::new();
    let emulator = StandIn::with_key(&fixture, "another key", "127.0.0.1:0").await;

    let error = emulator.relay(&fixture).await.expect_err("it is refused");

    let text = error.to_string();
    assert!(
        text.contains("no Service Bus emulator for `bus` at amqp://127.0.0.1:"),
        "{text}"
    );
    assert!(
        text.contains("it does not take its published key: 401"),
        "{text}"
    );
    assert!(!text.contains("SharedAccessSignature"), "{text}");
}

#[tokio::test]
async fn the_emulators_token_is_renewed_before_it_ends() {
    let gated = Gated::new().await;
    let mut frontend = gated.frontend().await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    let puts = || gated.emulator.times_heard("SharedAccessSignature");
    let before = puts();

    // Both queues' tokens, of an hour, have less than a quarter of it left.
    gated.cloud.advance(50 * 60);
    eventually(puts, |puts| *puts == before + 2).await;
    let token = gated.cloud.token("frontend");
    frontend.put_token(&token, JOBS).await;
    gated.cloud.advance(20 * 60);

    send(&mut sender, "id-1", "after the first token's end").await;
    assert_eq!(gated.emulator.counts(JOBS), (1, 0));
}

#[tokio::test]
async fn the_state_says_that_an_emulator_holds_it() {
    let gated = Gated::new().await;

    let digest = gated.cloud.bus.digest();

    assert_eq!(digest["behind"], gated.emulator.url);
}
