//! The zero-secret proof without anything running: the repository has no finding,
//! and an example of each kind that is planted in a part of the scan turns it red.
//! The parts of a running workload are in the scenarios, its images in the tests of
//! containers.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::secrets::examples::{self, Example};
use e2e::secrets::{Exceptions, Looked, Report, Scan, default_exceptions, sources};
use platform::settings::Vars;
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn there_is_no_secret_in_the_repository_and_its_manifests() {
    let exceptions = Exceptions::read(&default_exceptions()).expect("the exceptions");
    let mut scan = Scan::default();
    let root = e2e::repository();
    let files = sources::repository(root).expect("a Git repository");
    scan.look_at("repository", files).expect("files");
    let manifests = sources::manifests(root).expect("kustomizations");
    scan.look_at("manifests", manifests).expect("objects");

    let report = scan.judged_by(&exceptions);

    let found: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    for (part, least) in [("repository", 500), ("manifests", 10)] {
        let looked = &report.looked_at[part];
        assert!(
            matches!(looked, Looked::At { contents, .. } if *contents >= least),
            "{part}: {looked}"
        );
    }
}

/// A repository of its own, with a kustomization.
struct Planted(TempDir);

impl Planted {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let planted = Self(directory);
        planted.git(&["init", "--quiet"]);
        planted.write(".gitignore", "ignored.txt\n");
        planted.write("kustomization.yaml", KUSTOMIZATION);
        planted.write("objects.yaml", "kind: ServiceAccount\n");
        planted.write("settings.txt", "nothing\n");
        planted
    }

    fn git(&self, arguments: &[&str]) {
        let git = Command::new("git")
            .arg("-C")
            .arg(self.0.path())
            .args(arguments)
            .status();
        assert!(git.expect("git runs").success(), "{arguments:?}");
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.path().join(file), text).expect("written");
    }

    fn scan(&self) -> Report {
        let mut scan = Scan::default();
        let root = self.0.path();
        let files = sources::repository(root).expect("a repository");
        scan.look_at("repository", files).expect("files");
        let manifests = sources::manifests(root).expect("a kustomization");
        scan.look_at("manifests", manifests).expect("objects");
        scan.judged_by(&Exceptions::default())
    }

    /// What is found, as rule, part and file.
    fn found(&self) -> Vec<(String, String, String)> {
        let found = self.scan().findings.into_iter();
        found.map(|it| (it.rule, it.part, it.file)).collect()
    }
}

const KUSTOMIZATION: &str = "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [objects.yaml]
configMapGenerator: [{ name: settings, files: [settings.txt] }]
";

fn found_by(rule: &str, part: &str, file: &str) -> (String, String, String) {
    (rule.to_owned(), part.to_owned(), file.to_owned())
}

#[test]
fn each_kind_is_found_in_a_file_whether_git_tracks_it_or_not() {
    let planted = Planted::new();
    assert_eq!(planted.found(), []);
    for Example {
        rule, what, text, ..
    } in examples::all()
    {
        for tracked in [false, true] {
            planted.write("notes.md", &text);
            if tracked {
                planted.git(&["add", "notes.md"]);
            }
            let expected = [found_by(rule, "repository", "notes.md")];
            assert_eq!(planted.found(), expected, "{what}, tracked: {tracked}");
        }
        planted.git(&["rm", "--quiet", "--force", "notes.md"]);
        planted.write("ignored.txt", &text);
        assert_eq!(planted.found(), [], "{what}: Git ignores this file");
    }
}

#[test]
fn each_kind_is_found_in_what_a_kustomization_comes_to() {
    let planted = Planted::new();
    for Example {
        rule, what, text, ..
    } in examples::all()
    {
        planted.write("settings.txt", &text);
        let map = "kustomization.yaml: settings/settings.txt";
        let both = [
            found_by(rule, "repository", "settings.txt"),
            found_by(rule, "manifests", map),
        ];
        assert_eq!(planted.found(), both, "{what}, in a ConfigMap");
        planted.write("settings.txt", "nothing\n");

        let encoded = STANDARD.encode(&text);
        let secret = format!(
            "kind: Secret\nmetadata: {{ name: hidden }}\ndata: {{ value: \"{encoded}\" }}\n"
        );
        planted.write(
            "objects.yaml",
            &format!("kind: ServiceAccount\n---\n{secret}"),
        );
        let decoded = "objects.yaml: Secret hidden/value, decoded";
        let only = [found_by(rule, "manifests", decoded)];
        assert_eq!(planted.found(), only, "{what}, in a Secret");
        planted.write("objects.yaml", "kind: ServiceAccount\n");
    }
    // One that our reader does not know is read as it stands.
    planted.write(
        "kustomization.yaml",
        &format!("{KUSTOMIZATION}unknown: true\n"),
    );
    let example = &examples::all()[0];
    planted.write("objects.yaml", &example.text);
    let files: Vec<_> = planted
        .found()
        .into_iter()
        .map(|(_, part, _)| part)
        .collect();
    assert_eq!(files, ["repository", "manifests"]);
}

#[test]
fn each_kind_is_found_in_the_environment_and_arguments_of_a_process() {
    for Example {
        rule, what, text, ..
    } in examples::all()
    {
        for (argument, variable) in [("", text.as_str()), (text.as_str(), "nothing")] {
            let mut child = Command::new("sh")
                .args(["-c", "echo; read line", argument])
                .env_clear()
                .env("PLANTED", variable)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("it starts");
            // The kernel shows neither before the program itself runs.
            let mut said = [0];
            let mut output = child.stdout.take().expect("it was made a pipe");
            output.read_exact(&mut said).expect("it says that it runs");
            let tree = sources::process_tree(child.id()).expect("it runs");
            let mut scan = Scan::default();
            let looked = scan.look_at("processes", sources::environments(&tree));
            drop(child.stdin.take());
            let _ended = child.wait().expect("it ends");

            looked.expect("it has an environment");
            let found = scan.judged_by(&Exceptions::default()).findings;
            assert_eq!(found.len(), 1, "{what}: {found:?}");
            assert_eq!(found[0].rule, rule, "{what}");
        }
    }
}

#[test]
fn the_processes_that_a_process_started_are_looked_at_too() {
    let tree = sources::process_tree(std::process::id()).expect("it runs");
    assert!(tree.contains(&std::process::id()));
    let mut child = Command::new("sh")
        .args(["-c", "cat; true"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("it starts");
    let started = sources::process_tree(std::process::id()).expect("it runs");
    drop(child.stdin.take());
    let _ended = child.wait().expect("it ends");
    assert!(started.contains(&child.id()), "{started:?}");
    let gone = sources::process_tree(child.id()).expect_err("it has ended");
    assert!(
        gone.to_string().starts_with("there is no process"),
        "{gone}"
    );
}

#[test]
fn each_kind_is_found_in_logs_wherever_they_are_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let below = directory.path().join("pods");
    fs::create_dir(&below).expect("made");
    fs::write(directory.path().join("cloud.log"), "ready\n").expect("written");
    for Example {
        rule, what, text, ..
    } in examples::all()
    {
        fs::write(below.join("worker.log"), format!("first\n{text}\n")).expect("written");
        let kept = sources::kept(&[directory.path().to_owned()]).expect("logs");
        let mut scan = Scan::default();
        scan.look_at("logs", kept).expect("logs");
        let found = scan.judged_by(&Exceptions::default()).findings;
        assert_eq!(found.len(), 1, "{what}: {found:?}");
        assert_eq!(found[0].rule, rule, "{what}");
        assert!(found[0].file.ends_with("pods/worker.log"), "{what}");
    }
}

/// Runs `cargo secrets`.
fn secrets(arguments: &[&str]) -> Output {
    let path = Vars::from_process().get("PATH").expect("a path");
    Command::new(env!("CARGO_BIN_EXE_e2e"))
        .arg("secrets")
        .args(arguments)
        .current_dir(e2e::repository())
        .env_clear()
        .env("NO_COLOR", "1")
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

fn at(root: &Path) -> [&str; 4] {
    let root = root.to_str().expect("text");
    ["--repository", root, "--images", "no-such-image"]
}

#[test]
fn the_command_ends_with_0_1_or_2_and_tells_what_it_looked_at() {
    let planted = Planted::new();
    let root = planted.0.path();
    let clean = secrets(&at(root));
    let text = String::from_utf8(clean.stdout).expect("text");
    assert_eq!(clean.status.code(), Some(0), "{text}");
    assert!(text.ends_with("nothing found, 0 accepted\n"), "{text}");
    for part in ["images", "logs", "processes"] {
        let line = text.lines().find(|line| line.starts_with(part));
        assert!(
            line.is_some_and(|line| line.contains("not looked at: ")),
            "{text}"
        );
    }

    let example = &examples::all()[9];
    planted.write("notes.md", &format!("first\n{}", example.text));
    let found = secrets(&[&at(root)[..], &["--format", "json"]].concat());
    let text = String::from_utf8(found.stdout).expect("text");
    assert_eq!(found.status.code(), Some(1), "{text}");
    assert!(!text.contains(&example.secret), "{text}");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let finding = &report["findings"][0];
    assert_eq!(finding["rule"], example.rule);
    assert_eq!(
        (&finding["file"], &finding["line"]),
        (&"notes.md".into(), &2.into())
    );
    assert_eq!(report["looked_at"]["repository"]["contents"], 5);
    assert!(report["looked_at"]["images"]["not_looked_at"].is_string());

    let values = root.join("values");
    fs::write(&values, "a value that is known\n").expect("written");
    planted.write(".gitignore", "values\nnotes.md\n");
    planted.write("page.html", "<p>YSB2YWx1ZSB0aGF0IGlzIGtub3du</p>");
    let file = values.to_str().expect("text");
    let found = secrets(&[&at(root)[..], &["--values", file]].concat());
    let text = String::from_utf8(found.stdout).expect("text");
    assert_eq!(found.status.code(), Some(1), "{text}");
    assert!(text.starts_with("vault-value page.html:1\n"), "{text}");

    let nowhere = tempfile::tempdir().expect("a directory");
    let failed = secrets(&at(nowhere.path()));
    let text = String::from_utf8(failed.stderr).expect("text");
    assert_eq!(failed.status.code(), Some(2), "{text}");
    assert!(text.contains("git does not list the files"), "{text}");
}
