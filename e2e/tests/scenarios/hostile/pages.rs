//! At the pages, by other sites, other sessions and by hand.

use std::net::SocketAddr;

use e2e::stack::{Options, Stack};
use url::form_urlencoded;

use super::stored;
use crate::person::{Browser, Form, INBOX, Page, Person, settled, start};
use crate::raw::{Answer, Request};

/// The largest file of these scenarios.
const LIMIT: usize = 64 * 1024;

/// What is sent, and the status that it is refused with.
type Refusal = (String, Request, u16);

/// The workload with a to-do, and someone who may change it.
struct Scene {
    stack: Stack,
    person: Person,
    frontend: SocketAddr,
    todo: String,
}

impl Scene {
    async fn start() -> Self {
        let limit = LIMIT.to_string();
        let options = Options::default().with("frontend", "UPLOAD_LIMIT_BYTES", &limit);
        let stack = start(options).await;
        let person = Person::at(&stack);
        person.add("As it was").await;
        let todo = person.open(INBOX).await.link("As it was");
        settled(&stack, "inbox").await;
        Self {
            frontend: stack.address("frontend").expect("the frontend serves"),
            stack,
            person,
            todo,
        }
    }

    /// Every page that has forms, each with its address.
    async fn pages(&self) -> Vec<Page> {
        let mut pages = Vec::new();
        for path in ["/lists", INBOX, &self.todo] {
            pages.push(self.person.open(path).await);
        }
        pages
    }

    /// A form as the browser sends it.
    fn sent(&self, form: &Form) -> Request {
        sent_by(&self.person.browser, form, self.frontend)
    }

    /// The form that adds a to-do, filled in.
    async fn add(&self) -> Form {
        let form = self.person.open(INBOX).await.form("/todos");
        form.with("title", "Stored")
    }

    /// Sends what is refused, and compares what is stored before and after.
    async fn refuses(&self, refusals: &[Refusal]) {
        let before = stored(&self.stack).await;
        let mut wrong = Vec::new();
        for (what, request, status) in refusals {
            let answer = request.send(self.frontend).await;
            if answer.status != *status || !says_what_to_do(&answer) {
                wrong.push(format!("{what}: expected {status}, found {answer:#?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(stored(&self.stack).await, before, "nothing is stored");
    }

    async fn end(self) {
        self.stack.stop(|_| {}).await.expect("everything ends");
    }
}

pub(super) fn sent_by(browser: &Browser, form: &Form, frontend: SocketAddr) -> Request {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&form.fields)
        .finish();
    Request::new("POST", &form.action)
        .header("cookie", browser.cookie())
        .header("origin", format!("http://{frontend}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

/// A form with a file, as the browser sends it; the parts as they stand.
fn uploaded(scene: &Scene, form: &Form, parts: &[(String, Vec<u8>)]) -> Request {
    let mut body = Vec::new();
    for (head, content) in parts {
        body.extend_from_slice(format!("--b\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    scene
        .sent(form)
        .header("content-type", "multipart/form-data; boundary=b")
        .body(body)
}

fn field(name: &str, value: &str) -> (String, Vec<u8>) {
    let head = format!("content-disposition: form-data; name=\"{name}\"");
    (head, value.as_bytes().to_owned())
}

fn file(name: &str, content: &[u8]) -> (String, Vec<u8>) {
    let head = format!(
        "content-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         content-type: text/html"
    );
    (head, content.to_owned())
}

/// Whether an answer is a page with a heading, that leads on, and that neither
/// runs nor loads anything of others.
pub(super) fn says_what_to_do(answer: &Answer) -> bool {
    let html = scraper::Html::parse_document(&answer.body);
    let has = |css: &str| {
        let selector = scraper::Selector::parse(css).expect("a selector");
        html.select(&selector).next().is_some()
    };
    let policy = answer.header("content-security-policy").unwrap_or_default();
    answer.header("content-type") == Some("text/html; charset=utf-8")
        && policy.contains("default-src 'none'")
        && !policy.contains("unsafe")
        && has("main h1")
        && has("main a[href], main form")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_not_of_this_session_changes_nothing() {
    let scene = Scene::start().await;
    let other = Person::at(&scene.stack);
    let foreign = other
        .open(INBOX)
        .await
        .form("/todos")
        .value("csrf")
        .to_owned();
    let mut refusals = Vec::new();
    for page in scene.pages().await {
        for form in page.forms().iter().map(Form::filled) {
            let own = form.value("csrf").to_owned();
            let mut refused = |how: &str, request: Request| {
                refusals.push((format!("{} {how}", form.action), request, 403));
            };
            let as_sent = |form: &Form| match form.action.ends_with("/attachments") {
                false => scene.sent(form),
                true => {
                    let fields = form.fields.iter().map(|(name, value)| field(name, value));
                    let parts: Vec<_> = fields.chain([file("a.txt", b"a")]).collect();
                    uploaded(&scene, form, &parts)
                }
            };
            let good = as_sent(&form);
            refused("without a token", as_sent(&form.clone().without("csrf")));
            refused(
                "with no token in it",
                as_sent(&form.clone().with("csrf", "")),
            );
            refused(
                "with a token of somebody",
                as_sent(&form.clone().with("csrf", &foreign)),
            );
            refused(
                "with a part of the token",
                as_sent(&form.clone().with("csrf", &own[..own.len() - 1])),
            );
            refused("without a cookie", good.clone().without("cookie"));
            refused(
                "with the cookie of somebody",
                good.clone().header("cookie", other.browser.cookie()),
            );
            refused(
                "with a cookie that nobody signed",
                good.clone()
                    .header("cookie", resigned(&scene.person.browser.cookie())),
            );
            refused(
                "from a page of elsewhere",
                good.clone().header("origin", "http://evil.test"),
            );
            refused(
                "from a page of another port",
                good.clone().header("origin", "http://localhost:1"),
            );
            for site in ["cross-site", "same-site"] {
                refused(
                    &format!("that is {site}"),
                    good.clone().header("sec-fetch-site", site),
                );
            }
        }
    }
    let forms = refusals
        .iter()
        .filter(|(what, ..)| what.ends_with("without a token"));
    assert!(forms.count() >= 9, "each kind of form is there");

    scene.refuses(&refusals).await;

    let page = scene.person.add("The session is good all the same").await;
    assert_eq!(page.titles().len(), 2, "{}", page.words());
    scene.end().await;
}

/// A cookie with another signature.
fn resigned(cookie: &str) -> String {
    let (signed, signature) = cookie.rsplit_once('.').expect("a signed cookie");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", &signature[1..])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_makes_no_sense_gets_a_page_that_says_so() {
    let scene = Scene::start().await;
    let add = scene.add().await;
    let mut refusals = Vec::new();
    let mut refused = |what: &str, request: Request, status: u16| {
        refusals.push((what.to_owned(), request, status));
    };
    let get = |path: &str| Request::new("GET", path);
    let long = "a".repeat(256 * 1024);
    let csrf = add.value("csrf");
    let body = |rest: &str| format!("csrf={csrf}&key={}&{rest}", add.value("key"));

    for host in [
        "evil.test",
        "127.0.0.1.evil.test",
        "localhost@evil.test",
        "",
        "a b",
    ] {
        refused(
            &format!("read under {host:?}"),
            get(INBOX).header("host", host),
            421,
        );
        refused(
            &format!("changed under {host:?}"),
            scene.sent(&add).header("host", host),
            421,
        );
    }
    let own = scene.frontend.to_string();
    let two = get(INBOX)
        .header("host", &own)
        .and_header("host", "evil.test");
    refused("two hosts", two, 421);

    let form = || scene.sent(&add);
    refused(
        "a form too long",
        form().body(body(&format!("title={long}"))),
        413,
    );
    refused(
        "a form too long that never comes",
        form().header("content-length", "99999999999"),
        413,
    );
    refused(
        "a form too long that does not say so",
        form().chunked(body(&long).as_bytes()),
        413,
    );
    refused(
        "a form as JSON",
        form().header("content-type", "application/json"),
        415,
    );
    refused(
        "a form as text",
        form().header("content-type", "text/plain"),
        415,
    );
    refused("a form as nothing", form().without("content-type"), 415);
    refused("bad UTF-8, encoded", form().body(body("title=%ff%fe")), 400);
    let mut bytes = body("title=").into_bytes();
    bytes.extend_from_slice(b"\xff\xfe");
    refused("bad UTF-8", form().body(bytes), 400);
    refused("a form without a title", form().body(body("")), 422);
    refused("a title twice", form().body(body("title=a&title=b")), 422);
    refused(
        "an empty title",
        scene.sent(&add.clone().with("title", "  ")),
        422,
    );
    refused(
        "a title too long",
        scene.sent(&add.clone().with("title", &"ä".repeat(201))),
        422,
    );
    let header = "a\r\nSet-Cookie: b=c";
    refused(
        "a title with a header",
        scene.sent(&add.clone().with("title", header)),
        422,
    );
    refused(
        "a day that never was",
        scene.sent(&add.clone().with("dueOn", "2026-02-30")),
        422,
    );
    refused(
        "a key that is none",
        scene.sent(&add.clone().with("key", "../..")),
        422,
    );

    let list = scene.person.open(INBOX).await;
    let rename = list.form("/rename").with("name", "Stored");
    for etag in ["\"99\"", "\"a\r\nX: y\"", "", "\u{ff}"] {
        let status = if etag == "\"99\"" { 409 } else { 422 };
        let form = rename.clone().with("etag", etag);
        refused(&format!("a rename of {etag:?}"), scene.sent(&form), status);
    }
    let share = list.form("/share");
    for days in ["0", "31", "-1", "seven"] {
        let form = share.clone().with("days", days);
        refused(&format!("a link for {days} days"), scene.sent(&form), 422);
    }
    let complete = list.form_of("As it was", "/complete");
    refused(
        "a button of another version",
        scene.sent(&complete.with("etag", "\"0\"")),
        409,
    );

    for (method, path) in [
        ("PUT", INBOX),
        ("DELETE", INBOX),
        ("GET", "/lists/inbox/rename"),
        ("POST", "/"),
        ("TRACE", INBOX),
    ] {
        let request = Request::new(method, path).header("cookie", scene.person.browser.cookie());
        refused(&format!("{method} {path}"), request, 405);
    }
    for path in [
        "/..%2f..%2fetc%2fpasswd",
        "/../../etc/passwd",
        "/assets/..%2f..%2f/Cargo.toml",
        "/assets/1/..%2fapp.js",
        "/lists/..%2finbox",
        "/lists/inbox%00",
        "/lists/INBOX",
        "/lists/%ff",
        "/lists/:lists",
        "/lists/inbox%0d%0aX-Injected:%20yes",
        "/lists/inbox/todos/..%2f..%2fsettings",
        "/lists/inbox/attachments/..%2f..%2fattachments",
        "/lists/inbox/attachments/00000000-0000-0000-0000-000000000000",
        "/lists/inbox/events/..",
        "/shared/letmein",
        "/shared/..%2f..%2flists",
        "/shared/a.b.c%0d%0aX-Injected:%20yes",
        "/lists?after=..%2f..%2f",
        "/lists/inbox?after=%0d%0aX-Injected:%20yes",
        "/metrics",
        "/api/v1/lists",
    ] {
        refused(path, get(path), 404);
    }

    scene.refuses(&refusals).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_makes_no_sense_stores_no_file() {
    let scene = Scene::start().await;
    let form = scene.person.open(&scene.todo).await.form("/attachments");
    let fields = || {
        vec![
            field("csrf", form.value("csrf")),
            field("key", form.value("key")),
        ]
    };
    let with = |more: Vec<(String, Vec<u8>)>| [fields(), more].concat();
    let whole = uploaded(&scene, &form, &with(vec![file("a.txt", b"a")]));
    let large = vec![b'a'; 3 * LIMIT];
    let backwards: Vec<_> = with(vec![file("a.txt", b"a")]).into_iter().rev().collect();
    let refusals = [
        (
            "a file too large",
            uploaded(&scene, &form, &with(vec![file("a.txt", &large)])),
            413,
        ),
        (
            "a file that is none",
            uploaded(&scene, &form, &with(vec![file("", b"")])),
            422,
        ),
        ("no file", uploaded(&scene, &form, &fields()), 422),
        (
            "a field in place of a file",
            uploaded(&scene, &form, &with(vec![field("file", "a")])),
            422,
        ),
        (
            "a file before its token",
            uploaded(&scene, &form, &backwards),
            403,
        ),
        (
            "a file without a key",
            uploaded(&scene, &form, &fields()[..1]),
            422,
        ),
        ("a form without files", scene.sent(&form), 415),
        (
            "no boundary",
            whole.clone().header("content-type", "multipart/form-data"),
            415,
        ),
        (
            "another boundary",
            whole
                .clone()
                .header("content-type", "multipart/form-data; boundary=c"),
            400,
        ),
        (
            "a file to nobody's to-do",
            {
                let nobody = "/lists/inbox/todos/00000000-0000-4000-8000-000000000000/attachments";
                let mut form = form.clone();
                nobody.clone_into(&mut form.action);
                uploaded(&scene, &form, &with(vec![file("a.txt", b"a")]))
            },
            404,
        ),
        (
            "a name in bytes",
            {
                let (head, content) = file("N", b"a");
                let parts = with(vec![(head, content)]);
                let request = uploaded(&scene, &form, &parts);
                request.replacing(b"filename=\"N\"", b"filename=\"\xff\"")
            },
            400,
        ),
    ];
    let refusals: Vec<_> = refusals
        .into_iter()
        .map(|(what, request, status)| (what.to_owned(), request, status))
        .collect();

    scene.refuses(&refusals).await;

    let before = stored(&scene.stack).await;
    let parts = with(vec![file("endless.txt", &large)]);
    let endless = uploaded(&scene, &form, &parts).as_chunks();
    let answer = endless.send(scene.frontend).await;
    assert_eq!(answer.status, 413, "{answer:#?}");
    assert!(says_what_to_do(&answer), "{answer:#?}");
    let after = stored(&scene.stack).await;
    assert_eq!(after["storage"], before["storage"], "no file is stored");
    scene.end().await;
}
