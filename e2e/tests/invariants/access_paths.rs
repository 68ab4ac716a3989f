//! `docs/access-paths.md`: which function relies on which identity and role. It is
//! made from lines above functions, of which every handler of a route and every
//! job has to have at least one:
//!
//! ```text
//! // Identity backend or worker, Cosmos DB Built-in Data Contributor on container todos.
//! // Identity worker, Storage Blob Data Contributor on container attachments.
//! // Identity frontend, call to backend.
//! // No identity: it shows a file that is part of the program.
//! ```
//!
//! To make it anew: `UPDATE_DOCS=1 cargo test -p e2e --test invariants access_paths`.

mod check;
mod document;
mod note;
mod source;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use platform::settings::Vars;
use serde::Deserialize;
use serde_json::Value;

use source::Source;
pub(super) use source::function_name;

/// Where the code of the workload is.
const CRATES: [&str; 3] = ["backend/src", "frontend/src", "platform/src"];

const DOCUMENT: &str = "docs/access-paths.md";

/// What the code does with each grant, and which grants are there without a use.
const USES: &str = "e2e/uses.json";

/// What `infra/access.json` says of who may do what.
#[derive(Debug, Deserialize)]
struct Model {
    grants: Vec<Grant>,
    calls: Vec<Call>,
    #[serde(skip)]
    spare: Vec<Spare>,
}

/// A grant that no function relies on, and why it is there all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spare {
    identity: String,
    scope: String,
    why: String,
}

impl Spare {
    fn is(&self, grant: &Grant) -> bool {
        self.identity == grant.identity && self.scope == grant.scope
    }
}

/// A role of an identity at a scope.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Grant {
    identity: String,
    role: String,
    scope: String,
}

/// A call between services, which is Kubernetes' trust.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Call {
    from: String,
    to: String,
    audience: String,
}

fn model() -> Model {
    let text = std::fs::read_to_string(e2e::default_model()).expect("infra/access.json");
    let model: Model = serde_json::from_str(&text).expect("grants and calls");
    let uses = uses();
    let exceptions = uses["exceptions"].as_array().expect("exceptions");
    let unused = exceptions.iter().filter(|e| e["code"] == "unused-grant");
    let spare = unused.map(|exception| {
        let text = |name: &str| exception[name].as_str().expect("text");
        let (identity, scope) = text("about").split_once(": ").expect("identity: scope");
        Spare {
            identity: identity.to_owned(),
            scope: scope.to_owned(),
            why: text("because").to_owned(),
        }
    });
    Model {
        spare: spare.collect(),
        ..model
    }
}

fn uses() -> Value {
    let text = std::fs::read_to_string(e2e::repository().join(USES)).expect(USES);
    serde_json::from_str(&text).expect("JSON")
}

/// The code of the workload, without its tests.
pub(super) fn sources() -> Vec<Source> {
    let repository = e2e::repository();
    let mut files = Vec::new();
    for directory in CRATES {
        rust_files(&repository.join(directory), &mut files);
    }
    files.sort();
    let sources = files.into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let file = path.strip_prefix(repository).expect("in the repository");
        Source::read(&file.display().to_string(), &text)
    });
    without_tests(sources.collect())
}

/// Leaves out the files of modules that only tests have.
fn without_tests(mut sources: Vec<Source>) -> Vec<Source> {
    let modules: Vec<PathBuf> = sources
        .iter()
        .flat_map(|source| {
            let file = Path::new(&source.file);
            let directory = match file.file_stem().and_then(OsStr::to_str) {
                Some("lib" | "main") => file.with_file_name(""),
                _ => file.with_extension(""),
            };
            let modules = source.test_modules.iter();
            modules.map(move |module| directory.join(module))
        })
        .collect();
    sources.retain(|source| {
        let module = Path::new(&source.file).with_extension("");
        !modules.iter().any(|tests| module.starts_with(tests))
    });
    sources
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_handler_and_job_says_on_which_grant_it_relies_and_every_grant_is_relied_on() {
    let problems = check::problems(&sources(), &model());

    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_grant_that_is_relied_on_has_its_uses_written_down_and_no_other() {
    let uses = uses();
    let written: BTreeSet<_> = uses["uses"]
        .as_array()
        .expect("uses")
        .iter()
        .map(|used| [&used["identity"], &used["scope"]].map(|text| text.as_str().expect("text")))
        .collect();

    // The test above holds the code to the same grants.
    let model = model();
    let grants = model.grants.iter();
    let relied_on: BTreeSet<_> = grants
        .filter(|grant| !model.spare.iter().any(|spare| spare.is(grant)))
        .map(|grant| [grant.identity.as_str(), grant.scope.as_str()])
        .collect();
    assert_eq!(written, relied_on, "{USES} and the notes in the code");
}

#[test]
fn the_document_of_access_paths_is_what_the_code_says() {
    let made = document::markdown(&sources(), &model());
    let file = e2e::repository().join(DOCUMENT);
    if Vars::from_process().get("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &made).expect("written");
    }

    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let differing = kept
        .lines()
        .zip(made.lines())
        .find(|(kept, made)| kept != made);
    assert!(
        kept == made,
        "{DOCUMENT} is not what the code says; it is made anew by \
         `UPDATE_DOCS=1 cargo test -p e2e --test invariants access_paths`.\n\
         the first line that differs (kept, made): {differing:#?}"
    );
}
