//! `cargo cloud`: the local cloud alone.

use std::path::PathBuf;
use std::process::ExitCode;

use anstream::println;
use anyhow::Result;
use local_cloud::{ExternalIssuer, LocalCloud, WebhookVersion};
use platform::server::Shutdown;
use tracing_subscriber::filter::LevelFilter;

/// Run the local cloud alone, on any access model, until Ctrl-C.
///
/// It plays a cluster's token issuer, Entra ID, Key Vault, Cosmos DB, Blob
/// Storage and Service Bus on loopback, and refuses what Azure would refuse. It
/// is not Azure: keep nothing in it.
#[derive(clap::Args)]
#[command(
    after_help = "Example: use the frontend's identity from another program\n  \
    cargo cloud --state /tmp/cloud\n  \
    set -a; . /tmp/cloud/env/todolist.frontend.env; set +a   # in another shell\n  \
    your-program-with-an-azure-sdk\n\n\
Example: let a cluster on this machine be asked for its keys\n  \
    cargo cloud --model access.json \\\n    \
    --issuer https://kubernetes.default.svc.cluster.local,ca=ca.crt,address=127.0.0.1:6443"
)]
pub(crate) struct Options {
    /// The access model: what exists, who trusts whom, who may do what.
    #[arg(long, value_name = "FILE", default_value_os_t = e2e::default_model())]
    model: PathBuf,
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
    /// What to log on standard error: error, warn, info (with the audit) or debug.
    #[arg(long, default_value = "warn")]
    log: LevelFilter,
    /// End when standard input closes.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_max_level(options.log)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .init();
    let shutdown = Shutdown::on_signals()?;
    let shutdown = if options.until_stdin_closes {
        shutdown.also_when_stdin_closes()
    } else {
        shutdown
    };
    let (model, state) = (&options.model, options.state);
    let cloud = LocalCloud::start_with(model, state, options.webhook, options.issuer).await?;
    let endpoints = cloud.endpoints();
    let state = cloud.state_directory().display();
    println!("local cloud, not Azure");
    println!("  model    {}", options.model.display());
    println!("  state    {state} (endpoints.json, ca.pem, control-token, env/, tokens/)");
    println!(
        "  proxy    {}  (HTTPS_PROXY: the real host names below)",
        endpoints.proxy
    );
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
    println!("  Ctrl-C ends it");
    shutdown.requested().await;
    Ok(ExitCode::SUCCESS)
}
