//! What happens in a list, as it happens: Server-Sent Events (HTML, section 9.2),
//! an event for each entry of the activity.
//!
//! An event's `id` is what its watcher has then seen ([`Seen`]). A browser whose
//! stream ends comes back with the last one, to any replica, and gets what it
//! missed.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use futures::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use serde::Deserialize;

use super::{At, Pages, Problem};
use crate::activity::{MOST, Seen, Subscription};
use crate::id::ListId;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// When a browser comes back after its stream has ended.
const COME_BACK: Duration = Duration::from_secs(2);

/// Between two signs of life, so that nothing on the way takes the stream for
/// dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Where a page says that it begins.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Begin {
    after: Option<String>,
}

/// Tells what happens in a list, until the browser has enough or the pod ends.
// Identity frontend, Cosmos DB Built-in Data Reader on container activity.
pub(super) async fn watch(
    State(pages): State<Pages>,
    At(list): At<ListId>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(begin) = Query::<Begin>::try_from_uri(&uri).unwrap_or_default();
    let last_event = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let seen = match last_event.or(begin.after.as_deref()).map(str::parse) {
        Some(Ok(seen)) => seen,
        _ => Seen::of(&pages.feed.after(&list, 0, MOST).await?, MOST),
    };
    let watching = pages.live.watch(&list, seen);
    Ok(stream(watching.ok_or_else(Problem::too_many_watchers)?))
}

fn stream(watching: Subscription) -> Response {
    let begin = Event::default()
        .id(watching.seen().to_string())
        .retry(COME_BACK);
    let events = stream::unfold(watching, async |mut watching| {
        let entry = watching.next().await?;
        let event = Event::default()
            .id(watching.seen().to_string())
            .event("activity")
            .json_data(&*entry)
            .expect("texts and numbers are JSON");
        Some((event, watching))
    });
    let events = stream::iter([begin]).chain(events).map(Ok::<_, Infallible>);
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE));
    let mut response = stream.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that gathers an answer before it passes it on is asked not to.
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}
