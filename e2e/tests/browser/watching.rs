//! The watcher itself: what it is there for does not escape it.

use std::future::IntoFuture as _;

use axum::Router;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::Html;
use axum::routing::get;
use tokio::net::TcpListener;
use url::Url;

use crate::scenario::{Scenario, scenarios};
use crate::visit::Visit;
use crate::window::Window;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![a_page_that_does_everything_wrong_does_not_escape_the_watcher]
}

const WRONG: &str = "<!doctype html><title>Wrong</title>
<img src='http://elsewhere.test/picture' alt=''>
<img src='/missing' alt=''>
<script>
  console.error('an error', 1);
  console.warn('a warning');
  new WebSocket('ws://elsewhere.test/socket');
  setTimeout(() => { throw new Error('thrown') });
</script>";

const FORBIDDEN: &str = "<!doctype html><title>Forbidden</title><script>let x;</script>";

async fn a_page_that_does_everything_wrong_does_not_escape_the_watcher(visit: &Visit<'_>) {
    let pages = Router::new()
        .route("/wrong", get(async || Html(WRONG)))
        .route(
            "/forbidden",
            get(async || {
                (
                    [(CONTENT_SECURITY_POLICY, "default-src 'none'")],
                    Html(FORBIDDEN),
                )
            }),
        );
    let listener = TcpListener::bind("localhost:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serving = tokio::spawn(axum::serve(listener, pages).into_future());
    let origin = Url::parse(&format!("http://localhost:{port}/")).expect("a URL");
    let at = |page: &str| origin.join(page).expect("an address").to_string();

    let window = visit.person("Ada").await.opens(&at("wrong")).await;
    for words in [
        "console: \"an error\" 1",
        "console: \"a warning\"",
        "thrown: Error: thrown",
        "a request to http://elsewhere.test/picture",
        "a request to ws://elsewhere.test/socket",
        &format!("404 (Not Found): {}", at("missing")),
    ] {
        is_complained_about(&window, &origin, words).await;
    }
    // Not before: another page would end what this one is about to do.
    window.open(&at("forbidden")).await;
    is_complained_about(&window, &origin, "Content Security Policy directive").await;
    window.watcher().take();
    serving.abort();
}

async fn is_complained_about(window: &Window, origin: &Url, words: &str) {
    window
        .until(&format!("{words:?} is complained about"), |_| {
            let complaints = window.watcher().seen().complaints(origin);
            let mut complaints = complaints.iter();
            complaints.any(|found| found.contains(words)).then_some(())
        })
        .await;
}
