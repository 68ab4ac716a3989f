//! The two commands of the README share what they build.

use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn cargo_up_builds_nothing_that_cargo_test_builds_again() {
    let up = with_features(&["--package", "e2e", "--edges", "normal,build"]);
    let test = with_features(&["--workspace"]);

    let twice: Vec<&String> = up.difference(&test).collect();

    assert!(up.len() > 200, "{up:#?}");
    assert!(
        twice.is_empty(),
        "built by `cargo up`, and by `cargo test` with other features: name one that turns them on at the end of the \
         dependencies in e2e/Cargo.toml\n{twice:#?}"
    );
}

/// The packages of a build, each with its version and features.
fn with_features(what: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--prefix", "none"])
        .args(["--format", "{p} [{f}]"])
        .args(what)
        .current_dir(e2e::repository())
        .output()
        .expect("cargo is here");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = text.lines().map(|line| line.trim_end_matches(" (*)"));
    lines.map(str::to_owned).collect()
}
