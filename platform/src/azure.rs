//! The clients of one pod, built once: Microsoft's own crates, all with the
//! pod's one identity and with the same bounds on retries and time.
//!
//! Building them asks nothing of Azure. A pod that may not read a container
//! still starts, and learns of it when it uses the container.

mod calls;
mod cosmos;
mod failure;
pub(crate) mod pipeline;
mod presented;
mod service_bus;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ::service_bus::ServiceBusClient;
use azure_core::credentials::TokenCredential;
use azure_core::http::ClientOptions;
use azure_data_cosmos::{ContainerClient, CosmosClient};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use azure_storage_blob::{BlobContainerClient, BlobServiceClient, BlobServiceClientOptions};
use tokio::sync::OnceCell;

use crate::estate::Estate;
use presented::Presented;

pub use failure::{AzureFailure, Service};
pub use service_bus::{QueueSender, queue_call};

/// The clients of the Azure services that the estate names. A cheap handle.
#[derive(Clone)]
pub struct Clients(Arc<Inner>);

struct Inner {
    estate: Estate,
    secrets: SecretClient,
    blobs: BlobServiceClient,
    bus: ServiceBusClient,
    /// What the client of Service Bus presents.
    to_bus: Presented,
    cosmos: OnceCell<CosmosClient>,
    /// What the client of Cosmos DB will present.
    to_cosmos: Presented,
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
        let to_vault = Presented::new(credential);
        let [to_storage, to_bus, to_cosmos] = [(); 3].map(|()| to_vault.another());
        let secrets = SecretClient::new(
            estate.vault.url.as_str(),
            to_vault.credential(),
            Some(SecretClientOptions {
                client_options: told(Service::KeyVault, to_vault, &pipeline::REQUEST),
                ..SecretClientOptions::default()
            }),
        )
        .map_err(AzureFailure::key_vault)?;
        let blobs = BlobServiceClient::new(
            estate.storage.url.clone(),
            Some(to_storage.credential()),
            Some(BlobServiceClientOptions {
                client_options: told(Service::BlobStorage, to_storage, &pipeline::TRANSFER),
                ..BlobServiceClientOptions::default()
            }),
        )
        .map_err(AzureFailure::blob)?;
        let bus = service_bus::connect(&estate.bus, &to_bus.credential())?;
        Ok(Self(Arc::new(Inner {
            estate: estate.clone(),
            secrets,
            blobs,
            bus,
            to_bus,
            cosmos: OnceCell::new(),
            to_cosmos,
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

    /// Asks for a blob that is not there: who is told so may read the container.
    // Identity frontend or worker, Storage Blob Data Contributor on container attachments.
    pub async fn reach_attachments(&self) -> Result<(), AzureFailure> {
        let blob = self.attachments().blob_client("readiness");
        blob.exists().await.map(drop).map_err(AzureFailure::blob)
    }

    /// The Service Bus namespace.
    pub fn bus(&self) -> &ServiceBusClient {
        &self.0.bus
    }

    /// What sends to a queue of the namespace.
    pub fn sender(&self, queue: &str) -> QueueSender {
        QueueSender::new(self.0.bus.create_sender(queue), self.0.to_bus.clone())
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
            estate, to_cosmos, ..
        } = &*self.0;
        self.0
            .cosmos
            .get_or_try_init(|| cosmos::connect(&estate.cosmos, to_cosmos))
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

/// The options of an HTTP client that tells of its calls.
fn told(service: Service, presented: Presented, bounds: &pipeline::Bounds) -> ClientOptions {
    let mut options = pipeline::options(bounds, vec![Arc::new(calls::Call(service))]);
    let attempt = Arc::new(calls::Attempt(presented));
    options.per_try_policies.push(attempt);
    options
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
