//! The stream of what happens in a list.

use axum::body::Body;
use futures::StreamExt as _;
use http::Request;
use tower::ServiceExt as _;

use crate::activity::tests::entry;
use crate::testing::{FakeBackend, Site};

/// A stream that a browser reads.
struct Stream(axum::body::BodyDataStream);

impl Stream {
    async fn open(site: &Site, path: &str, last: Option<&str>) -> Self {
        let mut request = Request::get(path).header("host", "localhost:8080");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Body::empty()).expect("a request");
        let answer = site
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        Self(answer.into_body().into_data_stream())
    }

    /// The next event, or nothing when the stream has ended.
    async fn next(&mut self) -> Option<String> {
        let next = tokio::time::timeout(std::time::Duration::from_secs(30), self.0.next()).await;
        let part = next.expect("something in time")?.expect("a part");
        Some(String::from_utf8(part.to_vec()).expect("text"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_is_told_what_happens_from_where_it_begins() {
    let site = Site::with(&FakeBackend::default()).await;
    site.feed.add(entry(1, "todo.added", "Milk"));
    let mut stream = Stream::open(&site, "/lists/inbox/events?after=1", None).await;

    assert_eq!(
        stream.next().await.as_deref(),
        Some("id: 1\nretry: 2000\n\n")
    );
    site.feed.add(entry(3, "todo.added", "Li\nne"));
    assert_eq!(
        stream.next().await.as_deref(),
        Some(
            "id: 1.3\nevent: activity\ndata: {\"sequence\":3,\"type\":\"todo.added\",\
             \"subject\":\"3b241101-e2bb-4255-8caf-4136c566a962\",\"text\":\"Li\\nne\",\
             \"at\":\"2026-11-23T10:00:00Z\"}\n\n"
        )
    );
    site.feed.add(entry(2, "todo.added", "late"));
    assert!(
        stream
            .next()
            .await
            .expect("an event")
            .starts_with("id: 3\n")
    );
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_comes_back_gets_what_it_missed_and_nothing_twice() {
    let site = Site::with(&FakeBackend::default()).await;
    for place in 1..=4 {
        site.feed.add(entry(place, "todo.added", "x"));
    }

    // The header is of the last event; the address is of the page, and older.
    let mut stream = Stream::open(&site, "/lists/inbox/events?after=1", Some("1.3")).await;

    assert!(
        stream
            .next()
            .await
            .expect("the beginning")
            .starts_with("id: 1.3\n")
    );
    assert!(
        stream
            .next()
            .await
            .expect("an event")
            .starts_with("id: 3\n")
    );
    assert!(
        stream
            .next()
            .await
            .expect("an event")
            .starts_with("id: 4\n")
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_place_a_stream_begins_now() {
    let site = Site::with(&FakeBackend::default()).await;
    for place in 1..=4 {
        site.feed.add(entry(place, "todo.added", "x"));
    }

    for path in [
        "/lists/inbox/events",
        "/lists/inbox/events?after=nonsense",
        "/lists/inbox/events?after=1&after=2",
    ] {
        let mut stream = Stream::open(&site, path, None).await;
        assert!(
            stream
                .next()
                .await
                .expect("the beginning")
                .starts_with("id: 4\n")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_nothing_to_tell_shows_that_it_lives_and_ends_with_the_pod() {
    let site = Site::with(&FakeBackend::default()).await;
    let mut stream = Stream::open(&site, "/lists/inbox/events?after=0", None).await;
    stream.next().await.expect("the beginning");

    assert_eq!(stream.next().await.as_deref(), Some(":\n\n"));
    site.shutdown.request("test");
    assert_eq!(stream.next().await, None);
}
