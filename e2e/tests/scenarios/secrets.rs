//! The zero-secret proof of a running workload: processes, logs, and whatever else
//! the values of the vault could have come to.

use std::io::Write as _;

use e2e::secrets::{Canary, Content, Exceptions, Looked, Report, Scan, examples, sources};
use e2e::stack::{PODS, Stack};
use serde_json::Value;

use crate::outsider;
use crate::person::Page;

/// The secrets of the vault, and who may read each.
const SECRETS: [(&str, &str); 2] = [("session-key", "frontend"), ("share-link-key", "backend")];

/// A running workload, and what must be nowhere.
struct Proof<'a> {
    stack: &'a Stack,
    /// The values of the vault, by name.
    kept: Vec<(String, String)>,
    /// The same, and what opens the control API and the lab console.
    values: Vec<(String, String)>,
}

/// No secret is anywhere in this workload or on these pages. What is then planted
/// is found, so that this means something. The worker is another one afterwards.
pub(crate) async fn are_nowhere(stack: &Stack, pages: &[Page]) {
    let kept = kept(stack).await;
    let values = [kept.clone(), keys(stack)].concat();
    let proof = Proof {
        stack,
        kept,
        values,
    };

    let report = proof.scan(&proof.kept, pages, proof.told().await).await;

    let found: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    // Environment and arguments of the cloud and three pods; a log of each.
    for (part, expected) in [
        ("vault", SECRETS.len()),
        ("processes", 8),
        ("logs", 4),
        ("told", 5),
        ("pages", pages.len()),
    ] {
        let looked = &report.looked_at[part];
        assert!(
            matches!(looked, Looked::At { contents, .. } if *contents == expected),
            "{part}: {looked}"
        );
    }
    proof.what_is_planted_is_found(pages).await;
}

/// The values of the vault's secrets, read as those who may.
async fn kept(stack: &Stack) -> Vec<(String, String)> {
    let model = std::fs::read_to_string(e2e::default_model()).expect("infra/access.json");
    let model: Value = serde_json::from_str(&model).expect("JSON");
    let secrets = model["resources"]["vault"]["secrets"].as_object();
    let secrets: Vec<_> = secrets.expect("secrets").keys().collect();
    assert_eq!(
        secrets,
        SECRETS.map(|(name, _)| name),
        "all of them are read"
    );

    let mut values = Vec::new();
    for (secret, identity) in SECRETS {
        let scope = "https://vault.azure.net/.default";
        let token = outsider::access_token(stack, identity, scope).await;
        let url =
            format!("https://localvault.vault.azure.net/secrets/{secret}?api-version=2025-07-01");
        let answer = outsider::http(stack)
            .get(url)
            .bearer_auth(token)
            .send()
            .await;
        let answer: Value = answer.expect("an answer").json().await.expect("JSON");
        let value = answer["value"].as_str().expect("a value").to_owned();
        assert!(value.len() >= 32, "{secret} has a value of 32 bytes");
        values.push((secret.to_owned(), value));
    }
    values
}

/// The token of the control API and the key of the lab console, which are on the disk
/// for whoever runs this.
fn keys(stack: &Stack) -> Vec<(String, String)> {
    let token = std::fs::read_to_string(stack.cloud_state().join("control-token"));
    let console = stack.console().expect("the console's address");
    let (_, key) = console.split_once("/#").expect("a key");
    vec![
        ("control-token".to_owned(), token.expect("a token")),
        ("console".to_owned(), key.to_owned()),
    ]
}

impl Proof<'_> {
    async fn scan(
        &self,
        kept: &[(String, String)],
        pages: &[Page],
        told: Vec<anyhow::Result<Content>>,
    ) -> Report {
        let stack = self.stack;
        let canaries = self
            .values
            .iter()
            .map(|(name, value)| Canary::new(name, value));
        let canaries = canaries.collect::<Option<_>>().expect("long enough");
        let mut scan = Scan::with(canaries);

        let kept = kept.iter();
        let kept = kept.map(|(name, value)| Ok(Content::new(name, value.as_str())));
        scan.look_for_forms_in("vault", kept).expect("values");
        let mut processes = vec![stack.cloud_pid().expect("the cloud runs")];
        for pod in PODS {
            processes.push(stack.pid(pod).await.expect("it runs"));
        }
        scan.look_at("processes", sources::environments(&processes))
            .expect("environments");
        let logs = sources::kept(&[stack.logs()]).expect("logs");
        scan.look_at("logs", logs).expect("logs");
        if !told.is_empty() {
            scan.look_at("told", told).expect("answers");
        }
        let manifests = sources::manifests(e2e::repository()).expect("kustomizations");
        scan.look_at("manifests", manifests).expect("objects");
        // A page has the tokens of its session's forms.
        let pages = pages
            .iter()
            .map(|page| Ok(Content::new(&page.path, page.text.as_str())));
        scan.look_for_values_in("pages", pages).expect("pages");
        scan.judged_by(&Exceptions::default())
    }

    /// What cloud and pods tell of themselves.
    async fn told(&self) -> Vec<anyhow::Result<Content>> {
        let control = self.stack.control();
        let audit = control.audit(0).await.expect("the audit");
        let audit = serde_json::to_string_pretty(&audit).expect("JSON");
        let state = control.state().await.expect("the state").to_string();
        let mut told = vec![("audit", audit), ("state", state)];
        for pod in PODS {
            told.push((pod, self.report(pod).await));
        }
        let told = told.into_iter();
        told.map(|(name, text)| Ok(Content::new(name, text)))
            .collect()
    }

    /// The last report of a pod's access probe, which the Access page may have asked
    /// for just now; else a new one.
    async fn report(&self, pod: &str) -> String {
        let url = self.stack.management_url(pod, "access").expect("a pod");
        let client = reqwest::Client::builder().no_proxy().build();
        let last = client.expect("a client").get(url).send().await;
        let last = last.expect("an answer");
        if last.status().is_success() {
            return last.text().await.expect("a report");
        }
        let report = self.stack.probe(pod).await.expect("a report");
        serde_json::to_string_pretty(&report).expect("JSON")
    }

    async fn what_is_planted_is_found(&self, pages: &[Page]) {
        let stack = self.stack;
        let example = examples::all().swap_remove(9);
        let (session_key, value) = &self.values[0];
        let ended = stack.end_pod("worker").await.expect("the worker ends");
        assert!(ended.success(), "{ended}");
        let planted = [
            ("PLANTED", example.text.as_str()),
            ("LEAKED", value.as_str()),
        ];
        stack
            .start_again("worker", &planted)
            .await
            .expect("it starts");
        stack.wait_until_ready("worker").await.expect("it is ready");
        let log = stack.logs().join("worker.log");
        let log = std::fs::File::options().append(true).open(log);
        let (_, of_links) = &self.values[1];
        writeln!(
            log.expect("the worker's log"),
            "{}\n{of_links}",
            example.text
        )
        .expect("written");
        let leaking = Page {
            text: format!("<p>{value}</p>"),
            path: "/leaking".to_owned(),
            status: pages[0].status,
        };

        // As in the article's sample, which keeps a key of Storage in its vault.
        let mut examples = examples::all().into_iter();
        let key = examples.find(|example| example.rule == "connection-string");
        let key = ("storage".to_owned(), key.expect("an example").text);
        let kept = [self.kept.clone(), vec![key]].concat();

        // A pod probes its access once in a while only: what it told is not asked again.
        let report = self.scan(&kept, &[leaking], Vec::new()).await;

        let found = report
            .findings
            .iter()
            .map(|it| (it.part.as_str(), it.rule.as_str()));
        let mut found: Vec<_> = found.collect();
        found.sort_unstable();
        let mut expected = [
            ("logs", example.rule),
            ("logs", "vault-value"),
            ("pages", "vault-value"),
            ("processes", example.rule),
            ("processes", "vault-value"),
            ("vault", "connection-string"),
        ];
        expected.sort_unstable();
        assert_eq!(found, expected);
        let told = format!("{:?}", report.findings);
        assert!(
            told.contains(session_key) && !told.contains(value),
            "{told}"
        );
        assert!(!told.contains(&example.secret), "{told}");
    }
}
