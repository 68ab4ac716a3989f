//! Links to shared lists, made and opened at two pods of the backend.

use std::time::Instant;

use e2e::stack::Stack;
use local_cloud::control::GrantBody;
use reqwest::Method;
use serde_json::json;

use super::signed::version_of;
use super::{CACHED, Key, PATIENCE, two_of};
use crate::api::{Answer, Api};
use crate::person::{start, story};

/// The two pods.
struct Pods<'s> {
    stack: &'s Stack,
    apis: [Api; 2],
}

impl<'s> Pods<'s> {
    async fn of(stack: &'s Stack) -> Self {
        let apis = [
            Api::at_pod(stack, "backend-0").await,
            Api::at_pod(stack, "backend-1").await,
        ];
        Self { stack, apis }
    }

    /// A link to the inbox from each pod. Both pods open both at once.
    async fn make(&self) -> [String; 2] {
        let mut links = Vec::new();
        for api in &self.apis {
            let request = api.request(Method::POST, "lists/inbox/share-links");
            let made = Answer::to(request.json(&json!({}))).await.expect("made");
            assert_eq!(made.status, 201, "{:?}", made.body);
            links.push(made.text("link").to_owned());
        }
        for link in &links {
            assert_eq!(self.open(link).await, ["200", "200"], "a link just made");
        }
        links.try_into().expect("two links")
    }

    /// What each pod answers to a link: `200`, or its refusal's code.
    async fn open(&self, link: &str) -> [String; 2] {
        let mut answers = Vec::new();
        for api in &self.apis {
            let request = api
                .request(Method::GET, "shared")
                .header("Share-Link", link);
            let answer = Answer::to(request).await.expect("the backend answers");
            answers.push(match answer.status.as_u16() {
                200 => "200".to_owned(),
                status => format!("{status} {}", answer.text("code")),
            });
        }
        answers.try_into().expect("two answers")
    }

    /// Makes links until both pods sign with this version. Nothing that they make
    /// on the way is refused, nor is what `old` is.
    async fn until_they_sign_with(&self, version: &str, old: Option<&str>) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let links = self.make().await;
            if let Some(old) = old {
                assert_eq!(self.open(old).await, ["200", "200"], "the old link");
            }
            if links.iter().all(|link| version_of(link) == version) {
                let [link, _] = links;
                return link;
            }
            assert!(
                Instant::now() < deadline,
                "nobody signs with {version}\n{}",
                story(self.stack).await
            );
            tokio::time::sleep(CACHED / 20).await;
        }
    }

    /// Opens a link until both pods answer this.
    async fn until(&self, link: &str, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answers = self.open(link).await;
            if answers.iter().all(|answer| answer == expected) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "not {expected}: {answers:?}\n{}",
                story(self.stack).await
            );
            tokio::time::sleep(CACHED / 20).await;
        }
    }

    /// Opens a link until both pods refuse it. Neither accepts it when it is asked
    /// after the cache's time.
    async fn until_withdrawn(&self, link: &str, disabled: Instant) {
        loop {
            let asked = disabled.elapsed();
            let answers = self.open(link).await;
            if answers == ["410 link_withdrawn", "410 link_withdrawn"] {
                return;
            }
            assert!(
                asked < CACHED,
                "{asked:?} after its key was disabled: {answers:?}\n{}",
                story(self.stack).await
            );
            tokio::time::sleep(CACHED / 20).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_outlive_a_new_key_and_end_with_their_own() {
    let stack = start(two_of("backend")).await;
    let key = Key {
        stack: &stack,
        secret: "share-link-key",
    };
    let pods = Pods::of(&stack).await;
    let [old, _] = pods.make().await;

    let second = key.renew().await;
    let new = pods.until_they_sign_with(&second, Some(&old)).await;

    let disabled = key.disable(&version_of(&old)).await;
    pods.until_withdrawn(&old, disabled).await;
    assert_eq!(pods.open(&new).await, ["200", "200"], "the new link");

    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_newest_key_is_disabled_the_one_before_signs_again() {
    let stack = start(two_of("backend")).await;
    let key = Key {
        stack: &stack,
        secret: "share-link-key",
    };
    let pods = Pods::of(&stack).await;
    let [old, _] = pods.make().await;
    let second = key.renew().await;
    let new = pods.until_they_sign_with(&second, Some(&old)).await;

    let disabled = key.disable(&second).await;
    pods.until_withdrawn(&new, disabled).await;
    let first = version_of(&old);
    let again = pods.until_they_sign_with(&first, Some(&old)).await;
    key.enable(&second).await;
    pods.until_they_sign_with(&second, Some(&again)).await;

    assert_eq!(pods.open(&new).await, ["200", "200"], "enabled again");
    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_role_the_pod_says_so_and_with_it_goes_on() {
    let stack = start(two_of("backend")).await;
    let pods = Pods::of(&stack).await;
    let [link, _] = pods.make().await;
    let role = GrantBody {
        identity: "backend".to_owned(),
        role: "Key Vault Secrets User".to_owned(),
        scope: "vault/secrets/share-link-key".to_owned(),
    };

    stack.control().revoke(&role).await.expect("revoked");
    pods.until(&link, "503 dependency_unavailable").await;
    stack.control().grant(&role).await.expect("granted");
    pods.until(&link, "200").await;

    stack.stop(|_| {}).await.expect("everything ends");
}
