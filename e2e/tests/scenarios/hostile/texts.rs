//! Texts that are more than text elsewhere: on every page where one is shown it is
//! read as it was written, and nothing of it is part of the page.

use e2e::stack::{Options, Stack};
use scraper::{Html, Selector};

use crate::person::{Browser, Page, Person};
use crate::stage::start;

/// What would be an element, an attribute, the end of an attribute, of a text
/// field, of a comment, or a template of somebody's.
const PAYLOADS: [&str; 6] = [
    r#""><img id=planted src=//evil.test/x onerror=alert(1)>"#,
    "' autofocus onfocus=alert(1) planted='",
    "</textarea></title><script id=planted>alert(1)</script>",
    "--><svg id=planted onload=alert(1)><!--",
    "javascript:alert(1)//<a href=javascript:alert(1)>planted</a>",
    "{{ 7 * 7 }} ${7*7} <%= 7*7 %> &lt;planted&gt;",
];

/// Names of files that are headers, paths or programs elsewhere, and what is left
/// of them.
const NAMES: [(&str, &str); 6] = [
    ("../../etc/passwd", "passwd"),
    ("..\\\\..\\\\windows\\\\win.ini", "win.ini"),
    ("a%0d%0aX-Injected: yes.txt", "a%0d%0aX-Injected_ yes.txt"),
    (
        "<img src=x onerror=alert(1)>.html",
        "_img src=x onerror=alert(1)_.html",
    ),
    ("\u{202e}fdp.exe", "fdp.exe"),
    (
        "a'; filename*=UTF-8''evil.exe",
        "a'; filename_=UTF-8''evil.exe",
    ),
];

/// Nothing on a page runs, loads or leads elsewhere; and the text is there.
fn shows_as_text(page: &Page, text: &str, what: &str) {
    let html = Html::parse_document(&page.text);
    let all = Selector::parse("*").expect("a selector");
    for element in html.select(&all) {
        let name = element.value().name();
        for (attribute, value) in element.value().attrs() {
            let harmless = !attribute.starts_with("on")
                && attribute != "style"
                && attribute != "planted"
                && (attribute, value) != ("id", "planted");
            assert!(harmless, "{what}: <{name} {attribute}={value:?}>");
            let leads = ["src", "href", "action", "formaction"].contains(&attribute);
            let at_home = value.starts_with('/') && !value.starts_with("//");
            assert!(
                !leads || at_home || value.starts_with('#'),
                "{what}: {value}"
            );
        }
        let ours = name != "script" || element.attr("src").is_some();
        assert!(ours, "{what}: a script in the page");
        assert!(
            !["img", "iframe", "object"].contains(&name),
            "{what}: <{name}>"
        );
    }
    let text: Vec<_> = text.split_whitespace().collect();
    assert!(
        page.words().contains(&text.join(" ")),
        "{what}: {}",
        page.words()
    );
}

/// Makes a list and a to-do of a text, and looks at every page that shows them.
async fn is_text_everywhere(stack: &Stack, person: &Person, text: &str) {
    let lists = person.open("/lists").await;
    let list = person.send(&lists.form("/lists").with("name", text)).await;
    shows_as_text(&list, text, "the list");
    shows_as_text(&person.open("/lists").await, text, "the lists");
    let path = list.path.clone();
    let page = person.send(&list.form("/todos").with("title", text)).await;
    shows_as_text(&page, text, "the to-dos");
    let todo = person.open(&page.link(text)).await;
    let before = todo.form(&todo.path);
    let todo = person.send(&before.clone().with("notes", text)).await;
    shows_as_text(&todo, text, "the to-do");
    assert_eq!(
        todo.form(&todo.path).value("notes"),
        text,
        "the field of the notes"
    );
    assert_eq!(
        todo.form(&todo.path).value("title"),
        text,
        "the field of the title"
    );

    let conflict = person
        .send(&before.with("title", &format!("{text} mine")))
        .await;
    assert_eq!(conflict.status, 409);
    shows_as_text(&conflict, text, "both versions");
    let mistake = person
        .send(&todo.form(&todo.path).with("dueOn", text))
        .await;
    assert_eq!(mistake.status, 422);
    shows_as_text(&mistake, text, "what was not saved");
    let stale = list
        .form("/rename")
        .with("name", "other")
        .with("etag", "\"99\"");
    let stale = person.send(&stale).await;
    assert_eq!(stale.status, 409);
    shows_as_text(&stale, text, "the rename that came too late");
    let shown = |page: &Page| page.activity().len() >= 3;
    let page = person
        .until_at(stack, &path, "the activity tells it", shown)
        .await;
    shows_as_text(&page, text, "the activity");

    let shared = person.send(&page.form("/share")).await;
    shows_as_text(&shared, text, "the page of the link");
    let link = shared.all_values("#link").remove(0);
    let link = link.find("/shared/").map(|at| link[at..].to_owned());
    let stranger = Browser::at(stack.address("frontend").expect("an address"));
    let seen = stranger.get(&link.expect("a link")).await.expect("a page");
    shows_as_text(&seen, text, "the shared list");
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_in_a_text_is_text_on_every_page() {
    let stack = start(Options::default()).await;
    let person = Person::at(&stack);

    for text in PAYLOADS {
        is_text_everywhere(&stack, &person, text).await;
    }

    stack.stop(|_| {}).await.expect("everything ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_files_name_is_only_a_name_on_the_page_and_in_the_header() {
    let stack = start(Options::default()).await;
    let person = Person::at(&stack);
    person.add("Keep files").await;

    for (sent, kept) in NAMES {
        let page = person
            .attach("Keep files", sent, b"<script>alert(1)</script>")
            .await;
        assert!(page.status.is_success(), "{sent}: {}", page.words());
        let page = person.until_ready(&stack, "Keep files", kept).await;
        shows_as_text(&page, kept, sent);

        let file = person
            .browser
            .fetch(&page.link(kept))
            .await
            .expect("a file");
        let header = |name: &str| {
            let value = file
                .headers()
                .get(name)
                .map(|value| value.as_bytes().to_owned());
            String::from_utf8(value.unwrap_or_default()).expect("text")
        };
        let disposition = header("content-disposition");
        assert!(
            disposition.starts_with("attachment; filename=\""),
            "{disposition}"
        );
        assert_eq!(
            disposition.matches("filename*=").count(),
            1,
            "{disposition}"
        );
        assert!(
            !disposition.contains(['/', '\\', '<', '\r', '\n']),
            "{disposition}"
        );
        assert_eq!(header("x-injected"), "");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(
            !header("content-type").contains("html"),
            "{}",
            header("content-type")
        );
        assert!(header("content-security-policy").contains("default-src 'none'"));
    }

    stack.stop(|_| {}).await.expect("everything ends");
}
