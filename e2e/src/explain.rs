//! `cargo explain`: why something was refused, and how to mend it.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Result};
use e2e::manifests::{Manifests, Places, default_directory};
use local_cloud::explain::text::{Line, Tone};
use local_cloud::explain::{Explainer, Finding};
use local_cloud::model::{Model, ServiceAccount, file_name};
use local_cloud::roles::Roles;
use platform::telemetry::redact;
use time::OffsetDateTime;

/// Longer inputs are read to here.
const MOST: u64 = 4 * 1024 * 1024;

/// Explain a refusal or a token: what was presented, what is trusted, how to mend it.
///
/// It reads an error's text, a JSON error, lines of a log (of the pods or of the
/// cloud), a record of the audit, an answer of the API, or a token, from a file
/// or from standard input. It says, field by field and to the character, where
/// what was presented differs from what the access model trusts or grants, and
/// which line of which file, or which command of the Azure CLI, mends it. It
/// needs no running cloud, sends nothing anywhere, and never shows a token's
/// signature.
#[derive(clap::Args)]
#[command(after_help = "Examples\n  \
    cargo explain error.txt\n  \
    kubectl logs deploy/backend | cargo explain\n  \
    kubectl exec deploy/backend -- sh -c 'cat $AZURE_FEDERATED_TOKEN_FILE' | cargo explain\n  \
    echo 'AADSTS70025' | cargo explain\n\
    \nIt ends with 2 if it finds nothing that it knows.")]
pub(crate) struct Options {
    /// What to explain; standard input if it is not given, or `-`.
    #[arg(value_name = "FILE")]
    input: Option<PathBuf>,
    /// The access model that says what is trusted and granted.
    #[arg(long, value_name = "FILE", default_value_os_t = e2e::default_model())]
    model: PathBuf,
    /// The kustomization whose labels and annotations are meant.
    #[arg(long, value_name = "DIR", default_value_os_t = default_directory())]
    manifests: PathBuf,
    /// Write JSON: a list of findings.
    #[arg(long)]
    json: bool,
}

/// What is trusted, and where it is written.
struct Context {
    explainer: Explainer,
    places: Places,
}

impl Context {
    fn of(options: &Options) -> Result<Self> {
        let roles = Roles::built_in();
        let shown = file_name(&options.model);
        let text = std::fs::read_to_string(&options.model)
            .with_context(|| format!("{shown} cannot be read"))?;
        let model = Model::parse(&text, &roles).with_context(|| shown.clone())?;
        let manifests = Manifests::load(&options.manifests)?;
        let places = Places::of(&options.manifests)?;
        let mut explainer = Explainer::new(model.in_file(shown), roles);
        let estate = manifests.config_maps.get("estate");
        if let Some(issuer) = estate.and_then(|estate| estate.get("CLUSTER_ISSUER")) {
            explainer = explainer.with_issuer(issuer);
        }
        for (namespace, name, client_id) in places.client_ids() {
            let account = ServiceAccount {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            explainer = explainer.with_client_id(&account, client_id);
        }
        Ok(Self { explainer, places })
    }

    fn explain(&self, text: &str) -> Vec<Finding> {
        let findings = self.explainer.read(text, OffsetDateTime::now_utc());
        let located = findings.into_iter().map(|finding| match finding {
            Finding::Refusal(mut explanation) => {
                if explanation.code == "NotInjected" {
                    let found = self.places.not_injected();
                    explanation.fixes.splice(0..0, found);
                }
                Finding::Refusal(explanation.located(|spot| self.places.find(spot)))
            }
            token @ Finding::Token(_) => token,
        });
        located.collect()
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let context = Context::of(options)?;
    let text = input(options.input.as_deref())?;
    let findings = context.explain(&text);
    if findings.is_empty() {
        anstream::eprintln!(
            "cargo explain: there is no refusal and no token in this that is known. It takes an error with its code \
             (AADSTS..., ForbiddenByRbac, 403/5302, amqp:unauthorized-access), a line of a log, or a token."
        );
        return Ok(ExitCode::from(2));
    }
    if options.json {
        let json = serde_json::to_string_pretty(&findings)?;
        anstream::println!("{}", redact(&json));
        return Ok(ExitCode::SUCCESS);
    }
    for (number, finding) in findings.iter().enumerate() {
        if number > 0 {
            anstream::println!();
        }
        for line in finding.lines() {
            anstream::println!("{}", coloured(&line));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn input(file: Option<&Path>) -> Result<String> {
    let mut bytes = Vec::new();
    if let Some(file) = file.filter(|file| *file != Path::new("-")) {
        let opened = std::fs::File::open(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        opened.take(MOST).read_to_end(&mut bytes)?;
    } else {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            anstream::eprintln!("Paste an error, a line of a log or a token, then press Ctrl-D.");
        }
        stdin.lock().take(MOST).read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A line in the colours of its tones. What looks like a token is taken out once
/// more, whoever put it there.
fn coloured(line: &Line) -> String {
    let pieces = line.0.iter().map(|(tone, text)| {
        let style = match tone {
            Tone::Plain => Style::new(),
            Tone::Heading => Style::new().bold(),
            Tone::Presented | Tone::Mark => AnsiColor::Red.on_default(),
            Tone::Trusted => AnsiColor::Green.on_default(),
            Tone::Place => AnsiColor::Cyan.on_default(),
            Tone::Command => AnsiColor::Yellow.on_default(),
        };
        format!("{style}{}{style:#}", redact(text))
    });
    pieces.collect()
}
