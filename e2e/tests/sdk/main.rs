//! Conformance, judged by software that we did not write: Microsoft's own
//! clients, unmodified, with their default options, against the local cloud over
//! TLS with its private CA, through its proxy, under the real host names. For
//! Service Bus, where no official Rust client is published, the workload's own
//! client on an AMQP engine of others.
//!
//! The clients take the CA, the proxy and their identity from the environment,
//! which a process cannot change for itself; and all Cosmos clients of a process
//! share caches with one credential in them. So: one cloud, and for each
//! identity this program once more, with that identity's environment and nothing
//! else. Each child runs the trials of its identity.

#![cfg(test)]

mod blob;
mod cloud_process;
mod cosmos;
mod key_vault;
mod mistakes;
mod newcomer;
mod reader;
mod service_bus;
mod world;

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use libtest_mimic::{Arguments, Trial};
use platform::settings::Vars;

use cloud_process::CloudProcess;
use world::{IDENTITY, STATE};

/// Makes the trials of one identity.
type Trials = fn() -> Vec<Trial>;

/// The identities of `model.json`, and what each tries.
const IDENTITIES: [(&str, Trials); 4] = [
    ("owner", owner),
    ("reader", reader::trials),
    ("newcomer", newcomer::trials),
    ("mistaken", mistakes::trials),
];

/// May do everything: the services' own behaviour.
fn owner() -> Vec<Trial> {
    [
        key_vault::trials(),
        blob::trials(),
        cosmos::trials(),
        service_bus::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    platform::pod::install_crypto_provider();
    let identity = Vars::from_process().get(IDENTITY);
    let trials = |of: Option<&str>| {
        IDENTITIES
            .into_iter()
            .filter(|(name, _)| of.is_none_or(|of| of == *name))
            .flat_map(|(_, trials)| trials())
            .collect()
    };
    if identity.is_some() || arguments.list {
        return libtest_mimic::run(&arguments, trials(identity.as_deref())).exit_code();
    }
    match run_children(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("the suite did not run: {error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the cloud, and one child after the other for the identities that have
/// something to run; the exit code is the last one that is no success.
fn run_children(arguments: &Arguments) -> Result<ExitCode> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/model.json");
    let cloud = CloudProcess::start(&model)?;
    let mut verdict = ExitCode::SUCCESS;
    for (identity, trials) in IDENTITIES {
        let trials = trials();
        if trials.iter().all(|trial| arguments.is_filtered_out(trial)) {
            continue;
        }
        let status = Command::new(std::env::current_exe()?)
            .args(std::env::args().skip(1))
            .env_clear()
            .envs(environment(&cloud, identity)?)
            .env(IDENTITY, identity)
            .env(STATE, &cloud.state)
            .status()?;
        if !status.success() {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            verdict = code.map_or(ExitCode::FAILURE, ExitCode::from);
        }
    }
    Ok(verdict)
}

/// What the cloud leaves for programs that act for a service account.
fn environment(cloud: &CloudProcess, account: &str) -> Result<Vec<(String, String)>> {
    let file = cloud.state.join("env").join(format!("sdk.{account}.env"));
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let mut variables = Vec::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else {
            bail!("{} has a line without `=`: {line}", file.display());
        };
        variables.push((name.to_owned(), value.to_owned()));
    }
    Ok(variables)
}
