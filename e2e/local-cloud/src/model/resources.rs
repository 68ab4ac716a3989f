//! The resources of an access model, by kind: what exists in each.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::ModelError;
use super::place::Place;
use crate::names;
use crate::unique_map::UniqueMap;

/// One resource.
#[derive(Clone, Debug)]
pub enum Resource {
    /// A key vault.
    KeyVault(KeyVaultSpec),
    /// A Cosmos DB account for `NoSQL`.
    Cosmos(CosmosSpec),
    /// A storage account.
    Storage(StorageSpec),
    /// A Service Bus namespace.
    ServiceBus(ServiceBusSpec),
    /// Microsoft Graph, of which there is one.
    Graph(GraphSpec),
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type")]
    name: &'a str,
}

impl Resource {
    /// Parses a resource where it stands in the file. The kind is read first, so
    /// that every error names the place of what is wrong.
    pub(super) fn parse(text: &str, name: &str, raw: &RawValue) -> Result<Self, ModelError> {
        let place = Place::of(text, raw);
        if !is_name(name) {
            let rule = "1 to 18 lower-case letters and digits, beginning with a letter";
            return Err(ModelError::new(
                place,
                format!("`{name}` is no name of a resource: {rule}"),
            ));
        }
        let kind: Kind<'_> = serde_json::from_str(raw.get())
            .map_err(|error| ModelError::new(place, error.to_string()))?;
        match kind.name {
            "keyVault" => place.parse(raw).map(Self::KeyVault),
            "cosmos" => place.parse(raw).map(Self::Cosmos),
            "storage" => place.parse(raw).map(Self::Storage),
            "serviceBus" => place.parse(raw).map(Self::ServiceBus),
            "graph" => place.parse(raw).map(Self::Graph),
            other => Err(ModelError::new(
                place,
                format!(
                    "unknown type `{other}`; known are: cosmos, graph, keyVault, serviceBus, storage"
                ),
            )),
        }
    }

    /// The real host name that a resource of this logical name is reached under.
    pub fn host(&self, name: &str) -> String {
        let domain = match self {
            Self::KeyVault(_) => "vault.azure.net",
            Self::Cosmos(_) => "documents.azure.com",
            Self::Storage(_) => "blob.core.windows.net",
            Self::ServiceBus(_) => "servicebus.windows.net",
            Self::Graph(_) => return names::GRAPH_HOST.to_owned(),
        };
        format!("{}.{domain}", names::physical(name))
    }
}

/// Microsoft Graph: the directory is what it shows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphSpec {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
}

/// The secrets of a vault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyVaultSpec {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    /// Secrets by name.
    #[serde(deserialize_with = "unique")]
    pub secrets: BTreeMap<String, SecretSpec>,
}

/// How a secret's first value comes about. No value is ever written down.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretSpec {
    /// The number of random bytes.
    pub generate_bytes: usize,
}

/// The databases of a Cosmos DB account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosmosSpec {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    /// Databases by name.
    #[serde(deserialize_with = "unique")]
    pub databases: BTreeMap<String, DatabaseSpec>,
}

/// The containers of a database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSpec {
    /// Containers by name.
    #[serde(deserialize_with = "unique")]
    pub containers: BTreeMap<String, CosmosContainerSpec>,
}

/// A Cosmos container.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CosmosContainerSpec {
    /// The path of the partition key, such as `/listId`.
    pub partition_key: String,
}

/// The containers of a storage account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageSpec {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    /// Blob containers by name.
    pub containers: Vec<String>,
}

/// The queues of a Service Bus namespace.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceBusSpec {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    /// Queues by name.
    #[serde(deserialize_with = "unique")]
    pub queues: BTreeMap<String, QueueSpec>,
}

/// A queue's settings; defaults are Service Bus' own.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct QueueSpec {
    /// How long a received message stays locked.
    #[serde(deserialize_with = "iso_8601")]
    pub lock_duration: Duration,
    /// Deliveries after which a message is dead-lettered.
    pub max_delivery_count: NonZeroU32,
    /// Whether a second message of the same id is dropped.
    pub requires_duplicate_detection: bool,
    /// For how long message ids are remembered.
    #[serde(deserialize_with = "iso_8601")]
    pub duplicate_detection_history_time_window: Duration,
}

impl Default for QueueSpec {
    fn default() -> Self {
        Self {
            lock_duration: Duration::from_mins(1),
            max_delivery_count: NonZeroU32::new(10).expect("ten is not zero"),
            requires_duplicate_detection: false,
            duplicate_detection_history_time_window: Duration::from_mins(10),
        }
    }
}

/// What every kind of resource allows, after the `local` in its host name.
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    begins_well && name.len() <= 18 && name.chars().all(allowed)
}

fn unique<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, V>, D::Error> {
    UniqueMap::deserialize(deserializer).map(|map| map.0)
}

fn iso_8601<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let expected = || {
        let problem = format!("`{text}` is not a positive ISO 8601 duration such as PT30S");
        serde::de::Error::custom(problem)
    };
    let duration: jiff::SignedDuration = text.parse().map_err(|_| expected())?;
    let duration = Duration::try_from(duration).map_err(|_| expected())?;
    if duration.is_zero() {
        Err(expected())
    } else {
        Ok(duration)
    }
}
