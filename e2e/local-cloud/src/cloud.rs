//! The cloud as a whole: it starts the parts, connects them, and leaves in a
//! state directory what a client needs.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::audit::Audit;
use crate::blob::Blob;
use crate::clock::Clock;
use crate::cluster::{Cluster, WebhookVersion, issuer};
use crate::control::{self, Control};
use crate::cosmos::Cosmos;
use crate::entra::{Entra, ExternalIssuer, Issuers};
use crate::faults::Faults;
use crate::front_door::{self, Routes, send_at_once};
use crate::gate::Gate;
use crate::graph::Graph;
use crate::holds::Holds;
use crate::key_vault::KeyVault;
use crate::keys::{KeyRing, SigningKey};
use crate::lab::{Lab, console};
use crate::model::{self, Model, ModelError, Resource};
use crate::names;
use crate::proxy::{self, Proxy};
use crate::roles::Roles;
use crate::service_bus::ServiceBus;
use crate::state::{Endpoints, StateDirectory};
use crate::tls;

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

type Digest = Box<dyn Fn() -> Value + Send + Sync>;

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
    /// Starts a cloud on the access model in a file. With a state directory it
    /// leaves there what clients need; without one it makes a temporary one.
    pub async fn start(path: &Path, state: Option<PathBuf>) -> Result<Self, StartError> {
        Self::start_with(path, state, WebhookVersion::default(), Vec::new()).await
    }

    /// The same, with another layout of the workload-identity webhook, and with
    /// external issuers that Entra ID may ask for their keys. Who is trusted is not
    /// changed by these: that is what federated credentials say.
    pub async fn start_with(
        path: &Path,
        state: Option<PathBuf>,
        webhook: WebhookVersion,
        issuers: Vec<ExternalIssuer>,
    ) -> Result<Self, StartError> {
        let roles = Roles::built_in();
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| StartError::ModelFile {
            file: file.clone(),
            source,
        })?;
        let model =
            Model::parse(&text, &roles).map_err(|source| StartError::Model { file, source })?;
        let model = model.in_file(model::file_name(path));
        let state =
            StateDirectory::create(state).map_err(StartError::setup("the state directory"))?;
        start(model, roles, state, webhook, issuers).await
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

async fn start(
    model: Model,
    roles: Roles,
    state: StateDirectory,
    webhook: WebhookVersion,
    external: Vec<ExternalIssuer>,
) -> Result<LocalCloud, StartError> {
    let clock = Clock::system();
    let audit = Audit::new(clock.clone());
    let holds = Holds::default();
    let (cluster_keys, entra_keys) = signing_keys().await?;

    let hosts = host_names(&model);
    let tls = tls::issue(&hosts).map_err(StartError::setup("the certificates"))?;
    state
        .write_ca(&tls.ca_pem)
        .map_err(StartError::setup("the CA's file"))?;

    let listener = loopback().await?;
    let port = port_of(&listener)?;
    let played = hosts.clone();
    let proxy = proxy::start(hosts, port)
        .await
        .map_err(StartError::setup("the proxy"))?;
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
    let issuers = issuers(client.clone(), played, external)?;
    let entra = Entra::new(
        &model,
        gate.clone(),
        entra_keys.clone(),
        issuers,
        clock.clone(),
        audit.clone(),
    );
    let entra = Arc::new(entra);

    let resources = Resources::new(&model, &gate, &clock);
    let mut planes = resources.http;
    planes.insert(names::LOGIN_HOST.to_owned(), Arc::clone(&entra).router());
    let documents = issuer::router(&cluster_keys, &clock, gate.faults());
    planes.insert(names::ISSUER_HOST.to_owned(), documents);

    let mut endpoints = Endpoints::new(proxy.address);
    let mut serving = Vec::new();
    for (host, bus) in resources.amqp {
        let listener = loopback().await?;
        endpoints.add_bus(&host, port_of(&listener)?);
        serving.push(spawn(serve_bus(listener, Arc::clone(&tls.server), bus)));
    }
    serving.extend(serve_planes(listener, planes, &tls.server, &mut endpoints).await?);

    let cluster = Cluster::start(
        state.path().join("pods"),
        cluster_keys.clone(),
        clock.clone(),
        webhook,
        endpoints.proxy_environment(&state.ca_file()),
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
    serving.push(serve_control(planes, lab.clone(), &state, &mut endpoints).await?);
    let (console, at) = serve_console(lab, &state).await?;
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

/// The planes of the model's resources.
#[derive(Default)]
struct Resources {
    http: BTreeMap<String, Router>,
    amqp: BTreeMap<String, Arc<ServiceBus>>,
    vaults: BTreeMap<String, Arc<KeyVault>>,
    digests: BTreeMap<String, Digest>,
}

impl Resources {
    fn new(model: &Model, gate: &Gate, clock: &Clock) -> Self {
        let mut resources = Self::default();
        for (name, resource) in &model.resources {
            resources.add(name, resource, gate.clone(), clock.clone());
        }
        resources
    }

    fn add(&mut self, name: &str, resource: &Resource, gate: Gate, clock: Clock) {
        let host = resource.host(name);
        let digest: Digest = match resource {
            Resource::KeyVault(spec) => {
                let vault = KeyVault::new(name, host.clone(), spec, gate, clock);
                self.http.insert(host, Arc::clone(&vault).router());
                self.vaults.insert(name.to_owned(), Arc::clone(&vault));
                Box::new(move || vault.digest())
            }
            Resource::Cosmos(spec) => {
                let account = Cosmos::new(name, host.clone(), spec, gate, clock);
                self.http.insert(host, Arc::clone(&account).router());
                Box::new(move || account.digest())
            }
            Resource::Storage(spec) => {
                let account = Blob::new(name, host.clone(), spec, gate, clock);
                self.http.insert(host, Arc::clone(&account).router());
                Box::new(move || account.digest())
            }
            Resource::Graph(_) => {
                let graph = Graph::new(name, gate, clock);
                self.http.insert(host, Arc::clone(&graph).router());
                Box::new(move || graph.digest())
            }
            Resource::ServiceBus(spec) => {
                let bus = ServiceBus::new(name, host.clone(), spec, gate, clock);
                self.amqp.insert(host, Arc::clone(&bus));
                Box::new(move || bus.digest())
            }
        };
        self.digests.insert(name.to_owned(), digest);
    }
}

async fn serve_bus(listener: TcpListener, tls: Arc<rustls::ServerConfig>, bus: Arc<ServiceBus>) {
    front_door::accept_tls(listener, tls, move |stream| {
        let bus = Arc::clone(&bus);
        async move { bus.serve(stream).await }
    })
    .await;
}

/// Serves all planes on one listener by their names, and each on a port of its own.
async fn serve_planes(
    listener: TcpListener,
    planes: BTreeMap<String, Router>,
    tls: &Arc<rustls::ServerConfig>,
    endpoints: &mut Endpoints,
) -> Result<Vec<AbortOnDropHandle<()>>, StartError> {
    let serve = |listener, routes| {
        let serving = front_door::serve_tls(listener, Arc::clone(tls), routes);
        spawn(serving)
    };
    let mut serving = Vec::new();
    for (host, plane) in &planes {
        let local = loopback().await?;
        endpoints.add_plane(host, port_of(&local)?);
        serving.push(serve(local, Routes::all_to(plane.clone())));
    }
    serving.push(serve(listener, Routes::by_host(planes)));
    Ok(serving)
}

async fn serve_control(
    planes: Arc<Planes>,
    lab: Lab,
    state: &StateDirectory,
    endpoints: &mut Endpoints,
) -> Result<AbortOnDropHandle<()>, StartError> {
    let listener = loopback().await?;
    let address = listener
        .local_addr()
        .map_err(StartError::setup("the control API"))?;
    let token = state
        .write_control_token()
        .map_err(StartError::setup("the control token"))?;
    endpoints.control = format!("http://{address}/");
    let router: Router = control::router(Control {
        planes,
        address,
        token: token.into(),
        lab,
    });
    Ok(spawn(async move {
        if let Err(error) =
            axum::serve(listener.tap_io(|socket| send_at_once(socket)), router).await
        {
            tracing::error!(%error, "the control API ended");
        }
    }))
}

/// The lab console, and its address with the key.
async fn serve_console(
    lab: Lab,
    state: &StateDirectory,
) -> Result<(AbortOnDropHandle<()>, String), StartError> {
    let listener = loopback().await?;
    let address = listener
        .local_addr()
        .map_err(StartError::setup("the lab console"))?;
    let (key, with_key) = state
        .write_console(address)
        .map_err(StartError::setup("the lab console's key"))?;
    let router = console::router(lab, address, key.into());
    let serving = spawn(async move {
        if let Err(error) =
            axum::serve(listener.tap_io(|socket| send_at_once(socket)), router).await
        {
            tracing::error!(%error, "the lab console ended");
        }
    });
    Ok((serving, with_key))
}

/// Every host name that is played.
fn host_names(model: &Model) -> Vec<String> {
    let resources = model
        .resources
        .iter()
        .map(|(name, resource)| resource.host(name));
    [names::LOGIN_HOST, names::ISSUER_HOST]
        .into_iter()
        .map(str::to_owned)
        .chain(resources)
        .collect()
}

async fn loopback() -> Result<TcpListener, StartError> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .map_err(StartError::setup("a port on loopback"))
}

fn port_of(listener: &TcpListener) -> Result<u16, StartError> {
    let address = listener
        .local_addr()
        .map_err(StartError::setup("a port on loopback"))?;
    Ok(address.port())
}

fn spawn(future: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(future))
}
