//! The cloud as a whole: it starts the parts, connects them, and leaves in a
//! state directory what a client needs.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::audit::Audit;
use crate::behind::{self, Behind};
use crate::clock::Clock;
use crate::cluster::{Cluster, WebhookVersion, issuer};
use crate::entra::{Entra, ExternalIssuer, Issuers};
use crate::faults::Faults;
use crate::gate::Gate;
use crate::holds::Holds;
use crate::key_vault::KeyVault;
use crate::keys::{KeyRing, SigningKey};
use crate::lab::Lab;
use crate::model::{self, Model, ModelError};
use crate::names;
use crate::network::{self, Network, port_of};
use crate::proxy::{self, Proxy};
use crate::roles::Roles;
use crate::state::{Endpoints, StateDirectory};
use crate::tls;

mod resources;
mod serving;

use resources::{Digest, Resources, host_names};
use serving::{Buses, serve_buses, serve_console, serve_control, serve_names, serve_planes, spawn};

/// Why the cloud does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The access model is not valid.
    #[error("{file}: {source}")]
    Model {
        /// The file.
        file: String,
        /// What is wrong in it, and where.
        source: ModelError,
    },
    /// The access model cannot be read.
    #[error("{file} cannot be read")]
    ModelFile {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A port cannot be opened.
    #[error("{address} cannot be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A part could not be set up.
    #[error("{what}")]
    Setup {
        /// The part.
        what: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StartError {
    fn setup<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        what: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Setup {
            what,
            source: source.into(),
        }
    }
}

/// What a cloud is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file of the access model.
    pub model: PathBuf,
    /// Where to leave what clients need; a temporary directory if none is named.
    pub state: Option<PathBuf>,
    /// Whose layout the workload-identity webhook has.
    pub webhook: WebhookVersion,
    /// External issuers that Entra ID may ask for their keys. Who is trusted is not
    /// changed by these: that is what federated credentials say.
    pub issuers: Vec<ExternalIssuer>,
    /// The resources that third-party emulators hold, behind the gate.
    pub behind: Vec<Behind>,
    /// Where it listens.
    pub network: Network,
}

impl Options {
    /// A cloud for clients on this machine.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            state: None,
            webhook: WebhookVersion::default(),
            issuers: Vec::new(),
            behind: Vec::new(),
            network: Network::default(),
        }
    }
}

/// Everything that the cloud plays; what the control API works on.
pub(crate) struct Planes {
    pub(crate) gate: Gate,
    pub(crate) entra: Arc<Entra>,
    pub(crate) clock: Clock,
    pub(crate) audit: Audit,
    pub(crate) holds: Holds,
    pub(crate) cluster: Cluster,
    pub(crate) faults: Faults,
    pub(crate) cluster_keys: KeyRing,
    pub(crate) entra_keys: KeyRing,
    pub(crate) vaults: BTreeMap<String, Arc<KeyVault>>,
    digests: BTreeMap<String, Digest>,
}

impl Planes {
    /// A summary of the state of every resource, without any value in it.
    pub(crate) fn digest(&self) -> Value {
        let digests = self
            .digests
            .iter()
            .map(|(name, digest)| (name.clone(), digest()));
        Value::Object(digests.collect())
    }
}

/// A running local cloud; dropping it ends every listener.
pub struct LocalCloud {
    endpoints: Endpoints,
    console: String,
    state: StateDirectory,
    entra: Arc<Entra>,
    gate: Gate,
    _proxy: Proxy,
    _serving: Vec<AbortOnDropHandle<()>>,
}

impl LocalCloud {
    /// Starts a cloud. With a state directory it leaves there what clients need;
    /// without one it makes a temporary one.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let roles = Roles::built_in();
        let model = read(&options.model, &roles)?;
        start(model, roles, options).await
    }

    /// Where everything is.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The login host's plane without a network before it, for benchmarks.
    #[doc(hidden)]
    pub fn token_endpoint(&self) -> Router {
        Arc::clone(&self.entra).router()
    }

    /// The gate of all resources, for benchmarks.
    #[doc(hidden)]
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// The address of the lab console, with the key for it.
    pub fn console(&self) -> &str {
        &self.console
    }

    /// The directory with what clients need.
    pub fn state_directory(&self) -> &Path {
        self.state.path()
    }
}

/// Every host name that a cloud on the access model in this file plays.
pub fn played_hosts(model: &Path) -> Result<Vec<String>, StartError> {
    Ok(host_names(&read(model, &Roles::built_in())?))
}

fn read(path: &Path, roles: &Roles) -> Result<Model, StartError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| StartError::ModelFile {
        file: file.clone(),
        source,
    })?;
    let model = Model::parse(&text, roles).map_err(|source| StartError::Model { file, source })?;
    Ok(model.in_file(model::file_name(path)))
}

async fn start(model: Model, roles: Roles, options: Options) -> Result<LocalCloud, StartError> {
    let Options { state, network, .. } = options;
    let state = StateDirectory::create(state).map_err(StartError::setup("the state directory"))?;
    let clock = Clock::system();
    let audit = Audit::new(clock.clone());
    let holds = Holds::default();
    let (cluster_keys, entra_keys) = signing_keys().await?;

    let hosts = host_names(&model);
    let tls = tls::issue(&hosts).map_err(StartError::setup("the certificates"))?;
    state
        .write_ca(&tls.ca_pem)
        .map_err(StartError::setup("the CA's file"))?;

    let listener = network::loopback().await?;
    let port = port_of(&listener);
    let played = hosts.clone();
    let proxy = proxy::start(network::bind(network.proxy).await?, hosts, port);
    let client =
        proxy::client(&tls.ca_pem, proxy.address).map_err(StartError::setup("the HTTP client"))?;
    let gate = Gate::new(
        model.clone(),
        roles,
        entra_keys.clone(),
        clock.clone(),
        audit.clone(),
        holds.clone(),
    );
    let issuers = issuers(client.clone(), played, options.issuers)?;
    let entra = Entra::new(
        &model,
        gate.clone(),
        entra_keys.clone(),
        issuers,
        clock.clone(),
        audit.clone(),
    );
    let entra = Arc::new(entra);

    let emulators = behind::connect(&model, options.behind, &clock).await;
    let emulators = emulators.map_err(StartError::setup("an emulator behind the gate"))?;
    let resources = Resources::new(&model, &gate, &clock, &emulators);
    let mut planes = resources.http;
    planes.insert(names::LOGIN_HOST.to_owned(), Arc::clone(&entra).router());
    let documents = issuer::router(&cluster_keys, &clock, gate.faults());
    planes.insert(names::ISSUER_HOST.to_owned(), documents);

    let mut endpoints = Endpoints::new(proxy.address);
    let mut serving = Vec::new();
    for (host, bus) in &resources.amqp {
        let listener = network::loopback().await?;
        endpoints.add_bus(host, port_of(&listener));
        let only = Buses::one(host, bus);
        serving.push(spawn(serve_buses(listener, Arc::clone(&tls.server), only)));
    }
    if let Some(address) = network.names {
        let buses = Buses::of(&resources.amqp);
        serving.extend(serve_names(address, planes.clone(), buses, &tls.server).await?);
    }
    serving.extend(serve_planes(listener, planes, &tls.server, &mut endpoints).await?);

    let cluster = Cluster::start(
        state.path().join("pods"),
        cluster_keys.clone(),
        clock.clone(),
        options.webhook,
        // Whoever resolves the real names needs no proxy.
        match network.names {
            Some(_) => Vec::new(),
            None => endpoints.proxy_environment(&state.ca_file()),
        },
    );
    state
        .project(&model, &cluster, &endpoints)
        .map_err(StartError::setup("the state directory"))?;
    let planes = Arc::new(Planes {
        gate: gate.clone(),
        entra: Arc::clone(&entra),
        clock,
        audit,
        holds,
        cluster,
        faults: gate.faults().clone(),
        cluster_keys,
        entra_keys,
        vaults: resources.vaults,
        digests: resources.digests,
    });
    let directory = state.path().to_owned();
    let lab = Lab::new(Arc::clone(&planes), model, client, directory);
    serving.push(serve_control(&network, planes, lab.clone(), &state, &mut endpoints).await?);
    let (console, at) = serve_console(&network, lab, &state).await?;
    serving.push(console);
    // Last: whoever sees this file finds everything else in place.
    state
        .write_endpoints(&endpoints)
        .map_err(StartError::setup("the endpoints' file"))?;
    Ok(LocalCloud {
        endpoints,
        console: at,
        state,
        entra,
        gate,
        _proxy: proxy,
        _serving: serving,
    })
}

/// The cluster's keys, and Entra's. Making one takes a tenth of a second; the two
/// are made side by side.
async fn signing_keys() -> Result<(KeyRing, KeyRing), StartError> {
    let make = || tokio::task::spawn_blocking(SigningKey::generate);
    let (cluster, next, entra) = tokio::join!(make(), make(), make());
    let cluster = cluster.map_err(StartError::setup("the cluster's signing key"))?;
    let next = next.map_err(StartError::setup("the cluster's next signing key"))?;
    let entra = entra.map_err(StartError::setup("Entra's signing key"))?;
    Ok((KeyRing::of(cluster, Some(next)), KeyRing::of(entra, None)))
}

/// The issuers that Entra ID may ask.
fn issuers(
    client: reqwest::Client,
    played: Vec<String>,
    external: Vec<ExternalIssuer>,
) -> Result<Issuers, StartError> {
    let issuers = Issuers::new(client, played);
    for one in external {
        issuers
            .declare(one)
            .map_err(StartError::setup("an external issuer"))?;
    }
    Ok(issuers)
}
