//! A link on which the client gets the answers of `$cbs` or `$management`.

use std::collections::VecDeque;

use bytes::Bytes;
use uuid::Uuid;

use super::{Entry, Input, Output, Port};
use crate::service_bus::{Place, ServiceBus, performatives::LinkFlow};

/// Answers that wait for credit; a client that grants none loses the oldest.
const MAX_WAITING: usize = 256;

/// `entry`: what the link was let into; none for `$cbs`, which is open to all.
pub(super) async fn run(bus: &ServiceBus, mut port: Port, mut entry: Option<Entry<Place>>) {
    let mut delivery_count = 0_u32;
    let mut credit = 0;
    let mut waiting = VecDeque::<Bytes>::new();
    while let Some(input) = port.inbox.recv().await {
        let mut flow_to_answer = None;
        match input {
            Input::Reply(payload) => {
                waiting.push_back(payload);
                if waiting.len() > MAX_WAITING {
                    waiting.pop_front();
                }
            }
            Input::Flow { flow, echo } => {
                credit = flow.credit_left(delivery_count);
                flow_to_answer = (echo || flow.drain).then_some(flow);
            }
            Input::Readmit(caller) => {
                if let Some(entry) = &mut entry
                    && let Err(refusal) = entry.readmit(bus, caller).await
                {
                    port.emit(Output::Detach(refusal)).await;
                    return;
                }
            }
            Input::Delivery(_) | Input::Settle { .. } => {}
        }
        while credit > 0
            && let Some(payload) = waiting.pop_front()
        {
            credit -= 1;
            delivery_count = delivery_count.wrapping_add(1);
            let output = Output::Deliver {
                tag: Uuid::new_v4(),
                settled: true,
                payload,
            };
            port.emit(output).await;
        }
        if let Some(flow) = flow_to_answer {
            if flow.drain {
                delivery_count = delivery_count.wrapping_add(credit);
                credit = 0;
            }
            let flow = LinkFlow {
                delivery_count: Some(delivery_count),
                credit,
                drain: flow.drain,
            };
            port.emit(Output::Flow(flow)).await;
        }
    }
}
