//! The local cloud as a command: `cargo cloud`, and the program in its image.

use std::io::IsTerminal as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anstream::println;
use tracing_subscriber::filter::LevelFilter;

use crate::{Behind, ExternalIssuer, LocalCloud, Network, Options, StartError, WebhookVersion};

/// Run the local cloud alone, on any access model, until Ctrl-C.
///
/// It plays a cluster's token issuer, Entra ID, Key Vault, Cosmos DB, Blob
/// Storage and Service Bus on loopback, and refuses what Azure would refuse. It
/// is not Azure: keep nothing in it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: use the frontend's identity from another program\n  \
    cargo cloud --state /tmp/cloud\n  \
    set -a; . /tmp/cloud/env/todolist.frontend.env; set +a   # in another shell\n  \
    your-program-with-an-azure-sdk\n\n\
Example: let a cluster on this machine be asked for its keys\n  \
    cargo cloud --model access.json \\\n    \
    --issuer https://kubernetes.default.svc.cluster.local,ca=ca.crt,address=127.0.0.1:6443\n\n\
Example: in a network of containers, where Azure's host names lead to it\n  \
    local-cloud --model /etc/local-cloud/access.json --state /state --names-on 0.0.0.0"
)]
pub struct Arguments {
    /// The access model: what exists, who trusts whom, who may do what.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Where to leave what clients need; a temporary directory by default.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Whose layout the workload-identity webhook has: v1.5 (v1.5.1 and before) or
    /// v1.6. They differ in where a pod finds its token.
    #[arg(long, value_name = "VERSION", default_value_t)]
    webhook: WebhookVersion,
    /// An external issuer whose keys may be fetched, with the CA of its server and,
    /// where its name does not lead there, its address. It is trusted by the
    /// federated credentials that name it. May be given several times.
    #[arg(long, value_name = "URL[,ca=FILE][,address=IP:PORT]")]
    issuer: Vec<ExternalIssuer>,
    /// Let a third-party emulator hold a resource, behind the gate: what the gate
    /// admits goes on to it, signed with its own published key; what the gate refuses
    /// never gets there. That of Service Bus is at an amqp URL, the others are at an
    /// http or https URL. May be given several times; see docs/emulators.md.
    #[arg(long, value_name = "RESOURCE=URL[,ca=FILE]")]
    behind: Vec<Behind>,
    /// Serve the planes under their real host names at this address, ports 443 and
    /// 5671, for clients whose resolver leads there: a network of containers, a hosts
    /// file. Pods then get no proxy.
    #[arg(long, value_name = "ADDRESS")]
    names_on: Option<IpAddr>,
    /// Where the proxy listens; any port of loopback by default.
    #[arg(long, value_name = "ADDRESS:PORT")]
    proxy_on: Option<SocketAddr>,
    /// Where the control API listens; any port of loopback by default. It answers to
    /// 127.0.0.1 and localhost at this port: publish it at the same one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    control_on: Option<SocketAddr>,
    /// Where the lab console listens; the same holds for it.
    #[arg(long, value_name = "ADDRESS:PORT")]
    console_on: Option<SocketAddr>,
    /// Print the CA's certificate, too: for a cluster, where a pod's log is what there
    /// is to read of it.
    #[arg(long)]
    print_ca: bool,
    /// Print the lab console's address with its key where standard output is no
    /// terminal, too: for the same. Whoever reads that may use the console.
    #[arg(long)]
    print_console: bool,
    /// What to log on standard error: error, warn, info (with the audit) or debug.
    #[arg(long, default_value = "warn")]
    log: LevelFilter,
    /// End when standard input closes.
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}

impl Arguments {
    /// What to start; `model` where no other is named.
    fn options(self, model: PathBuf) -> Options {
        let by_default = Network::default();
        Options {
            model: self.model.unwrap_or(model),
            state: self.state,
            webhook: self.webhook,
            issuers: self.issuer,
            behind: self.behind,
            network: Network {
                names: self.names_on,
                proxy: self.proxy_on.unwrap_or(by_default.proxy),
                control: self.control_on.unwrap_or(by_default.control),
                console: self.console_on.unwrap_or(by_default.console),
            },
        }
    }
}

/// Starts the cloud, says where everything is, and serves until `end`. The access
/// model is `model` where the arguments name none.
pub async fn run(
    arguments: Arguments,
    model: PathBuf,
    end: impl Future<Output = ()>,
) -> Result<(), StartError> {
    tracing_subscriber::fmt()
        .with_max_level(arguments.log)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .init();
    let print_ca = arguments.print_ca;
    let with_key = arguments.print_console || std::io::stdout().is_terminal();
    let options = arguments.options(model);
    let (model, network) = (options.model.clone(), options.network);
    let behind = options.behind.clone();
    let cloud = LocalCloud::start(options).await?;
    tell(&cloud, &model, &network, with_key);
    for Behind { resource, url, .. } in behind {
        println!("  behind   {resource} is held by the emulator at {url}");
    }
    if print_ca {
        let ca = std::fs::read_to_string(cloud.state_directory().join("ca.pem"));
        let ca = ca.map_err(|source| StartError::Setup {
            what: "the CA's file",
            source: source.into(),
        })?;
        println!("{}", ca.trim_end());
    }
    end.await;
    Ok(())
}

/// The console's key is for a terminal; a log is kept, and read by others.
fn tell(cloud: &LocalCloud, model: &Path, network: &Network, with_key: bool) {
    let endpoints = cloud.endpoints();
    let state = cloud.state_directory().display();
    println!("local cloud, not Azure");
    println!("  model    {}", model.display());
    println!("  state    {state} (endpoints.json, ca.pem, control-token, env/, tokens/)");
    println!(
        "  proxy    {}  (HTTPS_PROXY: the real host names below)",
        endpoints.proxy
    );
    if let Some(address) = network.names {
        println!("  names    {address}, ports 443 and 5671: the real host names below");
    }
    println!(
        "  control  {}  (wants the control-token)",
        endpoints.control
    );
    for (host, local) in &endpoints.planes {
        println!("  {host:<40} also {local}");
    }
    for (host, local) in &endpoints.amqp {
        println!("  {host:<40} AMQP over TLS at {local}");
    }
    if with_key {
        println!("  lab      {}  (the lab console)", cloud.console());
    } else {
        println!("  lab      the console's address is in {state}/console");
    }
    println!("  Ctrl-C ends it");
}
