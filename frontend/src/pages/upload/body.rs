//! The body of a form with a file, a small piece at a time, and as much of it as
//! is allowed.
//!
//! The reader of forms takes all that is there before it looks at any of it, and
//! a quick connection always has more: it would hold most of a file. So after
//! each piece there is nothing for a moment. And what comes before the file is
//! held until the file begins: that is little, or it is no form of ours.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use bytes::Bytes;
use futures::Stream;

/// A piece: what is there, and no more than this.
const PIECE_BYTES: usize = 64 * 1024;

/// The form up to its file, with the pieces that are read ahead.
const HEAD_BYTES: u64 = 1024 * 1024;

/// How much of a body may still come. A cheap handle.
#[derive(Debug, Clone)]
pub(super) struct Allowance(Arc<AtomicU64>);

/// More than is allowed.
#[derive(Debug, thiserror::Error)]
#[error("more than is read of such a form")]
struct TooMuch;

/// A request whose body may be a form up to its file.
pub(super) fn measured(request: Request) -> (Request, Allowance) {
    let allowance = Allowance(Arc::new(AtomicU64::new(HEAD_BYTES)));
    let request = request.map(|body| {
        Body::from_stream(Pieces {
            body: body.into_data_stream(),
            rest: Bytes::new(),
            allowance: allowance.clone(),
            has_given: false,
        })
    });
    (request, allowance)
}

impl Allowance {
    /// From now on so much may come.
    pub(super) fn grant(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    fn take(&self, bytes: u64) -> Result<(), TooMuch> {
        let left = self.0.load(Ordering::Relaxed);
        self.grant(left.checked_sub(bytes).ok_or(TooMuch)?);
        Ok(())
    }
}

struct Pieces {
    body: BodyDataStream,
    /// What came and was not given yet.
    rest: Bytes,
    allowance: Allowance,
    /// Whether the last thing was a piece.
    has_given: bool,
}

impl Stream for Pieces {
    type Item = Result<Bytes, axum::BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.has_given) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(cx)) {
                Some(Ok(came)) => self.rest = came,
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
        self.has_given = true;
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        let allowed = self.allowance.take(length as u64);
        Poll::Ready(Some(allowed.map(|()| piece).map_err(Into::into)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt as _;

    #[tokio::test]
    async fn a_body_comes_in_small_pieces_with_nothing_in_between() {
        let body = Body::from(vec![7; 150 * 1024]);
        let (request, _) = measured(Request::new(body));
        let mut body = request.into_body().into_data_stream();

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
        let (request, allowance) = measured(Request::new(Body::from(vec![7; 2 * 1024 * 1024])));
        let mut body = request.into_body().into_data_stream();

        for _ in 0..16 {
            assert!(body.next().await.expect("a piece").is_ok());
        }
        allowance.grant(64 * 1024);
        assert!(body.next().await.expect("a piece").is_ok());

        let error = body.next().await.expect("an end").expect_err("too much");
        assert_eq!(error.to_string(), "more than is read of such a form");
    }
}
