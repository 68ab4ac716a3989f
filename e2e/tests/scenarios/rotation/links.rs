//! Links to a shared list.

use e2e::stack::Stack;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{
    Signers, Signing, a_new_version_comes_and_the_old_one_goes,
    the_newest_version_goes_and_comes_back, the_role_goes_and_comes_back, two_signers,
};
use crate::api::{Answer, Api};
use crate::person::Person;

pub(super) struct Links([Api; 2]);

impl Signers for Links {
    const DEPLOYMENT: &'static str = "backend";
    const SECRET: &'static str = "share-link-key";
    const GOOD: &'static str = "200";
    const WITHDRAWN: &'static str = "410 link_withdrawn";
    const NO_KEY: &'static str = "503 dependency_unavailable";
    type Signed = String;

    async fn of(stack: &Stack) -> Self {
        let one = Api::at_pod(stack, "backend-0").await;
        let other = Api::at_pod(stack, "backend-1").await;
        Self([one, other])
    }

    async fn make(&self) -> [String; 2] {
        let make = async |api: &Api| {
            let request = api.request(Method::POST, "lists/inbox/share-links");
            let made = Answer::to(request.json(&json!({}))).await.expect("made");
            assert_eq!(made.status, 201, "{:?}", made.body);
            made.text("link").to_owned()
        };
        let Self([one, other]) = self;
        [make(one).await, make(other).await]
    }

    async fn answers(&self, link: &String) -> [String; 2] {
        let answer = async |api: &Api| {
            let request = api
                .request(Method::GET, "shared")
                .header("Share-Link", link);
            let answer = Answer::to(request).await.expect("the backend answers");
            match answer.status.as_u16() {
                200 => "200".to_owned(),
                status => format!("{status} {}", answer.text("code")),
            }
        };
        let Self([one, other]) = self;
        [answer(one).await, answer(other).await]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_outlive_a_new_key_and_end_with_their_own() {
    let stack = two_signers::<Links>().await;
    let signing = Signing::<Links>::of(&stack).await;

    let withdrawn = a_new_version_comes_and_the_old_one_goes(&signing).await;

    let page = Person::at(&stack)
        .open(&format!("/shared/{withdrawn}"))
        .await;
    assert_eq!(page.status, StatusCode::GONE, "{}", page.words());
    assert!(
        page.words()
            .contains("Ask whoever shared it for a new link"),
        "{}",
        page.words()
    );
    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_signed_with_the_key_before_when_the_newest_is_disabled() {
    let stack = two_signers::<Links>().await;
    let signing = Signing::<Links>::of(&stack).await;

    the_newest_version_goes_and_comes_back(&signing).await;

    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_cannot_be_told_without_the_role_and_are_again_with_it() {
    let stack = two_signers::<Links>().await;
    let signing = Signing::<Links>::of(&stack).await;

    the_role_goes_and_comes_back(&signing).await;

    stack.stop(|_| {}).await.expect("everything ends");
}
