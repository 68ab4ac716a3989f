//! One AMQP connection: TCP, TLS, SASL ANONYMOUS, Open. It never reconnects; whoever needs a
//! connection asks the client for one that is open.

use std::{sync::Arc, time::Duration};

use fe2o3_amqp::{
    Session, connection::ConnectionHandle, sasl_profile::SaslProfile, session::SessionHandle,
};
use rustls::{ClientConfig, crypto::aws_lc_rs};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::{net::TcpStream, sync::Mutex, time::timeout};
use tokio_rustls::TlsConnector;
use uuid::Uuid;

use crate::{ServiceBusErrorKind, address::Endpoint, cbs::Cbs};

/// Frames of Service Bus are at most this large.
const MAX_FRAME_BYTES: u32 = 64 * 1024;

/// The connection counts as lost when the broker is silent for this long.
const IDLE_TIMEOUT_MS: u32 = 60_000;

/// How long closing waits for the broker's answer.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) struct Connection {
    handle: Mutex<ConnectionHandle<()>>,
    pub(crate) cbs: Cbs,
}

impl Connection {
    pub(crate) async fn open(
        endpoint: &Endpoint,
        namespace: &str,
        tls: &TlsConnector,
    ) -> Result<Self, ServiceBusErrorKind> {
        let lost = |error: std::io::Error| {
            let Endpoint { host, port, .. } = endpoint;
            ServiceBusErrorKind::connection(format_args!("cannot reach {host}:{port}: {error}"))
        };

        let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
            .await
            .map_err(lost)?;
        tcp.set_nodelay(true).map_err(lost)?;
        let stream = tls
            .connect(endpoint.server_name.clone(), tcp)
            .await
            .map_err(lost)?;
        let handle = fe2o3_amqp::Connection::builder()
            .container_id(Uuid::new_v4().to_string())
            .hostname(namespace)
            .sasl_profile(SaslProfile::Anonymous)
            .max_frame_size(MAX_FRAME_BYTES)
            .idle_time_out(IDLE_TIMEOUT_MS)
            .open_with_stream(stream)
            .await?;
        tracing::debug!(endpoint = %endpoint.host, port = endpoint.port, "connected to Service Bus");

        Ok(Self {
            handle: Mutex::new(handle),
            cbs: Cbs::default(),
        })
    }

    pub(crate) async fn is_open(&self) -> bool {
        !self.handle.lock().await.is_closed()
    }

    /// A session of its own for each link, as the official JavaScript SDK has it: what ends one
    /// session leaves the other links alone.
    pub(crate) async fn begin_session(&self) -> Result<SessionHandle<()>, ServiceBusErrorKind> {
        let mut handle = self.handle.lock().await;
        Ok(Session::begin(&mut handle).await?)
    }

    pub(crate) async fn close(&self) {
        let closing = async { self.handle.lock().await.close().await };
        match timeout(CLOSE_TIMEOUT, closing).await {
            Ok(Ok(())) => tracing::debug!("closed the connection to Service Bus"),
            Ok(Err(error)) => tracing::debug!(%error, "the connection to Service Bus was gone"),
            Err(_) => tracing::debug!("Service Bus did not answer the closing of the connection"),
        }
    }
}

/// TLS with the platform's trust: on Linux the system's roots, or those in `SSL_CERT_FILE`.
pub(crate) fn tls_connector() -> Result<TlsConnector, ServiceBusErrorKind> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| ServiceBusErrorKind::Tls {
            description: error.to_string(),
        })?
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
