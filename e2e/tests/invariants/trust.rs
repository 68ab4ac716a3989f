//! The trust-graph check: the repository has no finding, and each mistake that
//! is planted in a copy of it turns the check red at its place.

mod planted;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use e2e::trust::{self, ClientIds, Code, Finding, Input, Manifests, Report};
use tempfile::TempDir;

use planted::{planted, shared_with_a_pipeline};

/// What the check reads, in the repository.
const FILES: [&str; 15] = [
    "infra/access.json",
    "infra/kustomization.yaml",
    "e2e/uses.json",
    "k8s/base/backend.yaml",
    "k8s/base/estate.yaml",
    "k8s/base/frontend.yaml",
    "k8s/base/kustomization.yaml",
    "k8s/base/namespace.yaml",
    "k8s/base/network-policies.yaml",
    "k8s/base/priority.yaml",
    "k8s/base/service-accounts.yaml",
    "k8s/base/worker.yaml",
    "k8s/components/workshop/access-probe.yaml",
    "k8s/components/workshop/kustomization.yaml",
    "k8s/overlays/workshop/kustomization.yaml",
];

const ACCESS: &str = "infra/access.json";
const WORKER: &str = "k8s/base/worker.yaml";

/// A copy of what the check reads.
struct Tree(TempDir);

impl Tree {
    fn copy() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for file in FILES {
            let to = directory.path().join(file);
            fs::create_dir_all(to.parent().expect("a parent")).expect("made");
            fs::copy(e2e::repository().join(file), to).expect(file);
        }
        Self(directory)
    }

    /// Replaces a text, which has to be there once.
    fn replace(&self, file: &str, from: &str, to: &str) {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path).expect(file);
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {file}");
        fs::write(path, text.replace(from, to)).expect("written");
    }

    fn input(&self) -> Input {
        let root = self.0.path();
        Input {
            manifests: Manifests::Kustomization(root.join("k8s/overlays/workshop")),
            access: root.join(ACCESS),
            options: Vec::new(),
            uses: Some(root.join("e2e/uses.json")),
            client_ids: ClientIds::Local,
        }
    }

    fn check(&self) -> Report {
        trust::check(&self.input()).expect("it can be checked")
    }

    /// A finding as code, file, and what stands at its place.
    fn told(&self, finding: &Finding) -> (&'static str, String, String) {
        let place = &finding.place;
        let file = Path::new(&*place.file);
        let text = fs::read_to_string(file).expect("the finding's file");
        let line = usize::try_from(place.line).expect("small") - 1;
        let column = usize::try_from(place.column).expect("small") - 1;
        let at = text.lines().nth(line).expect("the finding's line");
        let root = self.0.path().canonicalize().expect("it is there");
        let file = file.strip_prefix(root).expect("in the tree");
        (
            finding.code.name(),
            file.display().to_string(),
            at[column..].to_owned(),
        )
    }
}

#[test]
fn the_repositorys_own_trust_graph_has_no_finding_and_one_accepted() {
    let input = Input {
        manifests: Manifests::Kustomization(e2e::manifests::default_directory()),
        access: e2e::default_model(),
        options: Vec::new(),
        uses: Some(trust::default_uses()),
        client_ids: ClientIds::Local,
    };
    let report = trust::check(&input).expect("it can be checked");

    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert!(report.unknown.is_empty(), "{:#?}", report.unknown);
    let accepted: Vec<_> = report.accepted.iter().map(|a| &*a.finding.about).collect();
    assert_eq!(accepted, ["backend: storage/containers/attachments"]);
}

#[test]
fn each_planted_mistake_is_found_at_its_place_and_nothing_else_is() {
    for mistake in planted() {
        let tree = Tree::copy();
        tree.replace(mistake.file, &mistake.from, &mistake.to);

        let report = tree.check();

        let what = format!(
            "{}: `{}` in place of `{}`",
            mistake.file, mistake.to, mistake.from
        );
        let found: BTreeSet<_> = report.findings.iter().map(|f| tree.told(f)).collect();
        let expected = mistake.found.len();
        assert_eq!(
            report.findings.len(),
            expected,
            "{what}\n{:#?}",
            report.findings
        );
        for (code, file, begins) in mistake.found {
            let hit = found
                .iter()
                .any(|(c, f, at)| *c == code.name() && f == file && at.starts_with(begins));
            assert!(
                hit,
                "{what}: no {code:?} at `{begins}` of {file}: {found:#?}"
            );
        }
    }
}

#[test]
fn every_code_is_planted_and_documented() {
    let planted: BTreeSet<_> = planted()
        .iter()
        .flat_map(|mistake| mistake.found.iter().map(|(code, ..)| *code))
        .collect();
    assert_eq!(planted, BTreeSet::from(Code::ALL));

    let document = fs::read_to_string(e2e::repository().join("docs/trust-graph.md"));
    let document = document.expect("docs/trust-graph.md");
    for code in Code::ALL {
        let row = format!("| `{}` |", code.name());
        assert!(document.contains(&row), "no row {row}");
    }
}

#[test]
fn an_identity_that_is_shared_for_a_reason_is_no_finding() {
    let tree = Tree::copy();
    let (from, to) = shared_with_a_pipeline(r#", "sharedBecause": "the pipeline seeds the queue""#);
    tree.replace(ACCESS, &from, &to);

    let findings = tree.check().findings;

    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn rendered_manifests_of_another_team_are_checked_without_their_code() {
    let directory = tempfile::tempdir().expect("a directory");
    let access = directory.path().join("access.json");
    let text = r#"{ "identities": { "shop": { "serviceAccounts": [{ "namespace": "shop", "name": "web" }] } },
        "grants": [{ "identity": "shop", "role": "Owner of everything", "scope": "bus" }] }"#;
    fs::write(&access, text).expect("written");
    let rendered = "\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: web
  namespace: shop
  annotations:
    azure.workload.identity/client-id: 11111111-0000-0000-0000-000000000000
automountServiceAccountToken: false
---
apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly
  namespace: shop
spec:
  jobTemplate:
    spec:
      template:
        metadata:
          labels:
            app: nightly
        spec:
          serviceAccountName: web
          containers:
            - name: job
";
    let input = |ids: &[(&str, &str)]| Input {
        manifests: Manifests::Rendered {
            name: "<stdin>".to_owned(),
            text: rendered.to_owned(),
        },
        access: access.clone(),
        options: Vec::new(),
        uses: None,
        client_ids: ClientIds::Known(
            ids.iter()
                .map(|(name, id)| ((*name).to_owned(), (*id).to_owned()))
                .collect(),
        ),
    };

    let known = [("shop", "11111111-0000-0000-0000-000000000000")];
    let report = trust::check(&input(&known)).expect("it can be checked");

    let [finding] = &report.findings[..] else {
        panic!("{:#?}", report.findings);
    };
    assert_eq!(finding.code, Code::MissingLabel);
    assert_eq!(finding.place.to_string(), "<stdin>:20:11");
    assert_eq!(
        report.unknown.len(),
        1,
        "the use of grants: {:?}",
        report.unknown
    );

    let report = trust::check(&input(&[])).expect("it can be checked");
    let codes: Vec<_> = report.findings.iter().map(|f| f.code).collect();
    assert_eq!(codes, [Code::UnknownClientId, Code::MissingLabel]);
}

#[test]
fn an_option_that_is_on_adds_whom_it_trusts_and_an_add_on_is_in_no_manifest() {
    let tree = Tree::copy();
    let mut input = tree.input();
    input.options = vec![e2e::repository().join("infra/options/keda.json")];
    let report = trust::check(&input).expect("it can be checked");
    assert!(report.findings.is_empty(), "{:#?}", report.findings);

    // Without the mark its account has to be somewhere, and its grants have to be used.
    let text = fs::read_to_string(&input.options[0]).expect("the option");
    let unmarked = text.replace("\"external\": true", "\"external\": false");
    assert_ne!(text, unmarked);
    input.options = vec![tree.0.path().join("keda.json")];
    fs::write(&input.options[0], unmarked).expect("written");
    let report = trust::check(&input).expect("it can be checked");
    let codes: Vec<_> = report.findings.iter().map(|f| f.code).collect();
    let expected = [Code::DanglingSubject, Code::UnusedGrant, Code::UnusedGrant];
    assert_eq!(codes, expected, "{:#?}", report.findings);
}

#[test]
fn what_cannot_be_read_is_no_finding_but_an_error_that_names_it() {
    let tree = Tree::copy();
    let mut input = tree.input();
    input.access = "nowhere/access.json".into();
    let error = trust::check(&input).expect_err("there is no such file");
    assert!(
        format!("{error:#}").contains("nowhere/access.json"),
        "{error:#}"
    );

    let reason = "files are looked at and removed by the worker, and the API leaves them alone";
    let unexplained = Tree::copy();
    unexplained.replace("e2e/uses.json", reason, " ");
    let error = trust::check(&unexplained.input()).expect_err("it has no reason");
    assert!(format!("{error:#}").contains("needs a reason"), "{error:#}");

    tree.replace(WORKER, "kind: Deployment", "kind: [Deployment");
    let error = trust::check(&tree.input()).expect_err("it is no YAML");
    assert!(format!("{error:#}").contains("worker.yaml"), "{error:#}");

    tree.replace(
        "k8s/base/kustomization.yaml",
        "resources:",
        "patches: []\nresources:",
    );
    let error = trust::check(&tree.input()).expect_err("patches are not known");
    assert!(
        format!("{error:#}").contains("kubectl kustomize"),
        "{error:#}"
    );
}
