//! Forms of other sessions and of other sites.

use super::scene::{Refusal, Scene, refused};
use super::uploads::{field, file, uploaded};
use crate::person::{Form, INBOX, Person};

/// What makes a form one of another session, or of another site.
fn not_of_this_session(scene: &Scene, form: &Form, other: &Person, token: &str) -> Vec<Refusal> {
    let sent = |form: Form| {
        if !form.action.ends_with("/attachments") {
            return scene.sent(&form);
        }
        let fields = form.fields.iter().map(|(name, value)| field(name, value));
        let parts: Vec<_> = fields.chain([file("a.txt", b"a")]).collect();
        uploaded(scene, &form, &parts)
    };
    let with = |token: &str| sent(form.clone().with("csrf", token));
    let good = || sent(form.clone());
    let own = form.value("csrf");
    let resigned = resigned(&scene.person.browser.cookie());
    let refusals = refused(
        403,
        [
            ("without a token", sent(form.clone().without("csrf"))),
            ("with no token in it", with("")),
            ("with a part of the token", with(&own[..own.len() - 1])),
            ("with the token of somebody", with(token)),
            ("without a cookie", good().without("cookie")),
            (
                "with the cookie of somebody",
                good().header("cookie", other.browser.cookie()),
            ),
            (
                "with a cookie that nobody signed",
                good().header("cookie", resigned),
            ),
            (
                "from a page of elsewhere",
                good().header("origin", "http://evil.test"),
            ),
            (
                "from a page of another port",
                good().header("origin", "http://localhost:1"),
            ),
            (
                "from another site",
                good().header("sec-fetch-site", "cross-site"),
            ),
            (
                "from a site beside",
                good().header("sec-fetch-site", "same-site"),
            ),
        ],
    );
    let named = refusals
        .into_iter()
        .map(|(what, request, status)| (format!("{} {what}", form.action), request, status));
    named.collect()
}

/// A cookie with another signature.
fn resigned(cookie: &str) -> String {
    let (signed, signature) = cookie.rsplit_once('.').expect("a signed cookie");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", &signature[1..])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_not_of_this_session_changes_nothing() {
    let scene = Scene::start().await;
    let other = Person::at(&scene.stack);
    let token = other
        .open(INBOX)
        .await
        .form("/todos")
        .value("csrf")
        .to_owned();
    let mut forms = Vec::new();
    for path in ["/lists", INBOX, &scene.todo] {
        forms.extend(scene.person.open(path).await.forms());
    }
    assert!(forms.len() >= 10, "every kind of form: {forms:#?}");

    let refusals = forms
        .iter()
        .flat_map(|form| not_of_this_session(&scene, &form.filled(), &other, &token));
    scene.refuses(&refusals.collect::<Vec<_>>()).await;

    let page = scene.person.add("The session is good all the same").await;
    assert_eq!(page.titles().len(), 2, "{}", page.words());
    scene.end().await;
}
