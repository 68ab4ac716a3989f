//! The body of a form with a file, a piece at a time, and as much of it as is
//! allowed.
//!
//! The reader of forms takes all that is there before it looks at any of it, and
//! a quick connection always has more: it would hold most of a file. So after
//! each piece there is nothing for a moment. And what it reads before the file
//! begins, it holds: that is little, or it is no form of ours.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use bytes::Bytes;
use futures::Stream;

/// The form up to its file, with the pieces that come along with it.
const HEAD_BYTES: u64 = 4 * 1024 * 1024;

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
        let piece = ready!(Pin::new(&mut self.body).poll_next(cx));
        self.has_given = true;
        Poll::Ready(piece.map(|piece| {
            let piece = piece?;
            self.allowance.take(piece.len() as u64)?;
            Ok(piece)
        }))
    }
}
