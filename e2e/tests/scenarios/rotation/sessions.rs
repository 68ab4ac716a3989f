//! Sessions of people who make lists.

use e2e::stack::Stack;
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use scraper::{Html, Selector};

use super::{
    Signers, Signing, a_new_version_comes_and_the_old_one_goes,
    the_newest_version_goes_and_comes_back, the_role_goes_and_comes_back, two_signers, version_of,
};

const NAME: &str = "todolist-session";

/// The pages of the two pods.
pub(super) struct Sites {
    client: Client,
    lists: [String; 2],
}

/// A browser's cookie, and the page with the form that makes a list.
pub(super) struct Session {
    cookie: String,
    csrf: String,
    key: String,
}

impl AsRef<str> for Session {
    fn as_ref(&self) -> &str {
        &self.cookie
    }
}

impl Sites {
    /// Opens the page of lists, with the cookie that the browser has. The browser
    /// keeps its cookie unless it is given another.
    async fn open(&self, lists: &str, cookie: Option<&str>) -> Session {
        let mut request = self.client.get(lists);
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, format!("{NAME}={cookie}"));
        }
        let page = request.send().await.expect("a page");
        assert_eq!(page.status(), 200);
        let given = given(&page);
        let html = Html::parse_document(&page.text().await.expect("text"));
        Session {
            cookie: given
                .or(cookie.map(str::to_owned))
                .expect("a page has a session"),
            csrf: field(&html, "csrf"),
            key: field(&html, "key"),
        }
    }

    /// Sends the form that makes a list; the same one again makes no other.
    async fn send(&self, lists: &str, session: &Session) -> String {
        let fields = [
            ("csrf", session.csrf.as_str()),
            ("key", session.key.as_str()),
            ("name", "While keys change"),
        ];
        let request = self.client.post(lists).form(&fields);
        let request = request.header(COOKIE, format!("{NAME}={}", session.cookie));
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let html = Html::parse_document(&answer.text().await.expect("text"));
        let heading = Selector::parse("h1").expect("a selector");
        match html.select(&heading).next() {
            Some(heading) => format!("{status} {}", heading.text().collect::<String>().trim()),
            None => status.to_string(),
        }
    }
}

/// The cookie that an answer sets.
fn given(answer: &Response) -> Option<String> {
    let set = answer.headers().get(SET_COOKIE)?.to_str().expect("text");
    let (cookie, _) = set.split_once(';').expect("attributes");
    let (name, value) = cookie.split_once('=').expect("a value");
    assert_eq!(name, NAME);
    Some(value.to_owned())
}

fn field(page: &Html, name: &str) -> String {
    let field = format!("form[action='/lists'] input[name='{name}']");
    let field = Selector::parse(&field).expect("a selector");
    let field = page.select(&field).next().expect("a field of the form");
    field.attr("value").expect("a value").to_owned()
}

impl Signers for Sites {
    const DEPLOYMENT: &'static str = "frontend";
    const SECRET: &'static str = "session-key";
    const GOOD: &'static str = "303";
    const WITHDRAWN: &'static str = "403 This page is too old";
    const NO_KEY: &'static str = "503 Sessions cannot be checked now";
    type Signed = Session;

    async fn of(stack: &Stack) -> Self {
        let client = Client::builder().no_proxy().redirect(Policy::none());
        let lists = |pod| {
            let address = stack.address(pod).expect("the frontend serves pages");
            format!("http://{address}/lists")
        };
        Self {
            client: client.build().expect("a client"),
            lists: ["frontend-0", "frontend-1"].map(lists),
        }
    }

    async fn make(&self) -> [Session; 2] {
        let [one, other] = &self.lists;
        [self.open(one, None).await, self.open(other, None).await]
    }

    async fn answers(&self, session: &Session) -> [String; 2] {
        let [one, other] = &self.lists;
        [
            self.send(one, session).await,
            self.send(other, session).await,
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_outlive_a_new_key_and_whoever_had_one_that_ended_goes_on() {
    let stack = two_signers::<Sites>().await;
    let signing = Signing::<Sites>::of(&stack).await;

    let ended = a_new_version_comes_and_the_old_one_goes(&signing).await;

    // As the page that refused the form says: reload, and do it again.
    for lists in &signing.pods.lists {
        let reloaded = signing.pods.open(lists, Some(&ended.cookie)).await;
        assert_ne!(version_of(&reloaded), version_of(&ended));
        signing
            .is_good(&reloaded, "the form of the page that was reloaded")
            .await;
    }
    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_signed_with_the_key_before_when_the_newest_is_disabled() {
    let stack = two_signers::<Sites>().await;
    let signing = Signing::<Sites>::of(&stack).await;

    the_newest_version_goes_and_comes_back(&signing).await;

    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_cannot_be_told_without_the_role_and_are_again_with_it() {
    let stack = two_signers::<Sites>().await;
    let signing = Signing::<Sites>::of(&stack).await;

    the_role_goes_and_comes_back(&signing).await;

    stack.stop(|_| {}).await.expect("everything ends");
}
