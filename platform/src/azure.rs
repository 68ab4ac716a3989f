//! The clients of one pod, built once: Microsoft's own crates, all with the
//! pod's one identity and with the same bounds on retries and time.
//!
//! Building them asks nothing of Azure. A pod that may not read a container
//! still starts, and learns of it when it uses the container.

mod failure;
pub(crate) mod pipeline;
mod service_bus;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ::service_bus::ServiceBusClient;
use azure_core::credentials::TokenCredential;
use azure_data_cosmos::options::{
    ConnectionPoolOptions, EndToEndOperationLatencyPolicy, OperationOptions,
    OperationOptionsBuilder, Region, ThrottlingRetryOptionsBuilder,
};
use azure_data_cosmos::{
    AccountReference, ContainerClient, CosmosClient, CosmosRuntime, RoutingStrategy,
};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use azure_storage_blob::{BlobContainerClient, BlobServiceClient, BlobServiceClientOptions};
use tokio::sync::OnceCell;

use crate::estate::{Cosmos, Estate};

pub use failure::{AzureFailure, Service};
pub use service_bus::{QueueSender, queue_call};

/// The clients of the Azure services that the estate names. A cheap handle.
#[derive(Clone)]
pub struct Clients(Arc<Inner>);

struct Inner {
    estate: Estate,
    credential: Arc<dyn TokenCredential>,
    secrets: SecretClient,
    blobs: BlobServiceClient,
    bus: ServiceBusClient,
    cosmos: OnceCell<CosmosClient>,
    /// Containers that were opened, by name. Held for a line, never across an
    /// await.
    containers: Mutex<HashMap<String, ContainerClient>>,
}

impl Clients {
    /// Builds the clients. Nothing is sent.
    pub fn connect(
        estate: &Estate,
        credential: Arc<dyn TokenCredential>,
    ) -> Result<Self, AzureFailure> {
        let secrets = SecretClient::new(
            estate.vault.url.as_str(),
            Arc::clone(&credential),
            Some(SecretClientOptions {
                client_options: pipeline::options(&pipeline::REQUEST, Vec::new()),
                ..SecretClientOptions::default()
            }),
        )
        .map_err(AzureFailure::key_vault)?;
        let blobs = BlobServiceClient::new(
            estate.storage.url.clone(),
            Some(Arc::clone(&credential)),
            Some(BlobServiceClientOptions {
                client_options: pipeline::options(&pipeline::TRANSFER, Vec::new()),
                ..BlobServiceClientOptions::default()
            }),
        )
        .map_err(AzureFailure::blob)?;
        let bus = service_bus::connect(&estate.bus, &credential)?;
        Ok(Self(Arc::new(Inner {
            estate: estate.clone(),
            credential,
            secrets,
            blobs,
            bus,
            cosmos: OnceCell::new(),
            containers: Mutex::default(),
        })))
    }

    /// Where everything is.
    pub fn estate(&self) -> &Estate {
        &self.0.estate
    }

    /// The secrets of the Key Vault.
    pub fn secrets(&self) -> &SecretClient {
        &self.0.secrets
    }

    /// The storage account's blobs.
    pub fn blobs(&self) -> &BlobServiceClient {
        &self.0.blobs
    }

    /// The container of attachments.
    pub fn attachments(&self) -> BlobContainerClient {
        self.0
            .blobs
            .blob_container_client(&self.0.estate.storage.attachments)
    }

    /// The Service Bus namespace.
    pub fn bus(&self) -> &ServiceBusClient {
        &self.0.bus
    }

    /// What sends to a queue of the namespace.
    pub fn sender(&self, queue: &str) -> QueueSender {
        QueueSender::new(self.0.bus.create_sender(queue))
    }

    /// The Cosmos DB container of todos.
    pub async fn todos(&self) -> Result<ContainerClient, AzureFailure> {
        self.container(&self.0.estate.cosmos.todos).await
    }

    /// The Cosmos DB container of activity.
    pub async fn activity(&self) -> Result<ContainerClient, AzureFailure> {
        self.container(&self.0.estate.cosmos.activity).await
    }

    /// A container of the Cosmos DB database. The first use asks for its
    /// metadata, which needs a role on the container (`403/5301` without); what
    /// fails is tried again at the next use.
    pub async fn container(&self, name: &str) -> Result<ContainerClient, AzureFailure> {
        if let Some(open) = self.opened().get(name) {
            return Ok(open.clone());
        }
        let container = self
            .cosmos()
            .await?
            .database_client(self.0.estate.cosmos.database.clone())
            .container_client(name.to_owned(), None)
            .await
            .map_err(AzureFailure::cosmos)?;
        self.opened().insert(name.to_owned(), container.clone());
        Ok(container)
    }

    async fn cosmos(&self) -> Result<&CosmosClient, AzureFailure> {
        let Inner {
            estate, credential, ..
        } = &*self.0;
        self.0
            .cosmos
            .get_or_try_init(|| connect_cosmos(&estate.cosmos, credential))
            .await
            .map_err(AzureFailure::cosmos)
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashMap<String, ContainerClient>> {
        self.0
            .containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("estate", &self.0.estate)
            .finish_non_exhaustive()
    }
}

/// Reads the account (`GET /`) to learn its regions.
async fn connect_cosmos(
    cosmos: &Cosmos,
    credential: &Arc<dyn TokenCredential>,
) -> azure_data_cosmos::Result<CosmosClient> {
    let pool = ConnectionPoolOptions::builder()
        .with_max_connect_timeout(pipeline::CONNECT_TIMEOUT)
        .with_max_dataplane_request_timeout(pipeline::REQUEST.answer)
        .with_max_metadata_request_timeout(pipeline::REQUEST.answer)
        .build()?;
    let runtime = CosmosRuntime::builder()
        .with_connection_pool(pool)
        .with_default_operation_options(bounded())
        .build()
        .await?;
    CosmosClient::builder()
        .with_runtime(runtime)
        .build(
            AccountReference::with_credential(
                cosmos.endpoint.clone().into(),
                Arc::clone(credential),
            ),
            RoutingStrategy::ProximityTo(Region::from(cosmos.region.clone())),
        )
        .await
}

/// At most three attempts, within the time that any request has.
fn bounded() -> OperationOptions {
    OperationOptionsBuilder::new()
        .with_end_to_end_latency_policy(EndToEndOperationLatencyPolicy::new(
            pipeline::REQUEST.in_total,
        ))
        .with_max_failover_retry_count(pipeline::RETRIES)
        .with_max_session_retry_count(pipeline::RETRIES)
        .with_throttling_retry_options(
            ThrottlingRetryOptionsBuilder::new()
                .with_max_retry_count(pipeline::RETRIES)
                .with_max_retry_wait_time(pipeline::REQUEST.in_total)
                .build(),
        )
        .build()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::estate::tests::BASE;
    use crate::settings::{Reader, Vars};

    /// A credential of which nothing is asked.
    #[derive(Debug)]
    pub(crate) struct Unasked;

    #[async_trait::async_trait]
    impl TokenCredential for Unasked {
        async fn get_token(
            &self,
            scopes: &[&str],
            _: Option<azure_core::credentials::TokenRequestOptions<'_>>,
        ) -> azure_core::Result<azure_core::credentials::AccessToken> {
            panic!("a token was asked for: {scopes:?}")
        }
    }

    #[tokio::test]
    async fn building_the_clients_asks_nothing_of_azure() {
        crate::pod::install_crypto_provider();
        let mut reader = Reader::new(&Vars::from_pairs(BASE));
        let estate = Estate::read(&mut reader);
        let estate = reader.finish(|| estate.get()).expect("the base estate");

        let clients = Clients::connect(&estate, Arc::new(Unasked)).expect("the clients");

        assert_eq!(
            clients.attachments().url().as_str(),
            "https://localstorage.blob.core.windows.net/attachments"
        );
    }
}
