//! The estate: where the resources are that the pods of this workload use, and
//! what they are called. None of it is a secret.
//!
//! The config map `estate` (`k8s/base/estate.yaml`) sets these variables for
//! every pod: every pod knows all of them, because the access probe tries each.

use std::time::Duration;

use url::Url;

use crate::settings::{Reader, Value};

const KEY_CACHE: Duration = Duration::from_mins(1);

/// The resources that any pod may be allowed to use.
#[derive(Debug, Clone)]
pub struct Estate {
    /// The Key Vault.
    pub vault: Vault,
    /// The Cosmos DB account.
    pub cosmos: Cosmos,
    /// The storage account.
    pub storage: Storage,
    /// The Service Bus namespace.
    pub bus: Bus,
}

/// The Key Vault and its secrets.
#[derive(Debug, Clone)]
pub struct Vault {
    /// `KEY_VAULT_URL`: `https://<name>.vault.azure.net/`.
    pub url: Url,
    /// `SESSION_KEY_SECRET`: the secret that signs sessions.
    pub session_key: String,
    /// `SHARE_LINK_KEY_SECRET`: the secret that signs shared links.
    pub share_link_key: String,
    /// `KEY_CACHE_SECONDS`, by default 60: how long a pod believes what Key Vault
    /// said about a key. Within this time a disabled version is refused, and
    /// after twice this time a new one signs.
    pub key_cache: Duration,
}

/// The Cosmos DB account, its database and its containers.
#[derive(Debug, Clone)]
pub struct Cosmos {
    /// `COSMOS_ENDPOINT`: `https://<name>.documents.azure.com/`.
    pub endpoint: Url,
    /// `COSMOS_DATABASE`.
    pub database: String,
    /// `COSMOS_TODOS_CONTAINER`: the container of todos.
    pub todos: String,
    /// `COSMOS_ACTIVITY_CONTAINER`: the container of activity.
    pub activity: String,
    /// `COSMOS_REGION`: the region that this pod is in or nearest to, by its
    /// display name (`East US`).
    pub region: String,
}

/// The storage account and its containers.
#[derive(Debug, Clone)]
pub struct Storage {
    /// `STORAGE_URL`: `https://<name>.blob.core.windows.net/`.
    pub url: Url,
    /// `ATTACHMENTS_CONTAINER`: the container of attachments.
    pub attachments: String,
}

/// The Service Bus namespace and its queues.
#[derive(Debug, Clone)]
pub struct Bus {
    /// `SERVICE_BUS_NAMESPACE`: the host name, `<name>.servicebus.windows.net`.
    pub namespace: String,
    /// `TODO_EVENTS_QUEUE`: the queue of events.
    pub todo_events: String,
    /// `ATTACHMENT_JOBS_QUEUE`: the queue of jobs.
    pub attachment_jobs: String,
    /// `SERVICE_BUS_CUSTOM_ENDPOINT`, optional: the host and port to connect to
    /// in place of the namespace on port 5671, as behind a private endpoint or a
    /// proxy. What the official clients call the custom endpoint address.
    pub custom_endpoint: Option<String>,
}

impl Estate {
    /// Reads the variables of the estate.
    pub fn read(reader: &mut Reader) -> Value<Self> {
        let vault = reader.url("KEY_VAULT_URL", "address of the Key Vault");
        let session_key = reader.required("SESSION_KEY_SECRET", "name of the secret");
        let share_link_key = reader.required("SHARE_LINK_KEY_SECRET", "name of the secret");
        let key_cache = reader.parsed_or("KEY_CACHE_SECONDS", KEY_CACHE, up_to_an_hour);
        let cosmos = reader.url("COSMOS_ENDPOINT", "address of the Cosmos DB account");
        let database = reader.required("COSMOS_DATABASE", "name of the Cosmos DB database");
        let todos = reader.required("COSMOS_TODOS_CONTAINER", "name of the container");
        let activity = reader.required("COSMOS_ACTIVITY_CONTAINER", "name of the container");
        let region = reader.required("COSMOS_REGION", "the nearest Azure region, as \"East US\"");
        let storage = reader.url("STORAGE_URL", "address of the storage account's blobs");
        let attachments = reader.required("ATTACHMENTS_CONTAINER", "name of the blob container");
        let namespace = reader.parsed(
            "SERVICE_BUS_NAMESPACE",
            "host name of the Service Bus namespace",
            host_name,
        );
        let todo_events = reader.required("TODO_EVENTS_QUEUE", "name of the queue");
        let attachment_jobs = reader.required("ATTACHMENT_JOBS_QUEUE", "name of the queue");
        let custom_endpoint = reader.parsed_if_set("SERVICE_BUS_CUSTOM_ENDPOINT", host_and_port);

        reader.group(|| Self {
            vault: Vault {
                url: vault.get(),
                session_key: session_key.get(),
                share_link_key: share_link_key.get(),
                key_cache: key_cache.get(),
            },
            cosmos: Cosmos {
                endpoint: cosmos.get(),
                database: database.get(),
                todos: todos.get(),
                activity: activity.get(),
                region: region.get(),
            },
            storage: Storage {
                url: storage.get(),
                attachments: attachments.get(),
            },
            bus: Bus {
                namespace: namespace.get(),
                todo_events: todo_events.get(),
                attachment_jobs: attachment_jobs.get(),
                custom_endpoint: custom_endpoint.get(),
            },
        })
    }
}

fn up_to_an_hour(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("is not a whole number of seconds from 1 to 3600".to_owned()),
    }
}

fn host_name(text: &str) -> Result<String, String> {
    let sound = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    if sound {
        Ok(text.to_owned())
    } else {
        Err("is not a host name, such as contoso.servicebus.windows.net".to_owned())
    }
}

fn host_and_port(text: &str) -> Result<String, String> {
    let complaint = "is not a host and a port, such as 10.0.0.4:5671";
    let (host, port) = text.rsplit_once(':').ok_or(complaint)?;
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err(complaint.to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::settings::{SettingsError, Vars};

    /// The variables of `k8s/base/estate.yaml`.
    pub(crate) const BASE: [(&str, &str); 13] = [
        ("KEY_VAULT_URL", "https://localvault.vault.azure.net/"),
        ("SESSION_KEY_SECRET", "session-key"),
        ("SHARE_LINK_KEY_SECRET", "share-link-key"),
        (
            "COSMOS_ENDPOINT",
            "https://localcosmos.documents.azure.com/",
        ),
        ("COSMOS_DATABASE", "todolist"),
        ("COSMOS_TODOS_CONTAINER", "todos"),
        ("COSMOS_ACTIVITY_CONTAINER", "activity"),
        ("COSMOS_REGION", "East US"),
        ("STORAGE_URL", "https://localstorage.blob.core.windows.net/"),
        ("ATTACHMENTS_CONTAINER", "attachments"),
        ("SERVICE_BUS_NAMESPACE", "localbus.servicebus.windows.net"),
        ("TODO_EVENTS_QUEUE", "todo-events"),
        ("ATTACHMENT_JOBS_QUEUE", "attachment-jobs"),
    ];

    fn read<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Estate, SettingsError> {
        let mut reader = Reader::new(&Vars::from_pairs(pairs));
        let estate = Estate::read(&mut reader);
        reader.finish(|| estate.get())
    }

    #[test]
    fn the_base_manifests_estate_is_readable() {
        let estate = read(BASE).expect("the base estate");

        assert_eq!(estate.bus.namespace, "localbus.servicebus.windows.net");
        assert_eq!(estate.cosmos.region, "East US");
        assert_eq!(estate.bus.custom_endpoint, None);
        assert_eq!(estate.vault.key_cache, Duration::from_mins(1));
    }

    #[test]
    fn an_estate_without_variables_names_each_of_them() {
        let error = read([]).expect_err("nothing is set").to_string();

        for (name, _) in BASE {
            assert!(error.contains(&format!("{name} is not set")), "{error}");
        }
    }

    #[test]
    fn a_namespace_is_a_host_and_not_an_address() {
        let pairs = BASE.into_iter().map(|(name, value)| match name {
            "SERVICE_BUS_NAMESPACE" => (name, "sb://localbus.servicebus.windows.net/"),
            _ => (name, value),
        });

        let error = read(pairs).expect_err("an address").to_string();

        assert_eq!(
            error,
            "SERVICE_BUS_NAMESPACE: \"sb://localbus.servicebus.windows.net/\" is not a host name, \
             such as contoso.servicebus.windows.net"
        );
    }

    #[test]
    fn a_custom_endpoint_needs_a_port() {
        let pairs = BASE
            .into_iter()
            .chain([("SERVICE_BUS_CUSTOM_ENDPOINT", "127.0.0.1")]);

        let error = read(pairs).expect_err("no port").to_string();

        assert_eq!(
            error,
            "SERVICE_BUS_CUSTOM_ENDPOINT: \"127.0.0.1\" is not a host and a port, such as 10.0.0.4:5671"
        );
    }
}
