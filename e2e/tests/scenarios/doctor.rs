//! The doctor on the local cloud: six lines are met while the workload runs, and
//! each prerequisite that is broken turns exactly its line red. Those of a live
//! environment are in `tests/invariants/doctor.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::doctor::local::LocalCloud;
use e2e::doctor::{Line, State, Wanted, diagnose};
use e2e::stack::{Options, Stack};
use local_cloud::control::GrantBody;
use tempfile::TempDir;

use crate::stage::start;

/// A copy of the manifests, with a text replaced.
fn manifests(file: &str, from: &str, to: &str) -> TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    let base = e2e::manifests::base_directory();
    for entry in fs::read_dir(base).expect("the base") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        let mut text = fs::read_to_string(&path).expect("text");
        if name == file {
            assert_eq!(text.matches(from).count(), 1, "`{from}` in {file}");
            text = text.replace(from, to);
        }
        fs::write(copy.path().join(name), text).expect("written");
    }
    copy
}

async fn lines(state: PathBuf, manifests: &Path, access: &Path) -> Vec<Line> {
    let wanted = Wanted::read(access).expect("an access file");
    let cloud = LocalCloud {
        state,
        manifests: manifests.to_owned(),
    };
    diagnose(&cloud, &wanted).await.expect("it can be checked")
}

/// The lines of a stack as it is.
async fn of(stack: &Stack) -> Vec<Line> {
    let base = e2e::manifests::base_directory();
    lines(stack.cloud_state(), &base, &e2e::default_model()).await
}

/// One line is red and says so, with the fix; all others are met.
fn only(lines: &[Line], number: usize, says: &str, fix: &str) {
    for (at, line) in lines.iter().enumerate() {
        let expected = if at + 1 == number {
            State::Failed
        } else {
            State::Met
        };
        assert_eq!(line.state, expected, "{says}: {lines:#?}");
    }
    let problems = &lines[number - 1].problems;
    let told = problems
        .iter()
        .any(|problem| problem.what.contains(says) && problem.fix.contains(fix));
    assert!(told, "{says}, {fix}: {problems:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_prerequisite_that_is_broken_turns_exactly_its_line_red() {
    let stack = start(Options::base()).await;
    let healthy = of(&stack).await;
    assert!(
        healthy.iter().all(|line| line.state == State::Met),
        "{healthy:#?}"
    );

    the_issuer(&stack).await;
    what_manifests_say(&stack).await;
    an_identity(&stack).await;
    trust(&stack).await;
    a_role(&stack).await;
    stack.stop(|_| {}).await.expect("everything ends");
}

/// A client is told an issuer without its slash.
async fn the_issuer(stack: &Stack) {
    let copy = tempfile::tempdir().expect("a directory");
    for file in ["endpoints.json", "ca.pem", "control-token"] {
        fs::copy(stack.cloud_state().join(file), copy.path().join(file)).expect(file);
    }
    let file = copy.path().join("endpoints.json");
    let text = fs::read_to_string(&file).expect("text");
    let issuer = &stack.endpoints().issuer;
    let text = text.replace(issuer.as_str(), issuer.trim_end_matches('/'));
    fs::write(&file, text).expect("written");

    let base = e2e::manifests::base_directory();
    let lines = lines(copy.path().to_owned(), &base, &e2e::default_model()).await;
    only(&lines, 1, "lacks the slash `/` at the end", issuer);
}

async fn what_manifests_say(stack: &Stack) {
    const ACCOUNTS: &str = "service-accounts.yaml";
    for (file, from, to, number, says, fix) in [
        (
            "namespace.yaml",
            "name: todolist",
            "name: elsewhere",
            2,
            "there is no namespace `todolist`",
            "add the Namespace `todolist`",
        ),
        (
            ACCOUNTS,
            "name: worker",
            "name: labourer",
            2,
            "there is no service account `todolist/worker`",
            "add a ServiceAccount in namespace `todolist` called `worker`",
        ),
        (
            ACCOUNTS,
            "60369a45-56c2-5353-8d23-fedc2fecaee0",
            "d88330ca-c6e3-5911-831b-f32089104fdd",
            3,
            "of `worker`",
            "client-id: 60369a45-56c2-5353-8d23-fedc2fecaee0",
        ),
        (
            "worker.yaml",
            "        azure.workload.identity/use: \"true\"\n",
            "",
            6,
            "Deployment todolist/worker lacks the label",
            "label the pods",
        ),
        (
            "worker.yaml",
            "serviceAccountName: worker",
            "serviceAccountName: default",
            6,
            "no pod runs as service account `todolist/worker`",
            "name `worker` as its serviceAccountName",
        ),
    ] {
        let copy = manifests(file, from, to);
        let lines = lines(stack.cloud_state(), copy.path(), &e2e::default_model()).await;
        only(&lines, number, says, fix);
    }
}

/// The access file has an identity that the cloud does not know.
async fn an_identity(stack: &Stack) {
    let text = fs::read_to_string(e2e::default_model()).expect("the access file");
    let backend = r#""backend": { "serviceAccounts""#;
    let text = text.replace(backend, r#""reporter": { "serviceAccounts""#);
    // Its grants belong to an identity that this file does not have.
    let text = text.replace(r#""identity": "backend""#, r#""identity": "reporter""#);
    let directory = tempfile::tempdir().expect("a directory");
    let access = directory.path().join("access.json");
    fs::write(&access, text).expect("written");

    let base = e2e::manifests::base_directory();
    let lines = lines(stack.cloud_state(), &base, &access).await;
    only(
        &lines,
        3,
        "there is no identity `reporter`",
        "declare `reporter`",
    );
}

async fn trust(stack: &Stack) {
    let control = stack.control();
    let trusted = control
        .federated_credentials("worker")
        .await
        .expect("trust");
    let [credential] = &trusted[..] else {
        panic!("the worker trusts one account: {trusted:?}");
    };
    control
        .delete_federated_credential("worker", &credential.name)
        .await
        .expect("deleted");
    let says = "identity `worker` has no federated credential";
    only(
        &of(stack).await,
        4,
        says,
        "let `worker` trust issuer https://",
    );

    let mut without_slash = credential.clone();
    without_slash.issuer = credential.issuer.trim_end_matches('/').to_owned();
    control
        .put_federated_credential("worker", &without_slash)
        .await
        .expect("made");
    let fix = format!("let `worker` trust issuer {}", credential.issuer);
    only(&of(stack).await, 4, "lacks the slash `/` at the end", &fix);

    control
        .put_federated_credential("worker", credential)
        .await
        .expect("healed");
}

async fn a_role(stack: &Stack) {
    let grant = GrantBody {
        identity: "worker".to_owned(),
        role: "Storage Blob Data Contributor".to_owned(),
        scope: "storage/containers/attachments".to_owned(),
    };
    stack.control().revoke(&grant).await.expect("revoked");
    let says =
        "`worker` has no `Storage Blob Data Contributor` on `storage/containers/attachments`";
    only(&of(stack).await, 5, says, "grant `worker` the role");

    stack.control().grant(&grant).await.expect("healed");

    let wider = GrantBody {
        scope: "storage".to_owned(),
        ..grant
    };
    stack.control().grant(&wider).await.expect("granted");
    let says = "`worker` has `Storage Blob Data Contributor` on `storage`, which no grant gives it";
    only(&of(stack).await, 5, says, "take from `worker` the role");

    stack.control().revoke(&wider).await.expect("healed");
    let healed = of(stack).await;
    assert!(
        healed.iter().all(|line| line.state == State::Met),
        "{healed:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_without_pods_has_seen_no_authentication() {
    let state = tempfile::tempdir().expect("a directory");
    platform::pod::install_crypto_provider();
    let cloud = local_cloud::LocalCloud::start(local_cloud::Options {
        state: Some(state.path().to_owned()),
        ..local_cloud::Options::new(e2e::default_model())
    })
    .await
    .expect("the cloud starts");

    let base = e2e::manifests::base_directory();
    let lines = lines(
        cloud.state_directory().to_owned(),
        &base,
        &e2e::default_model(),
    )
    .await;

    only(
        &lines,
        6,
        "no token exchange is in the audit",
        "start a pod",
    );
}
