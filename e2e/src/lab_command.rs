//! `cargo lab`: the lab console's buttons and its audit, in a terminal.

use std::path::PathBuf;
use std::process::ExitCode;

use anstream::println;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use e2e::control::Control;
use e2e::doctor::local::announced;
use local_cloud::Endpoints;
use local_cloud::audit::{Decision, Record};
use local_cloud::lab::{Chain, Mistake, StepState};
use platform::server::Shutdown;

use crate::terminal::{BAD, FAINT, GOOD};

/// Break one thing in a running local cloud, see at which of the five steps it
/// shows, and mend it again.
///
/// What is broken is broken for the pods of the workload too, at their next
/// exchange. There is one mistake at a time. Ends with 0 when all five steps are
/// done, and with 1 when the chain stands still.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo up                              # in another terminal
  cargo lab wrong-subject               # the chain stands still at step 3
  cargo lab heal
  cargo lab revoke-role backend --json
  cargo lab audit                       # every decision, as it comes

The same is on the lab console, whose address `cargo up` and `cargo cloud` print.")]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
    /// The state directory of the cloud; that of the running `cargo up` otherwise.
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<PathBuf>,
    /// Write JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Args)]
struct At {
    /// The identity.
    #[arg(default_value = "frontend")]
    identity: String,
}

#[derive(Subcommand)]
enum Action {
    /// Walk the five steps of an identity, as they are now
    ///
    /// Example: cargo lab walk worker
    #[command(verbatim_doc_comment)]
    Walk(At),
    /// Let its federated credential name another service account
    ///
    /// Example: cargo lab wrong-subject frontend
    #[command(verbatim_doc_comment)]
    WrongSubject(At),
    /// Let its federated credential's issuer lack the slash at its end
    ///
    /// Example: cargo lab drop-issuer-slash frontend
    #[command(verbatim_doc_comment)]
    DropIssuerSlash(At),
    /// Let its federated credential name another audience
    ///
    /// Example: cargo lab wrong-audience frontend
    #[command(verbatim_doc_comment)]
    WrongAudience(At),
    /// Let its pod hold a token that has expired
    ///
    /// Example: cargo lab expire-token backend
    #[command(verbatim_doc_comment)]
    ExpireToken(At),
    /// Rotate the cluster's signing keys twice, without a restart of its pod
    ///
    /// Example: cargo lab rotate-keys worker
    #[command(verbatim_doc_comment)]
    RotateKeys(At),
    /// Remove its role assignment
    ///
    /// Example: cargo lab revoke-role worker
    #[command(verbatim_doc_comment)]
    RevokeRole(At),
    /// Disable the current version of the secret that it reads
    ///
    /// Example: cargo lab disable-secret-version backend
    #[command(verbatim_doc_comment)]
    DisableSecretVersion(At),
    /// Mend what is broken
    ///
    /// Example: cargo lab heal
    #[command(verbatim_doc_comment)]
    Heal(At),
    /// Show every decision: a table, or with --json an object a line
    ///
    /// Example: cargo lab audit --once --json | grep denied
    #[command(verbatim_doc_comment)]
    Audit {
        /// End with what there is, instead of waiting for more.
        #[arg(long)]
        once: bool,
    },
}

pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let control = control(options.state)?;
    let json = options.json;
    let chain = match options.action {
        Action::Audit { once } => return audit(&control, once, json).await,
        Action::Walk(At { identity }) => control.walk(&identity).await?,
        Action::Heal(At { identity }) => control.heal(&identity).await?,
        Action::WrongSubject(at) => make(&control, Mistake::WrongSubject, at).await?,
        Action::DropIssuerSlash(at) => make(&control, Mistake::DropIssuerSlash, at).await?,
        Action::WrongAudience(at) => make(&control, Mistake::WrongAudience, at).await?,
        Action::ExpireToken(at) => make(&control, Mistake::ExpireToken, at).await?,
        Action::RotateKeys(at) => make(&control, Mistake::RotateKeys, at).await?,
        Action::RevokeRole(at) => make(&control, Mistake::RevokeRole, at).await?,
        Action::DisableSecretVersion(at) => {
            make(&control, Mistake::DisableSecretVersion, at).await?
        }
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&chain)?);
    } else {
        show(&chain);
    }
    Ok(ExitCode::from(u8::from(chain.failed().is_some())))
}

async fn make(control: &Control, mistake: Mistake, At { identity }: At) -> Result<Chain> {
    control.make(mistake, &identity).await
}

/// The control API of the cloud that is meant.
fn control(state: Option<PathBuf>) -> Result<Control> {
    let state = state.or_else(announced).context(
        "no local cloud runs: start one with `cargo up`, or name the state directory of a \
         `cargo cloud` with --state",
    )?;
    let file = state.join("endpoints.json");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("{} cannot be read: no cloud runs there", file.display()))?;
    let endpoints: Endpoints = serde_json::from_str(&text)?;
    Control::open(&state, &endpoints)
}

fn show(chain: &Chain) {
    println!("{FAINT}local cloud, not Azure{FAINT:#}");
    println!("{} as {}", chain.identity, chain.subject);
    for step in &chain.steps {
        let (style, mark) = match step.state {
            StepState::Done => (GOOD, '✓'),
            StepState::Failed => (BAD, '✗'),
            StepState::NotReached => (FAINT, '·'),
        };
        let took = step.milliseconds;
        let took = took
            .map(|took| format!(" {took:.0} ms"))
            .unwrap_or_default();
        println!(
            "{style}{mark} {} {}{style:#}{FAINT}{took}{FAINT:#}",
            step.number, step.title
        );
        for (name, value) in &step.values {
            println!("    {FAINT}{name:<10}{FAINT:#} {value}");
        }
        if let Some(text) = &step.text {
            println!("{text}");
        }
    }
}

/// Shows the audit until there is no more, or until Ctrl-C.
async fn audit(control: &Control, once: bool, json: bool) -> Result<ExitCode> {
    let shutdown = Shutdown::on_signals()?;
    if !json {
        println!(
            "{FAINT}{:>6} {:<12} {:<11} {:<9} {:<24} decision{FAINT:#}",
            "#", "time", "by", "identity", "operation"
        );
    }
    let mut after = 0;
    loop {
        let records = if once {
            control.audit(after).await?
        } else {
            tokio::select! {
                records = control.audit_after(after) => records?,
                () = shutdown.requested() => return Ok(ExitCode::SUCCESS),
            }
        };
        for record in &records {
            if json {
                println!("{}", serde_json::to_string(record)?);
            } else {
                println!("{}", row(record));
            }
            after = record.sequence;
        }
        if once {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn row(record: &Record) -> String {
    let (style, decision) = match record.decision {
        Decision::Allowed => (GOOD, "allowed"),
        Decision::Denied => (BAD, "denied"),
    };
    let time = record.at.get(11..23).unwrap_or(&record.at);
    let code = record.code.as_deref().unwrap_or_default();
    format!(
        "{:>6} {time:<12} {:<11} {:<9} {:<24} {style}{decision} {code}{style:#} {FAINT}at {}: {}{FAINT:#}",
        record.sequence,
        record.by,
        record.identity.as_deref().unwrap_or("-"),
        record.operation,
        record.scope,
        record.why
    )
}
