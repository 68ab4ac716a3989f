//! `cargo secrets`: the zero-secret proof.

use std::path::PathBuf;
use std::process::ExitCode;

use anstream::println;
use anyhow::{Context as _, Result, ensure};
use e2e::secrets::{
    Canary, Content, Exceptions, Report, Scan, default_exceptions, images, sources,
};

use crate::terminal::{self, BAD, FAINT, Format, GOOD};

/// Look for secrets: keys, connection strings, signatures, private keys, passwords,
/// tokens.
///
/// In a repository, in what its kustomizations come to, in the images of the Docker
/// daemon; with more options in running processes, in logs and in whatever else was
/// kept. Shows where a secret stands and what kind it is, never the secret.
/// Ends with 0 when nothing is found, 1 when something is, 2 when it could not be
/// looked at.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo secrets                                     # this repository
  cargo secrets --process 4711 --logs /tmp/todolist-fMEwPo/logs    # and a running `cargo up`
  az keyvault secret show --vault-name V --name session-key --query value -o tsv |
    cargo secrets --values -                        # and this value, wherever it looks
  cargo secrets --repository ../other --format json

docs/zero-secret.md has every rule, and what it cannot find.")]
pub(crate) struct Options {
    /// A Git repository.
    #[arg(long, value_name = "DIRECTORY", default_value_os_t = e2e::repository().to_owned())]
    repository: PathBuf,
    /// The images of the Docker daemon, by name; `*` is anything.
    #[arg(long, value_name = "NAME", default_value = "todolist-*")]
    images: String,
    /// A process, such as that of `cargo up`, and all that it started: environment
    /// and arguments.
    #[arg(long, value_name = "PID")]
    process: Vec<u32>,
    /// A file or a directory with logs, or with anything else that was kept.
    #[arg(long, value_name = "PATH")]
    logs: Vec<PathBuf>,
    /// A file with the vault's values, one on a line, or - for standard input: they
    /// have to be nowhere, and none may be a key to something else.
    #[arg(long, value_name = "FILE")]
    values: Option<PathBuf>,
    /// What is accepted, with reasons; that of this repository for itself.
    #[arg(long, value_name = "FILE")]
    exceptions: Option<PathBuf>,
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    match scanned(options) {
        Ok(found) => found,
        Err(error) => {
            anstream::eprintln!("{BAD}cargo secrets:{BAD:#} {error:#}");
            ExitCode::from(2)
        }
    }
}

fn scanned(options: &Options) -> Result<ExitCode> {
    let own = options.repository == e2e::repository();
    let exceptions = options.exceptions.clone();
    let exceptions = match exceptions.or_else(|| own.then(default_exceptions)) {
        Some(file) => Exceptions::read(&file)?,
        None => Exceptions::default(),
    };
    let values = values(options)?;
    let mut scan = Scan::with(canaries(&values)?);
    if values.is_empty() {
        scan.did_not_look_at("vault", "--values has what it keeps".to_owned());
    } else {
        let kept = values.iter();
        let kept = kept.map(|(name, value)| Ok(Content::new(name, value.as_str())));
        scan.look_for_forms_in("vault", kept)?;
    }
    let root = &options.repository;
    scan.look_at("repository", sources::repository(root)?)?;
    match sources::manifests(root)? {
        none if none.is_empty() => {
            scan.did_not_look_at("manifests", "there is no kustomization".to_owned());
        }
        rendered => scan.look_at("manifests", rendered)?,
    }
    match images::of_daemon(&options.images) {
        Err(missing) => scan.did_not_look_at("images", missing),
        Ok(names) => {
            let mut contents = Vec::new();
            for name in names {
                contents.extend(images::contents(&name)?);
            }
            scan.look_at("images", contents)?;
        }
    }
    if options.process.is_empty() {
        scan.did_not_look_at("processes", "--process names one".to_owned());
    } else {
        let mut processes = Vec::new();
        for root in &options.process {
            processes.extend(sources::process_tree(*root)?);
        }
        scan.look_at("processes", sources::environments(&processes))?;
    }
    if options.logs.is_empty() {
        scan.did_not_look_at("logs", "--logs names them".to_owned());
    } else {
        scan.look_at("logs", sources::kept(&options.logs)?)?;
    }
    let report = scan.judged_by(&exceptions);
    options.format.tell(&report, print)?;
    Ok(ExitCode::from(u8::from(!report.findings.is_empty())))
}

/// The values that were given, by name.
fn values(options: &Options) -> Result<Vec<(String, String)>> {
    let Some(file) = &options.values else {
        return Ok(Vec::new());
    };
    let text = terminal::read(file)?;
    let lines = text.lines().enumerate();
    let values: Vec<_> = lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| (format!("line {} of the values", at + 1), line.to_owned()))
        .collect();
    ensure!(
        !values.is_empty(),
        "there is no value in {}",
        file.display()
    );
    Ok(values)
}

fn canaries(values: &[(String, String)]) -> Result<Vec<Canary>> {
    let canaries = values.iter().map(|(name, value)| {
        let canary = Canary::new(name, value);
        canary.with_context(|| format!("{name} is too short to be looked for"))
    });
    canaries.collect()
}

fn print(report: &Report) {
    for finding in &report.findings {
        let text = finding.to_string();
        let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
        println!("{BAD}{head}{BAD:#}\n{rest}\n");
    }
    for accepted in &report.accepted {
        let because = &accepted.because;
        println!(
            "{FAINT}accepted {}\n  because: {because}{FAINT:#}\n",
            accepted.finding
        );
    }
    for (part, looked) in &report.looked_at {
        println!("{part:<10} {looked}");
    }
    let accepted = report.accepted.len();
    match report.findings.len() {
        0 => println!("{GOOD}nothing found{GOOD:#}, {accepted} accepted"),
        count => println!("{BAD}{count} found{BAD:#}, {accepted} accepted"),
    }
}
