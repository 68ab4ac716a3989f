//! The client: one namespace, one identity, at most one connection at a time, which senders,
//! receivers and probes share.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use azure_core::credentials::{AccessToken, TokenCredential};
use tokio::{sync::Mutex, time::timeout};
use tokio_rustls::TlsConnector;

use crate::{
    Direction, ServiceBusClientOptions, ServiceBusError, ServiceBusErrorKind, ServiceBusReceiver,
    ServiceBusReceiverOptions, ServiceBusSender,
    address::{Endpoint, Entity},
    connection::{Connection, tls_connector},
    probe,
};

/// What a token is asked for at Entra ID.
const SCOPE: &str = "https://servicebus.azure.net/.default";

/// A client of one Service Bus namespace. Cheap to clone; clones share the connection.
///
/// Nothing is opened before it is needed.
#[derive(Clone)]
pub struct ServiceBusClient {
    shared: Arc<Shared>,
}

/// What all users of a client share.
pub(crate) struct Shared {
    namespace: String,
    endpoint: Endpoint,
    tls: TlsConnector,
    credential: Arc<dyn TokenCredential>,
    pub(crate) options: ServiceBusClientOptions,
    connection: Mutex<Option<Arc<Connection>>>,
    is_closed: AtomicBool,
}

impl ServiceBusClient {
    /// A client of `fully_qualified_namespace` (`<name>.servicebus.windows.net`).
    ///
    /// # Errors
    ///
    /// [`ServiceBusErrorKind::InvalidAddress`] and [`ServiceBusErrorKind::Tls`].
    pub fn new(
        fully_qualified_namespace: &str,
        credential: Arc<dyn TokenCredential>,
        options: ServiceBusClientOptions,
    ) -> Result<Self, ServiceBusError> {
        let namespace = fully_qualified_namespace.to_owned();
        let during = |kind: ServiceBusErrorKind| kind.during("set up a client of", &namespace);

        let endpoint = Endpoint::new(&namespace, options.custom_endpoint_address.as_deref())
            .map_err(during)?;
        let tls = tls_connector().map_err(during)?;

        Ok(Self {
            shared: Arc::new(Shared {
                namespace,
                endpoint,
                tls,
                credential,
                options,
                connection: Mutex::default(),
                is_closed: AtomicBool::new(false),
            }),
        })
    }

    /// A sender to `queue`. Its link is opened by the first message.
    pub fn create_sender(&self, queue: &str) -> ServiceBusSender {
        ServiceBusSender::new(Arc::clone(&self.shared), Entity::queue(queue))
    }

    /// A receiver from `queue` in peek-lock mode. Its link is opened by the first receive.
    pub fn create_receiver(
        &self,
        queue: &str,
        options: ServiceBusReceiverOptions,
    ) -> ServiceBusReceiver {
        let entity = Entity::queue(queue).sub_queue(options.sub_queue);
        ServiceBusReceiver::new(Arc::clone(&self.shared), entity)
    }

    /// Whether the identity may send to, or receive from, `queue`, without any side effect: on a
    /// connection of its own, puts a token, attaches a fresh link with zero credit, detaches it.
    ///
    /// The broker refuses an attach with an attach of its own that names no terminus, followed by
    /// a detach with the reason. Success therefore needs two things: an attach that names one,
    /// and an orderly answer to our detach. Frames of a link keep their order, so that a refusal
    /// cannot hide behind that answer.
    ///
    /// # Errors
    ///
    /// [`ServiceBusErrorKind::Unauthorized`] when the role is missing; anything else when the
    /// question could not be answered.
    pub async fn probe(&self, queue: &str, direction: Direction) -> Result<(), ServiceBusError> {
        probe::probe(&self.shared, &Entity::queue(queue), direction).await
    }

    /// Closes the connection. Whatever is still in use fails with
    /// [`ServiceBusErrorKind::Closed`] from now on.
    pub async fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Release);
        let connection = self.shared.connection.lock().await.take();
        if let Some(connection) = connection {
            connection.close().await;
        }
    }
}

impl fmt::Debug for ServiceBusClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBusClient")
            .field("namespace", &self.shared.namespace)
            .field("endpoint", &self.shared.endpoint)
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// An access token; the credential caches it.
    pub(crate) async fn token(&self) -> Result<AccessToken, ServiceBusErrorKind> {
        self.credential
            .get_token(&[SCOPE], None)
            .await
            .map_err(|source| ServiceBusErrorKind::TokenUnavailable {
                scope: SCOPE,
                source: Box::new(source),
            })
    }

    /// The connection, opened anew if there is none or it was lost.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, ServiceBusErrorKind> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &*slot {
            if connection.is_open().await {
                return Ok(Arc::clone(connection));
            }
            tracing::debug!(namespace = %self.namespace, "the connection was lost, opening another");
        }
        *slot = None;
        let connection = self.new_connection().await?;
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// A connection that the client does not share.
    pub(crate) async fn new_connection(&self) -> Result<Arc<Connection>, ServiceBusErrorKind> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(ServiceBusErrorKind::Closed);
        }
        let connection = Connection::open(&self.endpoint, &self.namespace, &self.tls).await?;
        Ok(Arc::new(connection))
    }

    /// Gives up a connection that does not answer. Its links find out by themselves.
    pub(crate) async fn forget(&self, connection: &Arc<Connection>) {
        let mut slot = self.connection.lock().await;
        if slot
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, connection))
        {
            tracing::debug!(namespace = %self.namespace, "the connection does not answer, giving it up");
            *slot = None;
        }
    }

    pub(crate) async fn within_try_timeout<T>(
        &self,
        work: impl Future<Output = Result<T, ServiceBusErrorKind>>,
    ) -> Result<T, ServiceBusErrorKind> {
        let after = self.options.try_timeout;
        timeout(after, work)
            .await
            .unwrap_or(Err(ServiceBusErrorKind::Timeout { after }))
    }
}
