//! `cargo trust`: the trust graph, checked without running anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::println;
use anyhow::{Context as _, Result};
use e2e::trust::{self, ClientIds, Input, Manifests, Report, Severity};

use crate::terminal::{self, BAD, FAINT, Format, GOOD, WARNING};

/// Compare manifests with an access file: who is trusted as whom, and is more
/// granted than needed?
///
/// Nothing is run and nobody is asked. Each finding has its place and the fix.
/// Ends with 0 when nothing is found, 1 when something is, 2 when it could not
/// be checked.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo trust                                       # this repository
  kubectl kustomize deploy | cargo trust - --access access.json --client-ids ids.json
  cargo trust rendered.yaml --access access.json --uses uses.json --format json

docs/trust-graph.md has every code, the access file and the uses.")]
pub(crate) struct Options {
    /// A kustomization's directory, a file of rendered manifests, or - for
    /// standard input.
    #[arg(value_name = "MANIFESTS", default_value_os_t = e2e::manifests::default_directory())]
    manifests: PathBuf,
    /// The access file: who trusts whom, who may do what.
    #[arg(long, value_name = "FILE", default_value_os_t = e2e::default_model())]
    access: PathBuf,
    /// The access file of an option that is on, such as infra/options/keda.json;
    /// may be given several times.
    #[arg(long, value_name = "FILE")]
    option: Vec<PathBuf>,
    /// What the code does with each grant, and accepted findings; that of this
    /// repository for its own access file.
    #[arg(long, value_name = "FILE")]
    uses: Option<PathBuf>,
    /// The real client ids: a JSON object, identity to client id. Otherwise those
    /// of the local cloud.
    #[arg(long, value_name = "FILE")]
    client_ids: Option<PathBuf>,
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(crate) fn run(options: Options) -> ExitCode {
    match checked(options) {
        Ok(found) => found,
        Err(error) => {
            anstream::eprintln!("{BAD}cargo trust:{BAD:#} {error:#}");
            ExitCode::from(2)
        }
    }
}

fn checked(options: Options) -> Result<ExitCode> {
    let own = options.access == e2e::default_model();
    let input = Input {
        manifests: manifests(&options.manifests)?,
        uses: options.uses.or_else(|| own.then(trust::default_uses)),
        access: options.access,
        options: options.option,
        client_ids: options
            .client_ids
            .as_deref()
            .map_or(Ok(ClientIds::Local), known)?,
    };
    let report = trust::check(&input)?;
    options.format.tell(&report, print)?;
    Ok(ExitCode::from(u8::from(!report.findings.is_empty())))
}

fn manifests(path: &Path) -> Result<Manifests> {
    if path.is_dir() {
        return Ok(Manifests::Kustomization(path.to_owned()));
    }
    let name = match path {
        path if path == Path::new("-") => "<stdin>".to_owned(),
        path => path.display().to_string(),
    };
    let text = terminal::read(path)?;
    Ok(Manifests::Rendered { name, text })
}

fn known(path: &Path) -> Result<ClientIds> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let ids: BTreeMap<String, String> = serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is no JSON object of identity to client id",
            path.display()
        )
    })?;
    Ok(ClientIds::Known(ids))
}

fn print(report: &Report) {
    for finding in &report.findings {
        let style = match finding.severity {
            Severity::Error => BAD,
            Severity::Warning => WARNING,
        };
        let text = finding.to_string();
        let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
        println!("{style}{head}{style:#}\n{rest}\n");
    }
    for accepted in &report.accepted {
        let (finding, because) = (&accepted.finding, &accepted.because);
        println!(
            "{FAINT}accepted[{}] {}\n  {}\n  because: {because}{FAINT:#}\n",
            finding.code.name(),
            finding.place,
            finding.message
        );
    }
    for unknown in &report.unknown {
        println!("{FAINT}cannot know {unknown}{FAINT:#}\n");
    }
    match report.findings.len() {
        0 => println!(
            "{GOOD}nothing found{GOOD:#}, {} accepted",
            report.accepted.len()
        ),
        count => println!(
            "{BAD}{count} found{BAD:#}, {} accepted",
            report.accepted.len()
        ),
    }
}
