//! A client of raw frames, for what no engine would send or show.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_amqp::Value;
use serde_bytes::ByteBuf;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
};

use super::client::*;
use crate::service_bus::{
    codec,
    frame::{self, FrameType},
    message::{Map, Plain},
    performatives::{self, LinkFlow, Role, SessionFlow, full_length},
};

pub(super) const SASL: &[u8] = b"AMQP\x03\x01\x00\x00";
pub(super) const AMQP: &[u8] = b"AMQP\x00\x01\x00\x00";
pub(super) const SEND_HANDLE: u32 = 2;
pub(super) const RECEIVE_HANDLE: u32 = 3;

/// A client of bytes.
pub(super) struct Raw {
    pub(super) stream: DuplexStream,
    input: BytesMut,
    broker: JoinHandle<()>,
    /// Everything that was sent.
    pub(super) sent: Vec<u8>,
}

impl Raw {
    pub(super) fn new(cloud: &Cloud) -> Self {
        let (stream, server) = tokio::io::duplex(1 << 20);
        let broker = tokio::spawn(Arc::clone(&cloud.bus).serve(server));
        Self {
            stream,
            input: BytesMut::new(),
            broker,
            sent: Vec::new(),
        }
    }

    /// Up to where open is expected.
    pub(super) async fn begin(cloud: &Cloud) -> Self {
        let mut raw = Self::new(cloud);
        raw.send_bytes(SASL).await;
        assert_eq!(raw.bytes(8).await, SASL);
        raw.frame().await;
        let init = full_length(0x41, 3, [codec::symbol("ANONYMOUS")]);
        raw.send(FrameType::Sasl, &init, &[]).await;
        assert_eq!(raw.performative().await, (0x44, 2));
        raw.send_bytes(AMQP).await;
        assert_eq!(raw.bytes(8).await, AMQP);
        raw
    }

    /// Up to an answered open.
    pub(super) async fn connect(cloud: &Cloud, idle_time_out: u32) -> Self {
        let mut raw = Self::begin(cloud).await;
        let open = performatives::open("raw", None, 65_536, 1, idle_time_out);
        raw.send_amqp(&open).await;
        assert_eq!(raw.performative().await, (0x10, 10));
        raw
    }

    /// Up to an open session on channel 0.
    pub(super) async fn open(cloud: &Cloud) -> Self {
        let mut raw = Self::connect(cloud, 0).await;
        raw.send_amqp(&performatives::begin(None, 5_000, 255)).await;
        assert_eq!(raw.performative().await, (0x11, 8));
        raw
    }

    /// With `$cbs` on handles 0 and 1, and the identity's token for the queue.
    pub(super) async fn open_as(cloud: &Cloud, identity: &str, queue: &str) -> Self {
        let mut raw = Self::open(cloud).await;
        raw.attach(0, Role::Sender, "$cbs", Some(1)).await;
        assert_eq!(raw.performative().await, (0x13, 11));
        raw.attach(1, Role::Receiver, "$cbs", None).await;
        raw.grant(1, 10).await;
        raw.put_token(0, &cloud.token(identity), queue).await;
        assert_eq!(raw.performative().await, (0x15, 6));
        let answer = raw.frame().await;
        let (_, payload) = codec::decode(&answer).unwrap();
        let answer = Plain::parse(&Bytes::copy_from_slice(payload)).unwrap();
        let status = codec::entry(&answer.application_properties, "status-code").cloned();
        assert_eq!(status, Some(Value::Int(202)));
        raw
    }

    /// Sends a request to `$cbs`, as [`Self::open_as`] attached it.
    pub(super) async fn put_token(&mut self, delivery_id: u32, token: &str, queue: &str) {
        let name = format!("sb://{HOST}/{queue}");
        let properties = [("operation", "put-token"), ("type", "jwt"), ("name", &name)]
            .map(|(name, value)| (Value::from(name), Value::from(value)));
        let token = Value::String(token.to_owned());
        let request = Plain::encode(vec![Value::from("id")], Map::from_iter(properties), token);
        self.transfer(0, delivery_id, &request).await;
    }

    pub(super) async fn attach(&mut self, handle: u32, role: Role, address: &str, rcv: Option<u8>) {
        let terminus = |code, length| full_length(code, length, [Value::from(address)]);
        let attach = full_length(
            0x12,
            14,
            [
                Value::String(format!("link-{handle}")),
                Value::Uint(handle),
                Value::Bool(role == Role::Receiver),
                Value::Null,
                rcv.map_or(Value::Null, Value::Ubyte),
                terminus(0x28, 1),
                terminus(0x29, 1),
                Value::Null,
                Value::Null,
                if role == Role::Sender {
                    Value::Uint(0)
                } else {
                    Value::Null
                },
            ],
        );
        self.send_amqp(&attach).await;
        assert_eq!(self.performative().await, (0x12, 14));
    }

    pub(super) async fn grant(&mut self, handle: u32, credit: u32) {
        self.flow(handle, credit, false).await;
    }

    pub(super) async fn flow(&mut self, handle: u32, credit: u32, drain: bool) {
        let session = SessionFlow {
            next_incoming_id: 0,
            incoming_window: 5_000,
            next_outgoing_id: 0,
            outgoing_window: 5_000,
        };
        let flow = LinkFlow {
            delivery_count: Some(0),
            credit,
            drain,
        };
        self.send_amqp(&performatives::flow(session, Some((handle, flow)), false))
            .await;
    }

    pub(super) async fn transfer(&mut self, handle: u32, delivery_id: u32, payload: &[u8]) {
        let (first, mut rest) = payload.split_at(payload.len().min(60_000));
        let transfer = |more| performatives::transfer(handle, delivery_id, b"tag", 0, false, more);
        self.send(FrameType::Amqp, &transfer(!rest.is_empty()), first)
            .await;
        while !rest.is_empty() {
            let (next, after) = rest.split_at(rest.len().min(60_000));
            let transfer = performatives::continued_transfer(handle, !after.is_empty());
            self.send(FrameType::Amqp, &transfer, next).await;
            rest = after;
        }
    }

    pub(super) async fn send_amqp(&mut self, performative: &Value) {
        self.send(FrameType::Amqp, performative, &[]).await;
    }

    pub(super) async fn send(&mut self, kind: FrameType, performative: &Value, payload: &[u8]) {
        let mut out = BytesMut::new();
        frame::put_frame(&mut out, kind, 0, performative, payload);
        self.send_bytes(&out).await;
    }

    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(super) async fn more(&mut self) {
        let read = self.stream.read_buf(&mut self.input);
        assert_ne!(
            within("bytes from the broker", read).await.unwrap(),
            0,
            "the stream ends"
        );
    }

    pub(super) async fn bytes(&mut self, count: usize) -> BytesMut {
        while self.input.len() < count {
            self.more().await;
        }
        self.input.split_to(count)
    }

    pub(super) async fn frame(&mut self) -> Bytes {
        loop {
            if let Some(frame) = frame::take_frame(&mut self.input).unwrap() {
                return frame.body;
            }
            self.more().await;
        }
    }

    /// Descriptor and fields of the next frame.
    pub(super) async fn fields(&mut self) -> (u64, Vec<Value>) {
        let body = self.frame().await;
        let (performative, _) = codec::decode(&body).unwrap();
        match codec::open_described(performative).unwrap() {
            (code, Value::List(fields)) => (code, fields),
            (code, other) => panic!("{code:#04x} is {other:?}"),
        }
    }

    /// Descriptor and number of fields of the next frame.
    pub(super) async fn performative(&mut self) -> (u64, usize) {
        let (code, fields) = self.fields().await;
        (code, fields.len())
    }

    /// The error in the next frame, which is a close (0x18), detach (0x16), ..
    pub(super) async fn error(&mut self, code: u64) -> (String, String) {
        let (found, mut fields) = self.fields().await;
        assert_eq!(found, code, "{fields:?}");
        error_of(fields.pop().unwrap())
    }

    /// Reads to the end of the stream; the broker has not panicked.
    pub(super) async fn end(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        within("the end", self.stream.read_to_end(&mut rest))
            .await
            .unwrap();
        drop(self.stream);
        within("the broker's end", self.broker)
            .await
            .expect("it has not panicked");
        rest
    }
}

pub(super) fn error_of(error: Value) -> (String, String) {
    let (_, error) = codec::open_described(error).unwrap();
    let Value::List(fields) = error else {
        panic!("the error is {error:?}");
    };
    let [condition, description, _] = &fields[..] else {
        panic!("the error is {fields:?}");
    };
    let text = |value| codec::text(value).unwrap().to_owned();
    (text(condition), text(description))
}

pub(super) fn data(bytes: usize) -> Vec<u8> {
    codec::encode(&codec::described(
        0x75,
        Value::Binary(ByteBuf::from(vec![7; bytes])),
    ))
}
