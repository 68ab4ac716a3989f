//! What the emulator sends on a link: frames put together to deliveries.

use bytes::{Bytes, BytesMut};
use serde_amqp::Value;
use uuid::Uuid;

use crate::service_bus::{performatives::Transfer, refusal::Refusal};

/// The link on which the emulator sends.
#[derive(Default)]
pub(super) struct Receiving {
    /// The emulator's handle of it.
    pub(super) handle: Option<u32>,
    /// Where the emulator began to count.
    pub(super) initial_delivery_count: u32,
    partial: Option<(Delivery, BytesMut)>,
    /// Deliveries that have begun to arrive.
    pub(super) arrived: u32,
}

/// A delivery from the emulator.
#[derive(Debug)]
pub(in crate::service_bus) struct Delivery {
    pub(in crate::service_bus) id: u32,
    pub(in crate::service_bus) tag: Uuid,
    pub(in crate::service_bus) settled: bool,
    pub(in crate::service_bus) payload: Bytes,
}

impl Receiving {
    /// Takes one frame; the delivery that is whole with it.
    pub(super) fn take(
        &mut self,
        transfer: &Transfer,
        payload: &[u8],
    ) -> Result<Option<Delivery>, Refusal> {
        let (mut delivery, mut whole) = match self.partial.take() {
            Some(partial) => partial,
            None => (self.begin(transfer)?, BytesMut::new()),
        };
        if transfer.aborted {
            return Ok(None);
        }
        delivery.settled |= transfer.settled;
        whole.extend_from_slice(payload);
        if transfer.more {
            self.partial = Some((delivery, whole));
            return Ok(None);
        }
        delivery.payload = whole.freeze();
        Ok(Some(delivery))
    }

    fn begin(&mut self, transfer: &Transfer) -> Result<Delivery, Refusal> {
        let id = transfer.delivery_id.ok_or_else(|| {
            Refusal::new("amqp:invalid-field", "a delivery of the emulator has no id")
        })?;
        self.arrived = self.arrived.wrapping_add(1);
        Ok(Delivery {
            id,
            tag: lock_token(&transfer.delivery_tag),
            settled: false,
            payload: Bytes::new(),
        })
    }
}

/// The lock token that a delivery tag is, in the byte order of .NET's Guid. Any id
/// does for a tag that is none, which a message without a lock may have.
fn lock_token(tag: &Value) -> Uuid {
    match tag {
        Value::Binary(tag) => Uuid::from_slice_le(tag).unwrap_or_else(|_| Uuid::new_v4()),
        _ => Uuid::new_v4(),
    }
}
