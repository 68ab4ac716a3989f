//! Opening a link to an entity: connection, token, session, attach, in this order.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use fe2o3_amqp::{Receiver, Sender, link::receiver::CreditMode, session::SessionHandle};
use fe2o3_amqp_types::definitions::ReceiverSettleMode;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use uuid::Uuid;

use crate::{
    ServiceBusErrorKind, address::Entity, cbs::Claim, client::Shared, connection::Connection,
    request_link::RequestLink,
};

/// A link that lived at least this long was in order when it was opened: what ended it says
/// nothing about a new one.
const PROVEN_AFTER: Duration = Duration::from_secs(1);

/// A link of some kind, with all that has to live as long as it does.
pub(crate) struct Opened<L> {
    // Dropped in this order.
    pub(crate) link: L,
    session: WatchedSession,
    claim: Claim,
    connection: Arc<Connection>,
    since: Instant,
}

/// A session that says when it is over. The engine forgets to tell those who wait for the outcome
/// of a message: for them a lost connection would look like a slow broker.
struct WatchedSession {
    watcher: JoinHandle<()>,
    ended: watch::Receiver<()>,
}

impl WatchedSession {
    fn new(mut session: SessionHandle<()>) -> Self {
        let (alive, ended) = watch::channel(());
        let watcher = tokio::spawn(async move {
            // Dropped when the session has ended or the watcher is aborted, and that is the signal.
            let _alive = alive;
            let outcome = session.on_end().await;
            tracing::debug!(?outcome, "a session ended");
        });
        Self { watcher, ended }
    }
}

impl Drop for WatchedSession {
    fn drop(&mut self) {
        // Drops the session's handle, which ends the session.
        self.watcher.abort();
    }
}

impl<L: Link> Opened<L> {
    /// Whether a failure of this link may be due to its age (an expired token, a broker that went
    /// away) and not to what was tried on it.
    pub(crate) fn is_proven(&self) -> bool {
        self.since.elapsed() >= PROVEN_AFTER
    }

    /// Resolves when the link is lost together with its session, or given up.
    pub(crate) fn lost(&self) -> impl Future<Output = ServiceBusErrorKind> + Send + use<L> {
        let mut ended = self.session.ended.clone();
        async move {
            while ended.changed().await.is_ok() {}
            ServiceBusErrorKind::connection("the session ended before the broker answered")
        }
    }

    /// Detaches the link in good order and says what the broker answered.
    pub(crate) async fn close(self, limit: Duration) -> Result<(), ServiceBusErrorKind> {
        let Self {
            link,
            session,
            claim,
            ..
        } = self;
        let closing = timeout(limit, link.close()).await;
        drop(session);
        drop(claim);
        closing.unwrap_or(Err(ServiceBusErrorKind::Timeout { after: limit }))
    }

    /// Detaches the link, says what the broker answered, and closes the connection.
    pub(crate) async fn close_with_connection(
        self,
        limit: Duration,
    ) -> Result<(), ServiceBusErrorKind> {
        let connection = Arc::clone(&self.connection);
        let outcome = self.close(limit).await;
        connection.close().await;
        outcome
    }

    /// Drops the link because of `kind`, and the connection with it if the broker does not
    /// answer: it may be gone without TCP having noticed.
    pub(crate) async fn give_up(self, shared: &Shared, kind: &ServiceBusErrorKind) {
        if matches!(kind, ServiceBusErrorKind::Timeout { .. }) {
            shared.forget(&self.connection).await;
        }
    }
}

/// A kind of link.
pub(crate) trait Link: Sized + Send + 'static {
    fn attach(
        session: &mut SessionHandle<()>,
        entity: &str,
    ) -> impl Future<Output = Result<Self, ServiceBusErrorKind>> + Send;

    fn close(self) -> impl Future<Output = Result<(), ServiceBusErrorKind>> + Send;
}

impl Link for Sender {
    async fn attach(
        session: &mut SessionHandle<()>,
        entity: &str,
    ) -> Result<Self, ServiceBusErrorKind> {
        let name = format!("{entity}-{}", Uuid::new_v4());
        Ok(Self::builder()
            .source(name.as_str())
            .name(name)
            .target(entity)
            .attach(session)
            .await?)
    }

    async fn close(self) -> Result<(), ServiceBusErrorKind> {
        Ok(Self::close(self).await?)
    }
}

/// In peek-lock mode (the receiver settles second), with no credit yet.
impl Link for Receiver {
    async fn attach(
        session: &mut SessionHandle<()>,
        entity: &str,
    ) -> Result<Self, ServiceBusErrorKind> {
        let name = format!("{entity}-{}", Uuid::new_v4());
        Ok(Self::builder()
            .target(name.as_str())
            .name(name)
            .source(entity)
            .receiver_settle_mode(ReceiverSettleMode::Second)
            .credit_mode(CreditMode::Manual)
            .attach(session)
            .await?)
    }

    async fn close(self) -> Result<(), ServiceBusErrorKind> {
        Ok(Self::close(self).await?)
    }
}

impl Link for RequestLink {
    async fn attach(
        session: &mut SessionHandle<()>,
        entity: &str,
    ) -> Result<Self, ServiceBusErrorKind> {
        Self::attach(session, entity).await
    }

    async fn close(self) -> Result<(), ServiceBusErrorKind> {
        Self::close(self).await
    }
}

/// Opens a fresh link, with a token put for it, on the client's connection.
pub(crate) async fn open<L: Link>(
    shared: &Arc<Shared>,
    entity: &Entity,
    limit: Duration,
) -> Result<Opened<L>, ServiceBusErrorKind> {
    let (shared, entity) = (Arc::clone(shared), entity.clone());
    uncancelled(Box::pin(async move {
        open_over(shared.connection(), &shared, &entity, limit).await
    }))
    .await
}

/// The same on a connection that nothing else uses.
pub(crate) async fn open_alone<L: Link>(
    shared: &Arc<Shared>,
    entity: &Entity,
    limit: Duration,
) -> Result<Opened<L>, ServiceBusErrorKind> {
    let (shared, entity) = (Arc::clone(shared), entity.clone());
    uncancelled(Box::pin(async move {
        open_over(shared.new_connection(), &shared, &entity, limit).await
    }))
    .await
}

/// A handshake that is abandoned half-way would leave the connection in doubt for everyone, so it
/// runs in a task of its own and, if the caller is gone, its link is closed when it is there.
async fn uncancelled<L: Link>(
    opening: Pin<
        Box<impl Future<Output = Result<Opened<L>, ServiceBusErrorKind>> + Send + 'static>,
    >,
) -> Result<Opened<L>, ServiceBusErrorKind> {
    tokio::spawn(opening)
        .await
        .unwrap_or_else(|error| Err(ServiceBusErrorKind::connection(error)))
}

async fn open_over<L: Link>(
    connecting: impl Future<Output = Result<Arc<Connection>, ServiceBusErrorKind>>,
    shared: &Arc<Shared>,
    entity: &Entity,
    limit: Duration,
) -> Result<Opened<L>, ServiceBusErrorKind> {
    let deadline = Instant::now() + limit;
    let timed_out = |_| ServiceBusErrorKind::Timeout { after: limit };

    let token = timeout_at(deadline, shared.token())
        .await
        .map_err(timed_out)??;
    let connection = timeout_at(deadline, connecting)
        .await
        .map_err(timed_out)??;
    let handshake = async {
        let audience = entity.audience(shared.namespace());
        let claim = Claim::put(shared, &connection, audience, token).await?;
        attach(Arc::clone(&connection), entity, claim).await
    };
    match timeout_at(deadline, handshake).await {
        Ok(outcome) => outcome,
        Err(elapsed) => {
            // A peer that does not answer may be gone without TCP having noticed.
            shared.forget(&connection).await;
            Err(timed_out(elapsed))
        }
    }
}

async fn attach<L: Link>(
    connection: Arc<Connection>,
    entity: &Entity,
    claim: Claim,
) -> Result<Opened<L>, ServiceBusErrorKind> {
    let mut session = connection.begin_session().await?;
    let link = L::attach(&mut session, entity.path()).await?;
    tracing::debug!(entity = entity.path(), "opened a link");
    Ok(Opened {
        link,
        session: WatchedSession::new(session),
        claim,
        connection,
        since: Instant::now(),
    })
}
