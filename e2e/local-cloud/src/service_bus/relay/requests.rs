//! Requests to a node of the emulator, `$cbs` or `$management`, and its answers.

use bytes::Bytes;

use super::session::{Heard, Session};
use crate::service_bus::{outcome, refusal::Refusal};

/// A link to a node and one from it, with one request on them at a time.
pub(in crate::service_bus) struct Requests {
    session: Session,
    reply_to: String,
}

impl Requests {
    /// `name` has to be the only one of its kind on the connection.
    pub(super) async fn open(
        mut session: Session,
        node: &str,
        name: &str,
    ) -> Result<Self, Refusal> {
        let reply_to = format!("{name}-answers");
        session.attach_sender(name, node, (None, None)).await?;
        session
            .attach_receiver(&reply_to, node, Some(&reply_to), (None, None))
            .await?;
        Ok(Self { session, reply_to })
    }

    /// The answer to the message that `request` makes; it is told where the answer
    /// has to go.
    pub(in crate::service_bus) async fn ask(
        &mut self,
        request: impl FnOnce(&str) -> Bytes,
    ) -> Result<Bytes, Refusal> {
        self.session.grant(1, false);
        let payload = request(&self.reply_to);
        let id = self.session.transfer(0, false, payload).await?;
        loop {
            match self.session.next().await? {
                Heard::Delivery(answer) => {
                    if !answer.settled {
                        self.session.settle(answer.id, true, outcome::accepted());
                    }
                    return Ok(answer.payload);
                }
                Heard::Outcome(ids, state) if ids.contains(&id) => outcome::refused(state)?,
                _ => {}
            }
        }
    }

    /// Waits until the emulator ends the links.
    pub(in crate::service_bus) async fn ended(&mut self) -> Refusal {
        loop {
            if let Err(refusal) = self.session.next().await {
                return refusal;
            }
        }
    }
}
