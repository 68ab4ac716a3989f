//! May this identity send or receive? Asked without sending or receiving.
//!
//! On a connection of its own: a token put for an entity makes the broker look again at every
//! link of that connection to it, and asking must not end a link that is in use.

use std::sync::Arc;

use fe2o3_amqp::{Receiver, Sender};

use crate::{
    Direction, ServiceBusError, ServiceBusErrorKind,
    address::Entity,
    client::Shared,
    link::{self, Link},
    retry::Retry,
};

pub(crate) async fn probe(
    shared: &Arc<Shared>,
    entity: &Entity,
    direction: Direction,
) -> Result<(), ServiceBusError> {
    let operation = match direction {
        Direction::Send => "attach a sender to",
        Direction::Receive => "attach a receiver to",
    };
    let mut retry = Retry::new(&shared.options);
    loop {
        let attempt = match direction {
            Direction::Send => attach_and_detach::<Sender>(shared, entity, &retry).await,
            Direction::Receive => attach_and_detach::<Receiver>(shared, entity, &retry).await,
        };
        let Err(kind) = attempt else {
            return Ok(());
        };
        retry
            .or_give_up(kind)
            .await
            .map_err(|kind| kind.during(operation, entity.path()))?;
    }
}

/// A receiver is attached without credit, and a sender sends nothing.
async fn attach_and_detach<L: Link>(
    shared: &Arc<Shared>,
    entity: &Entity,
    retry: &Retry<'_>,
) -> Result<(), ServiceBusErrorKind> {
    let opened = link::open_alone::<L>(shared, entity, retry.limit()).await?;
    opened.close_with_connection(retry.limit()).await
}
