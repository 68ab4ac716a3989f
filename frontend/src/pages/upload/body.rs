//! The body of a form with a file, a small piece at a time, as much of it as is
//! allowed, and for as long as it keeps its pace.
//!
//! The reader of forms takes all that is there before it looks at any of it, and
//! a quick connection always has more: it would hold most of a file. So after
//! each piece there is nothing for a moment. And what comes before the file is
//! held until the file begins: that is little, or it is no form of ours.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use bytes::Bytes;
use futures::Stream;
use tokio::time::timeout;

use super::pace::Pace;

/// A piece: what is there, and no more than this.
const PIECE_BYTES: usize = 64 * 1024;

/// The form up to its file, with the pieces that are read ahead.
const HEAD_BYTES: u64 = 1024 * 1024;

/// How much is read of what nobody wants, and how long that may take.
const ABSORBED_BYTES: u64 = 256 * 1024 * 1024;
const ABSORBING: Duration = Duration::from_secs(10);

/// A body on its way. A cheap handle: who reads the form has another.
#[derive(Clone)]
pub(super) struct Incoming(Arc<Mutex<Inner>>);

struct Inner {
    body: BodyDataStream,
    /// What came and was not given yet.
    rest: Bytes,
    /// How much may still be given.
    allowed: u64,
    /// Whether the last thing was a piece.
    has_given: bool,
    pace: Pace,
    /// Whether it came too slowly.
    is_late: bool,
}

/// More than is allowed.
#[derive(Debug, thiserror::Error)]
#[error("more than is read of such a form")]
struct TooMuch;

/// Less than is waited for.
#[derive(Debug, thiserror::Error)]
#[error("the body comes too slowly")]
struct TooSlow;

/// Whether a body could not be read because it came too slowly.
pub(super) fn came_too_slowly(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.any(<dyn Error>::is::<TooSlow>)
}

impl Incoming {
    /// The body of a request, and the request with what may be read of it: the
    /// form up to its file.
    pub(super) fn of(request: Request) -> (Request, Self) {
        let (head, body) = request.into_parts();
        let incoming = Self(Arc::new(Mutex::new(Inner {
            body: body.into_data_stream(),
            rest: Bytes::new(),
            allowed: HEAD_BYTES,
            has_given: false,
            pace: Pace::new(),
            is_late: false,
        })));
        let body = Body::from_stream(incoming.clone());
        (Request::from_parts(head, body), incoming)
    }

    /// From now on all of it may be read: the file has begun, and whoever takes
    /// it measures it.
    pub(super) fn allow_all(&self) {
        self.with(|inner| inner.allowed = u64::MAX);
    }

    /// Reads on what nobody wants, within bounds: a browser shows an answer only
    /// when it could send what it had to send. Who sent too slowly has had its time.
    pub(super) async fn absorb(self) {
        if self.with(|inner| inner.is_late) {
            return;
        }
        self.with(|inner| inner.allowed = ABSORBED_BYTES);
        let end =
            std::future::poll_fn(|cx| match ready!(self.with(|inner| inner.poll_piece(cx))) {
                Some(Ok(_)) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(Err(_)) | None => Poll::Ready(()),
            });
        if timeout(ABSORBING, end).await.is_err() {
            tracing::debug!("a body that nobody wants is still coming: not read on");
        }
    }

    /// Held for one poll, never across an await.
    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::BoxError>>> {
        while self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_next(cx) {
                Poll::Ready(Some(Ok(came))) => {
                    self.pace.came(came.len() as u64);
                    self.rest = came;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    ready!(self.pace.poll_end(cx));
                    self.is_late = true;
                    return Poll::Ready(Some(Err(TooSlow.into())));
                }
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        let Some(allowed) = self.allowed.checked_sub(piece.len() as u64) else {
            return Poll::Ready(Some(Err(TooMuch.into())));
        };
        self.allowed = allowed;
        Poll::Ready(Some(Ok(piece)))
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, axum::BoxError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.with(|inner| {
            if std::mem::take(&mut inner.has_given) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let piece = ready!(inner.poll_piece(cx));
            inner.has_given = true;
            Poll::Ready(piece)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{StreamExt as _, stream};
    use std::convert::Infallible;

    fn incoming(bytes: usize) -> (BodyDataStream, Incoming) {
        let (request, incoming) = Incoming::of(Request::new(Body::from(vec![7; bytes])));
        (request.into_body().into_data_stream(), incoming)
    }

    #[tokio::test]
    async fn a_body_comes_in_small_pieces_with_nothing_in_between() {
        let (mut body, _) = incoming(150 * 1024);

        let mut lengths = Vec::new();
        let mut pauses = 0;
        std::future::poll_fn(|cx| {
            loop {
                match Pin::new(&mut body).poll_next(cx) {
                    Poll::Ready(Some(piece)) => lengths.push(piece.expect("a piece").len()),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => pauses += 1,
                }
            }
        })
        .await;

        assert_eq!(lengths, [64 * 1024, 64 * 1024, 22 * 1024]);
        assert_eq!(pauses, 3);
    }

    #[tokio::test]
    async fn no_more_comes_than_is_allowed() {
        let (mut body, incoming) = incoming(3 * 1024 * 1024);
        for _ in 0..16 {
            assert!(body.next().await.expect("a piece").is_ok());
        }

        let error = body.next().await.expect("an end").expect_err("too much");
        assert_eq!(error.to_string(), "more than is read of such a form");

        incoming.allow_all();
        assert!(body.next().await.expect("a piece").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_wants_is_read_to_its_end_or_for_a_while() {
        let (mut body, whole) = incoming(3 * 1024 * 1024);
        whole.absorb().await;
        assert!(body.next().await.is_none());

        let endless = stream::pending::<Result<Bytes, Infallible>>();
        let (_, endless) = Incoming::of(Request::new(Body::from_stream(endless)));
        let begin = tokio::time::Instant::now();
        endless.absorb().await;
        assert_eq!(begin.elapsed(), ABSORBING);
    }
}
