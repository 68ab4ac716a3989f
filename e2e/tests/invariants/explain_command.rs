//! `cargo explain`, as a person uses it: what is in its documentation is what it
//! says, and a token's signature never is.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Runs it in the repository's root.
fn explain(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_e2e"))
        .arg("explain")
        .args(arguments)
        .current_dir(e2e::repository())
        .env_clear()
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn shown(input: &str) -> String {
    let output = explain(&[], input);
    assert!(output.status.success(), "{input}: {output:?}");
    text(&output.stdout)
}

/// Every example of the documentation: a command that echoes a text into
/// `cargo explain`, and what it answers.
#[test]
fn the_documentation_shows_what_the_command_says() {
    let file = e2e::repository().join("docs/explain.md");
    let document = std::fs::read_to_string(&file).expect("docs/explain.md");
    let examples: Vec<&str> = document
        .split("```console\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("its end"))
        .collect();
    assert!(examples.len() >= 4, "the examples are gone");
    for example in examples {
        let (command, expected) = example.split_once('\n').expect("a command and an answer");
        let input = command
            .strip_prefix("$ echo \"")
            .and_then(|rest| rest.strip_suffix("\" | cargo explain"))
            .unwrap_or_else(|| panic!("{command} is no example"));
        let found = shown(input);
        assert_eq!(found.trim_end(), expected.trim_end(), "{command}");
    }
}

/// What is told of manifests is the line that has it.
#[test]
fn a_fix_in_the_manifests_names_the_line_that_has_it() {
    let error = "AADSTS700213: presented assertion subject 'system:serviceaccount:todolist:backend'. \
                 The client '6977c771-7ec5-5c54-9864-189d96bd2654'(frontend)";

    let output = explain(&["--json"], error);

    let findings: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let fixes = findings[0]["refusal"]["fixes"].as_array().expect("fixes");
    let places: Vec<(&str, String)> = fixes.iter().map(place).collect();
    let [(first, client_id), (second, account), (third, trust)] = &places[..] else {
        panic!("{findings:#}");
    };
    assert_eq!(*first, "k8s/base/service-accounts.yaml");
    assert!(
        client_id.contains("azure.workload.identity/client-id: d88330ca"),
        "{client_id}"
    );
    assert_eq!(*second, "k8s/base/backend.yaml");
    assert_eq!(account.trim(), "serviceAccountName: backend");
    assert_eq!(*third, "infra/access.json");
    assert!(trust.contains("\"name\": \"frontend\""), "{trust}");
}

fn place(fix: &Value) -> (&str, String) {
    let file = fix["file"].as_str().expect("a file");
    let line = fix["line"].as_u64().expect("a line");
    let path = e2e::repository().join(Path::new(file));
    let text = std::fs::read_to_string(path).expect("the file is there");
    let line = text.lines().nth(usize::try_from(line).expect("small") - 1);
    (file, line.expect("the line is there").to_owned())
}

#[test]
fn what_it_does_not_know_ends_with_2_and_says_what_it_takes() {
    let output = explain(&[], "all is well");

    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).contains("AADSTS"), "{output:?}");
}

#[test]
fn a_file_that_is_not_there_is_an_error_and_not_an_answer() {
    let output = explain(&["/no/such/file"], "");

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/no/such/file"), "{output:?}");
}

#[test]
fn its_help_has_examples() {
    let help = text(&explain(&["--help"], "").stdout);

    assert!(
        help.contains("kubectl logs deploy/backend | cargo explain"),
        "{help}"
    );
}

/// Pods without the label: the command finds out which, in whatever directory.
#[test]
fn a_missing_label_is_found_in_the_manifests() {
    let directory = tempfile::tempdir().expect("a directory");
    let deployment = std::fs::read_to_string(e2e::repository().join("k8s/base/backend.yaml"));
    let without = deployment
        .expect("it is there")
        .replace("        azure.workload.identity/use: \"true\"\n", "");
    let kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: todolist\nresources: [backend.yaml]\n";
    std::fs::write(directory.path().join("backend.yaml"), &without).expect("written");
    std::fs::write(directory.path().join("kustomization.yaml"), kustomization).expect("written");
    let manifests = directory.path().display().to_string();

    let output = explain(
        &["--manifests", &manifests],
        "AZURE_FEDERATED_TOKEN_FILE is not set",
    );

    let told = text(&output.stdout);
    let line = without
        .lines()
        .position(|line| line.contains("labels:"))
        .expect("labels")
        + 1;
    let label = format!(
        "Deployment `backend`: its pods have no label azure.workload.identity/use: \"true\"  {manifests}/backend.yaml:{line}"
    );
    assert!(told.contains(&label), "{label}\n{told}");
}

#[test]
fn no_form_of_input_makes_it_show_a_signature() {
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signature = "UExBTlRFRC1TSUdOQVRVUkUtdGhhdC1tdXN0LWFwcGVhci1ub3doZXJl";
    let claims = json!({ "iss": "https://issuer/", "sub": "system:serviceaccount:todolist:frontend", "aud": "x", "exp": 1 });
    let token = format!(
        "{}.{}.{signature}",
        part(&json!({ "alg": "RS256", "kid": "k" })),
        part(&claims)
    );
    for input in [
        token.clone(),
        format!("Bearer {token}"),
        format!("client_assertion={token}&scope=x"),
        json!({ "error": format!("AADSTS700213: sent {token}") }).to_string(),
        format!("AADSTS700213: presented assertion subject '{token}'"),
        format!(
            "{{\"level\":\"WARN\",\"cause\":\"403 ForbiddenByRbac, {token}\"}}\n{{\"token\":\"{token}\"}}"
        ),
    ] {
        for arguments in [&[][..], &["--json"]] {
            let output = explain(arguments, &input);
            assert!(output.status.success(), "{input}: {output:?}");
            let all = text(&output.stdout) + &text(&output.stderr);
            assert!(
                !all.contains(&signature[..16]) && !all.contains("eyJ"),
                "{input}\n{all}"
            );
        }
    }
}
