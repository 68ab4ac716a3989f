//! The same point read with nothing but Microsoft's SDK, in a process of its own
//! with the backend's identity: credentials and proxy come from a process'
//! environment.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use azure_data_cosmos::{AccountReference, CosmosClient, RoutingStrategy};
use azure_identity::WorkloadIdentityCredential;
use e2e::stack::Stack;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::reading::rate;

/// What makes this program the bare reader.
pub(crate) const ARGUMENT: &str = "bare-reader";

const COSMOS: &str = "https://localcosmos.documents.azure.com/";

/// The reader, as a child of the measurement.
pub(crate) struct Bare {
    _child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Bare {
    /// Starts the reader of one todo.
    pub(crate) async fn start(stack: &Stack, list: &str, todo: &str) -> Result<Self> {
        let environment = stack.cloud_state().join("env/todolist.backend.env");
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .env_clear()
            .envs(variables(&environment)?)
            // As `k8s/base/estate.yaml` sets it for the backend.
            .env("AZURE_COSMOS_CONNECTION_POOL_GATEWAY_V2_DISABLED", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut orders = child.stdin.take().context("standard input is piped")?;
        let answers = child.stdout.take().context("standard output is piped")?;
        orders
            .write_all(format!("{list}\n{todo}\n").as_bytes())
            .await?;
        Ok(Self {
            _child: child,
            orders,
            answers: BufReader::new(answers).lines(),
        })
    }

    /// Reads for a while; the answers per second.
    pub(crate) async fn read_for(&mut self, time: Duration) -> Result<f64> {
        self.orders
            .write_all(format!("{}\n", time.as_millis()).as_bytes())
            .await?;
        let answer = self.answers.next_line().await?;
        Ok(answer.context("the bare reader ended")?.parse()?)
    }
}

/// What the cloud leaves for programs that act for a service account.
fn variables(file: &Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// The child's side: reads for as long as each line of standard input says, in
/// milliseconds, and answers with the rate.
pub(crate) async fn run() -> Result<()> {
    // Nothing else is to be done while it waits for a line.
    let mut lines = std::io::stdin().lines();
    let list = lines.next().context("a list")??;
    let todo = lines.next().context("a todo")??;

    let credential = WorkloadIdentityCredential::new(None)?;
    let account = AccountReference::with_credential(COSMOS.parse()?, credential);
    let near = RoutingStrategy::ProximityTo("East US".into());
    let client = CosmosClient::builder().build(account, near).await?;
    let container = client
        .database_client("todolist")
        .container_client("todos", None)
        .await?;

    for line in lines {
        let time = Duration::from_millis(line?.parse()?);
        let rate = rate(time, || {
            let read = container.read_item(list.clone(), &todo, None);
            async {
                let document: Value = read.await?.into_model()?;
                ensure!(document["id"] == todo, "another document: {document}");
                Ok(())
            }
        })
        .await?;
        println!("{rate}");
    }
    Ok(())
}
