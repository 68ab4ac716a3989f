//! What stands before every page: the host, the session, the form's token, and
//! the headers of the answers.

use http::Request;
use serde_json::json;

use super::{at_todo, inbox, list, todo};
use crate::testing::{FakeBackend, Site, form};

/// Every form of the pages, and what is in it beside the token.
fn forms() -> Vec<(String, &'static str)> {
    [
        ("/lists", "name=x"),
        ("/lists/inbox/rename", "etag=1&name=x"),
        ("/lists/inbox/share", "days=7"),
        ("/lists/inbox/todos", "title=x"),
    ]
    .into_iter()
    .map(|(path, fields)| (path.to_owned(), fields))
    .chain([
        (at_todo(""), "etag=1&title=x&base={}"),
        (at_todo("/complete"), "etag=1"),
        (at_todo("/reopen"), "etag=1"),
        (at_todo("/delete"), "etag=1"),
    ])
    .collect()
}

#[tokio::test]
async fn no_form_is_taken_without_the_token_of_its_session() {
    let backend = inbox(&[]);
    let site = Site::with(&backend).await;
    let token = site.token().await;
    let other = Site::with(&backend).await.token().await;

    for (path, fields) in forms() {
        for csrf in [
            String::new(),
            "csrf=&".to_owned(),
            format!("csrf={other}&"),
            format!("csrf={}&", &token[1..]),
            format!("csrf={token}&csrf={token}&"),
        ] {
            let answer = site.send(form(&path, &format!("{csrf}{fields}"))).await;

            assert_eq!(answer.status, 403, "{path} {csrf}");
            answer.says("Reload the page, and do it again.");
        }
    }
    assert_eq!(backend.changes(), []);
}

#[tokio::test]
async fn no_form_is_taken_without_a_session() {
    let backend = inbox(&[]);
    let site = Site::with(&backend).await;
    let token = site.token().await;
    site.take_cookie();

    for (path, fields) in forms() {
        let answer = site
            .send(form(&path, &format!("csrf={token}&{fields}")))
            .await;

        assert_eq!(answer.status, 403, "{path}");
        assert!(
            answer.headers.get("set-cookie").is_none(),
            "the next page begins one"
        );
    }
    assert_eq!(backend.changes(), []);
}

#[tokio::test]
async fn a_session_begins_once_and_goes_on() {
    let site = Site::with(&inbox(&[])).await;

    let first = site.get("/lists").await;
    let second = site.get("/lists").await;

    let cookie = first.header("set-cookie");
    assert!(cookie.starts_with("todolist-session="), "{cookie}");
    assert!(
        cookie.contains("; HttpOnly; SameSite=Lax; Path=/; Max-Age=43200"),
        "{cookie}"
    );
    assert!(second.headers.get("set-cookie").is_none());
}

#[tokio::test]
async fn behind_https_the_cookie_is_for_https_and_this_host_only() {
    let site = Site::behind("https://todo.example", &inbox(&[])).await;

    let answer = site.get("/lists").await;

    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-todolist-session="), "{cookie}");
    assert!(cookie.contains("; Secure; "), "{cookie}");
    assert_eq!(
        answer.header("strict-transport-security"),
        "max-age=31536000"
    );
}

#[tokio::test]
async fn a_session_whose_key_was_disabled_is_none_and_the_next_page_begins_another() {
    let backend = inbox(&[]).on("POST /lists", 201, list("Home"));
    let site = Site::with(&backend).await;
    let token = site.token().await;
    site.keys.replace();

    let refused = site
        .send(form("/lists", &format!("csrf={token}&name=x")))
        .await;
    assert_eq!(refused.status, 403);
    assert_eq!(backend.changes(), []);

    let page = site.get("/lists").await;
    assert!(page.headers.get("set-cookie").is_some());
    assert_ne!(site.token().await, token);
    assert_eq!(site.post("/lists", "name=x").await.status, 303);
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let backend = inbox(&[]);
    let site = Site::with(&backend).await;
    let token = site.token().await;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.test"),
        ("origin", "https://localhost:8080"),
    ] {
        let mut request = form("/lists", &format!("csrf={token}&name=x"));
        request
            .headers_mut()
            .insert(name, value.parse().expect("a value"));

        let answer = site.send(request).await;

        assert_eq!(answer.status, 403, "{name}");
        answer.says("This did not come from our page");
    }
    assert_eq!(backend.changes(), []);
}

#[tokio::test]
async fn another_host_is_not_served() {
    let backend = inbox(&[todo("Milk")]);
    let site = Site::with(&backend).await;

    for path in [
        "/lists",
        "/lists/inbox",
        "/shared/a.b.c",
        "/lists/inbox/events",
        "/nowhere",
    ] {
        let request = Request::get(path).header("host", "evil.test:8080");
        let answer = site.send(request.body("".into()).expect("a request")).await;

        assert_eq!(answer.status, 421, "{path}");
        answer.says("This address is not served here");
        answer.says_not("Milk");
    }
    assert_eq!(backend.asked(), []);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let site = Site::without_backend().await;

    for path in ["/", "/lists", "/lists/inbox", "/nowhere", "/shared/a"] {
        let answer = site.get(path).await;

        for (name, value) in [
            (
                "content-security-policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                 connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            ),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            (
                "permissions-policy",
                "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            ),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
        assert!(answer.headers.get("strict-transport-security").is_none());
    }
}

#[tokio::test]
async fn assets_are_kept_for_good_under_the_address_of_their_content() {
    let site =
        Site::with(&FakeBackend::default().on("GET /lists", 200, json!({ "items": [] }))).await;
    let page = site.get("/lists").await;

    for (file, media_type) in [
        ("style.css", "text/css; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let path = page
            .text()
            .split('"')
            .find(|path| path.ends_with(file))
            .expect("an address on the page");
        let asset = site.get(path).await;

        assert_eq!(asset.status, 200);
        assert_eq!(asset.header("content-type"), media_type);
        assert_eq!(
            asset.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert!(asset.headers.get("set-cookie").is_none());
        // A page of another version is not left without them.
        let other = site.get(&format!("/assets/another/{file}")).await;
        assert_eq!(
            (other.status, other.header("cache-control")),
            (200, "no-store")
        );
        assert_eq!(other.body, asset.body);
    }
}

#[tokio::test]
async fn nothing_on_a_page_is_inline_or_from_elsewhere() {
    let site = Site::with(&inbox(&[todo("Milk")])).await;

    for path in ["/lists", "/lists/inbox", "/nowhere"] {
        let answer = site.get(path).await;
        for part in [
            "style=", "onclick", "http://", "https://", "data:", "<script>", "<style",
        ] {
            answer.says_not(part);
        }
    }
}
