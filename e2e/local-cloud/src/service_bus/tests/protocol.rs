//! The wire itself: what a well-behaved client never sends, and what its engine
//! does not show.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use serde_amqp::Value;
use tokio::io::AsyncWriteExt;

use super::{client::*, raw::*};
use crate::service_bus::{
    MAX_MESSAGE_SIZE,
    claims::Claims,
    codec,
    connection::Connection,
    frame::{self, FrameType},
    outcome,
    performatives::{self, Role, full_length},
};
#[tokio::test]
async fn a_disposition_after_the_lock_is_lost_is_rejected() {
    one_is_completed_and_one_is_lost(&Cloud::new()).await;
}

/// Wherever the messages are.
pub(super) async fn one_is_completed_and_one_is_lost(cloud: &Cloud) {
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;
    send(&mut sender, "id-2", "y").await;
    let mut raw = Raw::open_as(cloud, "worker", JOBS).await;
    raw.attach(RECEIVE_HANDLE, Role::Receiver, JOBS, Some(1))
        .await;
    raw.grant(RECEIVE_HANDLE, 2).await;
    let (code, delivery) = raw.fields().await;
    assert_eq!((code, &delivery[1]), (0x14, &Value::Uint(1)));
    raw.frame().await;
    let accept = |delivery_id| {
        full_length(
            0x15,
            6,
            [
                Value::Bool(true),
                Value::Uint(delivery_id),
                Value::Null,
                Value::Bool(false),
                outcome::accepted(),
            ],
        )
    };

    raw.send_amqp(&accept(1)).await;
    let (_, answer) = raw.fields().await;
    assert_eq!(
        answer[..5],
        [
            Value::Bool(false),
            1_u32.into(),
            1_u32.into(),
            true.into(),
            outcome::accepted()
        ]
    );
    cloud.advance(30);
    raw.send_amqp(&accept(2)).await;

    let (_, mut answer) = raw.fields().await;
    let (code, fields) = codec::open_described(answer.swap_remove(4)).unwrap();
    let Value::List(mut fields) = fields else {
        panic!("the state is {fields:?}");
    };
    assert_eq!(code, 0x25);
    let (condition, text) = error_of(fields.pop().unwrap());
    assert_eq!(condition, "com.microsoft:message-lock-lost");
    assert!(text.starts_with("The lock supplied is invalid. "), "{text}");
}

#[tokio::test]
async fn a_drain_is_answered_once_the_credit_is_used_up() {
    a_drain_is_answered(&Cloud::new()).await;
}

/// Wherever the messages are.
pub(super) async fn a_drain_is_answered(cloud: &Cloud) {
    let mut frontend = cloud.connect_as("frontend", &[JOBS]).await;
    let mut sender = frontend.sender(JOBS).await.unwrap();
    send(&mut sender, "id-1", "x").await;
    let mut raw = Raw::open_as(cloud, "worker", JOBS).await;
    raw.attach(RECEIVE_HANDLE, Role::Receiver, JOBS, Some(1))
        .await;

    raw.flow(RECEIVE_HANDLE, 10, true).await;

    assert_eq!(raw.performative().await, (0x14, 11), "what there is");
    let (code, flow) = raw.fields().await;
    assert_eq!(code, 0x13);
    let link = [&flow[4], &flow[5], &flow[6], &flow[8]];
    let drained: [Value; 4] = [
        RECEIVE_HANDLE.into(),
        10_u32.into(),
        0_u32.into(),
        true.into(),
    ];
    assert_eq!(
        link,
        drained.each_ref(),
        "the count goes on, the credit ends"
    );
}

#[tokio::test]
async fn an_oversized_message_is_refused_with_its_size() {
    let cloud = Cloud::new();
    let mut raw = Raw::open_as(&cloud, "frontend", JOBS).await;
    raw.attach(SEND_HANDLE, Role::Sender, JOBS, None).await;
    assert_eq!(raw.performative().await, (0x13, 11));
    let limit = usize::try_from(MAX_MESSAGE_SIZE).unwrap();

    raw.transfer(SEND_HANDLE, 1, &data(limit)).await;

    let (condition, text) = raw.error(0x16).await;
    assert_eq!(condition, "amqp:link:message-size-exceeded");
    assert_eq!(
        text,
        "The received message (delivery-id:1, size:262152 bytes) exceeds the limit \
         (262144 bytes) currently allowed on the link."
    );
}

#[tokio::test]
async fn a_transfer_without_credit_ends_the_link() {
    let cloud = Cloud::new();
    let mut raw = Raw::open_as(&cloud, "frontend", JOBS).await;
    raw.attach(SEND_HANDLE, Role::Sender, JOBS, None).await;
    raw.frame().await;
    let hold = cloud.fixture.holds.arm(crate::holds::Matcher::default());

    for delivery_id in 1..=1_001 {
        raw.transfer(SEND_HANDLE, delivery_id, &data(1)).await;
    }

    let (condition, _) = raw.error(0x16).await;
    assert_eq!(condition, "amqp:link:transfer-limit-exceeded");
    assert_eq!(
        cloud.fixture.holds.state(hold),
        Some(crate::holds::State::Gone)
    );
}

#[tokio::test]
async fn what_is_not_amqp_closes_the_connection_with_an_error() {
    let framed = |performative: &[u8]| {
        let size = u32::try_from(performative.len() + 8).unwrap();
        [&size.to_be_bytes(), &b"\x02\x00\x00\x00"[..], performative].concat()
    };
    for (bytes, condition, text) in [
        (
            b"\xff\xff\xff\xff\x02\x00\x00\x00".to_vec(),
            "amqp:connection:framing-error",
            "a frame of 4294967295 bytes exceeds the limit of 65536",
        ),
        (
            b"\x00\x00\x00\x08\x02\x01\x00\x00".to_vec(),
            "amqp:connection:framing-error",
            "a SASL frame after SASL has ended",
        ),
        (
            framed(b"\x40"),
            "amqp:decode-error",
            "a described value is expected",
        ),
        (
            framed(b"\x00\x53\x12\xc0\xff\x01"),
            "amqp:decode-error",
            "the data ends inside a value",
        ),
        (
            framed(b"\x00\x53\x12\xc0\x0a\x03\xa1\x01l\x70\x00\x00\x01\x00\x42"),
            "amqp:not-allowed",
            "the handle exceeds handle-max",
        ),
        (
            framed(b"\x00\x53\x10\x45"),
            "amqp:not-allowed",
            "a second open",
        ),
    ] {
        let cloud = Cloud::new();
        let mut raw = Raw::open(&cloud).await;

        raw.send_bytes(&bytes).await;

        let error = raw.error(0x18).await;
        assert_eq!(
            error,
            (condition.to_owned(), text.to_owned()),
            "{bytes:02x?}"
        );
        raw.stream.shutdown().await.unwrap();
        assert!(raw.end().await.is_empty());
    }
}

#[tokio::test]
async fn a_wrong_beginning_is_answered_with_what_is_spoken_here() {
    for (bytes, answer) in [
        (AMQP, SASL),
        (b"AMQP\x02\x01\x00\x00", SASL),
        (b"HTTP/1.1 200 OK\r\n", SASL),
        (
            b"GET /$servicebus/websocket HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 501 Not Implemented\r\n",
        ),
    ] {
        let cloud = Cloud::new();
        let mut raw = Raw::new(&cloud);

        raw.send_bytes(bytes).await;
        raw.stream.shutdown().await.unwrap();

        let answered = raw.end().await;
        assert!(
            answered.starts_with(answer),
            "{:?}",
            String::from_utf8_lossy(&answered)
        );
    }
}

#[tokio::test]
async fn a_patient_client_hears_nothing_an_impatient_one_a_heartbeat() {
    let cloud = Cloud::new();
    for (idle_time_out, period) in [
        (None, None),
        (Some(0), None),
        (Some(900), Some(300)),
        (Some(60_000), Some(15_000)),
    ] {
        let (outputs, _) = tokio::sync::mpsc::channel(1);
        let mut connection = Connection::new(Arc::clone(&cloud.bus), true, outputs);
        let mut input = BytesMut::from(SASL);
        let init = full_length(0x41, 3, [codec::symbol("ANONYMOUS")]);
        frame::put_frame(&mut input, FrameType::Sasl, 0, &init, &[]);
        input.extend_from_slice(AMQP);
        connection.receive(&mut input);
        let before = connection.out.len();
        connection.write_heartbeat();
        assert_eq!(connection.out.len(), before, "a heartbeat before open");

        let mut open = vec![Value::from("raw"), Value::Null, Value::Null, Value::Null];
        open.push(idle_time_out.map_or(Value::Null, Value::Uint));
        frame::put_frame(
            &mut input,
            FrameType::Amqp,
            0,
            &full_length(0x10, 10, open),
            &[],
        );
        connection.receive(&mut input);

        assert_eq!(connection.heartbeat(), period.map(Duration::from_millis));
        let before = connection.out.len();
        connection.write_heartbeat();
        assert_eq!(connection.out.len(), before + 8);
    }
}

#[tokio::test]
async fn a_heartbeat_comes_without_being_asked_again() {
    let cloud = Cloud::new();
    let mut raw = Raw::connect(&cloud, 300).await;

    assert!(raw.frame().await.is_empty());
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once() {
    let cloud = Cloud::new();
    let all = u32::try_from(crate::service_bus::MAX_CONNECTIONS).unwrap();
    let _connections = cloud.bus.connections.try_acquire_many(all).unwrap();

    let mut raw = Raw::connect(&cloud, 0).await;

    let (condition, _) = raw.error(0x18).await;
    assert_eq!(condition, "amqp:resource-limit-exceeded");
}

#[tokio::test]
async fn another_namespace_is_not_served() {
    let cloud = Cloud::new();
    let mut client = cloud.connect().await;
    let token = cloud.token("frontend");

    let name = format!("sb://otherbus.servicebus.windows.net/{JOBS}");
    let (status, text) = client.put(&token, "jwt", &name).await;

    assert_eq!(status, 404, "{text}");
}

#[tokio::test]
async fn a_connection_to_another_namespace_is_closed() {
    let cloud = Cloud::new();
    let mut raw = Raw::begin(&cloud).await;

    let names = [
        Value::from("raw"),
        Value::from("otherbus.servicebus.windows.net"),
    ];
    raw.send_amqp(&full_length(0x10, 10, names)).await;

    let (code, _) = raw.performative().await;
    assert_eq!(code, 0x10, "an open comes before the close");
    let (condition, text) = raw.error(0x18).await;
    assert_eq!(condition, "amqp:not-found");
    assert_eq!(
        text,
        "the namespace otherbus.servicebus.windows.net is not served here"
    );
}

#[tokio::test]
async fn a_connection_keeps_so_many_tokens_and_no_more() {
    let cloud = Cloud::new();
    let mut raw = Raw::open_as(&cloud, "frontend", JOBS).await;
    let token = cloud.token("frontend");
    let most = u32::try_from(Claims::MAX).unwrap();

    // One is there already, so the last of these is one too many.
    for number in 1..=most {
        raw.put_token(number, &token, &format!("queue-{number}"))
            .await;
        loop {
            match raw.fields().await {
                (0x15, _) => break,
                (0x18, mut fields) => {
                    let (condition, text) = error_of(fields.pop().unwrap());
                    assert_eq!(condition, "amqp:resource-limit-exceeded");
                    assert_eq!(text, "the connection has too many tokens");
                    assert_eq!(number, most);
                    return;
                }
                _ => {}
            }
        }
    }
    panic!("{} tokens are kept", most + 1);
}

#[tokio::test]
async fn a_connection_has_so_many_links_and_no_more() {
    let cloud = Cloud::new();
    let mut client = cloud.connect().await;
    let mut links = Vec::new();
    // Two are there already, for `$cbs`.
    for _ in 0..4 {
        let session = client.session().await;
        for number in 0..255 {
            let name = format!("link-{number}");
            let link = fe2o3_amqp::Sender::attach(session, name, "$cbs");
            links.push(within("attaching", link).await.unwrap());
        }
    }
    for _ in 0..2 {
        links.push(client.sender("$cbs").await.unwrap());
    }

    let (condition, text) = client.sender("$cbs").await.unwrap_err().refusal();

    assert_eq!(condition, "amqp:resource-limit-exceeded");
    assert_eq!(text, "the connection has too many links");
}

#[tokio::test]
async fn another_sasl_mechanism_is_refused() {
    let cloud = Cloud::new();
    let mut raw = Raw::new(&cloud);
    raw.send_bytes(SASL).await;
    raw.bytes(8).await;
    raw.frame().await;

    let init = full_length(0x41, 3, [codec::symbol("PLAIN")]);
    raw.send(FrameType::Sasl, &init, &[]).await;

    let (code, fields) = raw.fields().await;
    assert_eq!((code, &fields[0]), (0x44, &Value::Ubyte(1)));
}

/// Every conversation ends, and none ends in a panic, whatever the bytes are.
#[tokio::test]
async fn no_bytes_make_the_broker_panic() {
    let cloud = Cloud::new();
    let mut raw = Raw::open_as(&cloud, "frontend", JOBS).await;
    raw.attach(SEND_HANDLE, Role::Sender, JOBS, None).await;
    raw.frame().await;
    raw.transfer(SEND_HANDLE, 1, &data(50)).await;
    assert_eq!(raw.performative().await, (0x15, 6));
    raw.send_amqp(&performatives::detach(SEND_HANDLE, true, None))
        .await;
    raw.send_amqp(&performatives::close(None)).await;
    let conversation = raw.sent.clone();
    let mut random = 1_u64;
    let mut next = |below: usize| {
        // Knuth's MMIX generator: any will do, as long as it repeats itself.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % below
    };

    for _ in 0..400 {
        let mut bytes = conversation.clone();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            bytes[at] = u8::try_from(next(256)).unwrap();
        }
        bytes.truncate(bytes.len() - next(40));
        let mut raw = Raw::new(&cloud);
        raw.stream.write_all(&bytes).await.unwrap();
        raw.stream.shutdown().await.unwrap();
        raw.end().await;
    }
}
