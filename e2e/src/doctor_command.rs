//! `cargo doctor`: the six prerequisites of workload identity, checked.

use std::path::PathBuf;
use std::process::ExitCode;

use anstream::println;
use anyhow::{Context as _, Result};
use e2e::doctor::live::{Environment, Installed, Live};
use e2e::doctor::local::{LocalCloud, announced};
use e2e::doctor::{Line, State, Wanted, diagnose, junit};
use e2e::stack::{Options as StackOptions, Stack};

use crate::terminal::{BAD, FAINT, GOOD};

/// Check the six prerequisites of workload identity: each with the value found,
/// where it comes from, and the fix where it is missing.
///
/// Without options it looks at the local cloud of a running `cargo up`, or starts
/// the workload for a moment if there is none. With --live it looks at Azure and
/// a cluster, through az and kubectl commands that only read. Ends with 0 when all
/// six are met, 1 when one is not, 2 when it could not be checked.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo doctor                                  # the running `cargo up`, or one of its own
  cargo doctor --state /tmp/cloud               # a cloud of `cargo cloud --state /tmp/cloud`
  cargo doctor --live environment.json --junit doctor.xml

docs/doctor.md has the form of environment.json and every command that is run.")]
pub(crate) struct Options {
    /// The state directory of a running local cloud.
    #[arg(long, value_name = "DIR", conflicts_with = "live")]
    state: Option<PathBuf>,
    /// The names of a live environment: where to look.
    #[arg(long, value_name = "FILE")]
    live: Option<PathBuf>,
    /// The access file: what should be there.
    #[arg(long, value_name = "FILE", default_value_os_t = e2e::default_model())]
    access: PathBuf,
    /// The kustomization that the local cloud's pods come from.
    #[arg(long, value_name = "DIR", default_value_os_t = e2e::manifests::default_directory())]
    manifests: PathBuf,
    /// Write the lines to a file too, as XML of `JUnit`.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let told = match lines(&options).await {
        Ok(lines) => tell(&lines, options.junit.as_ref()),
        Err(error) => Err(error),
    };
    match told {
        Ok(code) => Ok(code),
        Err(error) => {
            anstream::eprintln!("{BAD}cargo doctor could not check:{BAD:#} {error:#}");
            Ok(ExitCode::from(2))
        }
    }
}

async fn lines(options: &Options) -> Result<Vec<Line>> {
    let wanted = Wanted::read(&options.access)?;
    if let Some(file) = &options.live {
        let live = Live {
            environment: Environment::read(file)?,
            runner: Installed,
        };
        println!("{FAINT}live: cluster {}{FAINT:#}", live.environment.cluster);
        return diagnose(&live, &wanted).await;
    }
    let cloud = |state| LocalCloud {
        state,
        manifests: options.manifests.clone(),
    };
    if let Some(state) = options.state.clone().or_else(announced) {
        println!(
            "{FAINT}local cloud, not Azure: {}{FAINT:#}",
            state.display()
        );
        return diagnose(&cloud(state), &wanted).await;
    }
    println!("{FAINT}no local cloud runs: the workload is started on one for a moment{FAINT:#}");
    let stack_options = StackOptions {
        manifests: options.manifests.clone(),
        model: Some(options.access.clone()),
        ..StackOptions::default()
    };
    let stack = Stack::start(stack_options, |_| {})
        .await
        .context("the workload does not start on a local cloud")?;
    let lines = diagnose(&cloud(stack.cloud_state()), &wanted).await;
    stack.stop(|_| {}).await?;
    lines
}

fn tell(lines: &[Line], file: Option<&PathBuf>) -> Result<ExitCode> {
    for line in lines {
        let (style, mark) = match line.state {
            State::Met => (GOOD, '✓'),
            State::Failed => (BAD, '✗'),
            State::NotChecked => (FAINT, '-'),
        };
        let Line {
            number,
            title,
            found,
            from,
            ..
        } = line;
        match line.state {
            State::Met => println!(
                "{style}{mark}{style:#} {number} {title}: {found} {FAINT}({from}){FAINT:#}"
            ),
            State::Failed => println!("{style}{mark} {number} {title}{style:#}"),
            State::NotChecked => {
                println!("{style}{mark} {number} {title}: nothing to look at{style:#}");
            }
        }
        for problem in &line.problems {
            println!("    {}", problem.what);
            println!("    {FAINT}from {}{FAINT:#}", problem.from);
            println!("    fix: {}", problem.fix);
        }
    }
    if let Some(file) = file {
        std::fs::write(file, junit::document(lines))
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let met = lines.iter().all(|line| line.state == State::Met);
    Ok(if met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
