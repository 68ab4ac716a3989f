//! Frames and protocol headers on the wire: bytes only, no meaning.
//!
//! Follows OASIS AMQP 1.0 part 2, sections 2.2 and 2.3, and part 5, section 5.3.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde_amqp::Value;

use super::codec::{self, Malformed};

/// The largest frame that the broker accepts, as it says in its Open.
pub(super) const MAX_FRAME_SIZE: u32 = 65_536;

/// Size, data offset, type and channel.
const HEADER_BYTES: usize = 8;

/// The eight bytes that open a protocol layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProtocolHeader {
    /// `AMQP 3 1 0 0`
    Sasl,
    /// `AMQP 0 1 0 0`
    Amqp,
}

impl ProtocolHeader {
    pub(super) fn bytes(self) -> [u8; 8] {
        match self {
            Self::Sasl => *b"AMQP\x03\x01\x00\x00",
            Self::Amqp => *b"AMQP\x00\x01\x00\x00",
        }
    }
}

/// Whether a frame belongs to the SASL exchange or to AMQP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameType {
    Amqp,
    Sasl,
}

/// One frame without its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: FrameType,
    pub(super) channel: u16,
    /// A performative, and for a transfer the payload after it. Empty: a heartbeat.
    pub(super) body: Bytes,
}

/// Takes the next whole frame out of `buffer`; `None` until enough has arrived.
pub(super) fn take_frame(buffer: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
    let Some(&header) = buffer.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let [s0, s1, s2, s3, data_offset, kind, c0, c1] = header;
    let size = u32::from_be_bytes([s0, s1, s2, s3]);
    if size > MAX_FRAME_SIZE {
        return Err(Malformed::new(format!(
            "a frame of {size} bytes exceeds the limit of {MAX_FRAME_SIZE}"
        )));
    }
    let size = usize::try_from(size).map_err(|_| Malformed::new("a frame is too large"))?;
    let offset = usize::from(data_offset) * 4;
    if offset < HEADER_BYTES || offset > size {
        return Err(Malformed::new(format!(
            "data offset {data_offset} does not fit a frame of {size} bytes"
        )));
    }
    let kind = match kind {
        0 => FrameType::Amqp,
        1 => FrameType::Sasl,
        other => return Err(Malformed::new(format!("unknown frame type {other}"))),
    };
    if buffer.len() < size {
        buffer.reserve(size - buffer.len());
        return Ok(None);
    }
    let mut frame = buffer.split_to(size).freeze();
    frame.advance(offset);
    Ok(Some(Frame {
        kind,
        channel: u16::from_be_bytes([c0, c1]),
        body: frame,
    }))
}

/// Appends a frame. The caller keeps `payload` within the peer's frame size.
pub(super) fn put_frame(
    out: &mut BytesMut,
    kind: FrameType,
    channel: u16,
    performative: &Value,
    payload: &[u8],
) {
    let performative = codec::encode(performative);
    put_header(out, kind, channel, performative.len() + payload.len());
    out.put_slice(&performative);
    out.put_slice(payload);
}

/// Appends an empty frame, which only says that this side is alive.
pub(super) fn put_heartbeat(out: &mut BytesMut) {
    put_header(out, FrameType::Amqp, 0, 0);
}

fn put_header(out: &mut BytesMut, kind: FrameType, channel: u16, body_bytes: usize) {
    let size = u32::try_from(body_bytes + HEADER_BYTES)
        .expect("frames are split long before four gigabytes");
    out.put_u32(size);
    out.put_u8(2);
    out.put_u8(match kind {
        FrameType::Amqp => 0,
        FrameType::Sasl => 1,
    });
    out.put_u16(channel);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_once_it_is_whole() {
        let mut wire = BytesMut::new();
        put_frame(&mut wire, FrameType::Amqp, 3, &Value::Uint(1), b"payload");
        put_heartbeat(&mut wire);
        let mut arrived = wire.split_to(10);

        assert_eq!(take_frame(&mut arrived), Ok(None));
        arrived.unsplit(wire);
        let frame = take_frame(&mut arrived).unwrap().unwrap();
        assert_eq!((frame.kind, frame.channel), (FrameType::Amqp, 3));
        assert_eq!(&frame.body[..], b"\x52\x01payload");
        let heartbeat = take_frame(&mut arrived).unwrap().unwrap();
        assert!(heartbeat.body.is_empty());
        assert_eq!(take_frame(&mut arrived), Ok(None));
    }

    #[test]
    fn an_impossible_header_is_refused() {
        for (bytes, message) in [
            (
                *b"\x00\x01\x00\x01\x02\x00\x00\x00",
                "a frame of 65537 bytes exceeds the limit of 65536",
            ),
            (
                *b"\x00\x00\x00\x08\x03\x00\x00\x00",
                "data offset 3 does not fit a frame of 8 bytes",
            ),
            (
                *b"\x00\x00\x00\x08\x01\x00\x00\x00",
                "data offset 1 does not fit a frame of 8 bytes",
            ),
            (
                *b"\x00\x00\x00\x00\x02\x00\x00\x00",
                "data offset 2 does not fit a frame of 0 bytes",
            ),
            (*b"\x00\x00\x00\x08\x02\x07\x00\x00", "unknown frame type 7"),
        ] {
            let mut buffer = BytesMut::from(&bytes[..]);
            assert_eq!(take_frame(&mut buffer), Err(Malformed::new(message)));
        }
    }
}
