//! Every mistake, made and mended at a running cloud; and who may use the console.

use super::*;
use crate::{LocalCloud, Options};

/// A cloud on the repository's own model, and a client of its console.
struct Running {
    origin: String,
    key: String,
    client: reqwest::Client,
    _cloud: LocalCloud,
}

impl Running {
    async fn start() -> Self {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/access.json");
        let cloud = LocalCloud::start(Options::new(model)).await;
        let cloud = cloud.expect("the cloud starts");
        let (origin, key) = cloud.console().split_once("/#").expect("a key");
        Self {
            origin: origin.to_owned(),
            key: key.to_owned(),
            client: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            _cloud: cloud,
        }
    }

    fn ask(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.client
            .request(method, format!("{}{path}", self.origin))
    }

    async fn chain(&self, method: &str, path: &str) -> Chain {
        let answer = self.ask(method, path).bearer_auth(&self.key).send().await;
        let answer = answer.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("text");
        assert!(status.is_success(), "{status} {text}");
        serde_json::from_str(&text).expect("a chain")
    }
}

/// Which step stands still, and for which code.
fn stands_still_at(chain: &Chain) -> Option<(u8, &str)> {
    let step = chain.failed()?;
    Some((step.number, &step.explanation.as_ref()?.code))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_stops_the_chain_at_its_step_and_is_mended() {
    let running = Running::start().await;
    let expected = [
        ("wrong-subject", 3, "AADSTS700213"),
        ("drop-issuer-slash", 3, "AADSTS700211"),
        ("wrong-audience", 3, "AADSTS700212"),
        ("expire-token", 3, "AADSTS700024"),
        ("rotate-keys", 3, "AADSTS7000272"),
        ("revoke-role", 5, "ForbiddenByRbac"),
        ("disable-secret-version", 5, "SecretDisabled"),
    ];
    assert_eq!(expected.len(), Mistake::ALL.len());

    let whole = running.chain("POST", "/lab/frontend").await;
    assert_eq!(stands_still_at(&whole), None, "{whole:#?}");
    for (mistake, step, code) in expected {
        let broken = running
            .chain("POST", &format!("/lab/frontend/{mistake}"))
            .await;
        assert_eq!(stands_still_at(&broken), Some((step, code)), "{broken:#?}");
        let failed = broken.failed().expect("it stands still");
        assert!(failed.text.as_ref().is_some_and(|text| text.contains(code)));
        let mended = running.chain("DELETE", "/lab/frontend").await;
        assert_eq!(stands_still_at(&mended), None, "{mistake}: {mended:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_at_one_identity_leaves_the_others_alone_and_is_replaced_by_the_next() {
    let running = Running::start().await;

    running.chain("POST", "/lab/backend/wrong-subject").await;
    let other = running.chain("POST", "/lab/frontend").await;
    assert_eq!(stands_still_at(&other), None);
    assert_eq!(other.mistaken.as_deref(), Some("backend"));

    running.chain("POST", "/lab/worker/revoke-role").await;
    let before = running.chain("POST", "/lab/backend").await;
    assert_eq!(stands_still_at(&before), None, "{before:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_identity_has_not_cannot_be_broken() {
    let running = Running::start().await;

    let answer = running
        .ask("POST", "/lab/worker/disable-secret-version")
        .bearer_auth(&running.key)
        .send()
        .await
        .expect("an answer");

    assert_eq!(answer.status(), 409);
    let text = answer.text().await.expect("text");
    assert!(text.contains("`worker` reads no secret"), "{text}");
    let whole = running.chain("POST", "/lab/worker").await;
    assert_eq!((stands_still_at(&whole), whole.mistake), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_in_a_chain() {
    let running = Running::start().await;
    for mistake in ["", "/expire-token", "/rotate-keys", "/revoke-role"] {
        let answer = running
            .ask("POST", &format!("/lab/frontend{mistake}"))
            .bearer_auth(&running.key)
            .send()
            .await
            .expect("an answer");
        let text = answer.text().await.expect("text");
        assert!(text.contains("system:serviceaccount:todolist:frontend"));
        assert!(!text.contains("eyJ"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_the_key_may_use_the_console() {
    let running = Running::start().await;
    let page = running.ask("GET", "/").send().await.expect("an answer");
    assert_eq!(page.status(), 200);
    let page = page.text().await.expect("text");
    assert!(page.contains("local cloud, not Azure") && !page.contains(&running.key));

    for path in ["/lab", "/lab/audit", "/lab/frontend"] {
        let without = running.ask("POST", path).send().await.expect("an answer");
        assert_eq!(without.status(), 401, "{path}");
        let wrong = running.ask("POST", path).bearer_auth("wrong");
        assert_eq!(
            wrong.send().await.expect("an answer").status(),
            401,
            "{path}"
        );
    }
    let own = || running.ask("GET", "/lab").bearer_auth(&running.key);
    for (name, value, status) in [
        ("host", "evil.test", 421),
        ("origin", "https://evil.test", 403),
        ("origin", "null", 403),
        ("origin", running.origin.as_str(), 200),
    ] {
        let answer = own().header(name, value).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{name}: {value}");
    }
}
