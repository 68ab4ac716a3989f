//! How long a call may take, with its retries; and that nobody waits for a retry
//! that will come too late. A service that says `Retry-After: 60` to somebody who
//! has five seconds has answered: the caller gets its words at once, with its
//! code, instead of a time-out that hides both.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_core::Bytes;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{Headers, RETRY_AFTER};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{AsyncRawResponse, Context, Request, StatusCode};
use tokio::sync::Notify;

/// Ends a call when its time is over, or when it is clear that it will be.
#[derive(Debug)]
pub(super) struct Deadline(pub(super) Duration);

/// Sees each answer, and tells the deadline of one that wants too much patience.
#[derive(Debug)]
pub(super) struct Answers(pub(super) Duration);

/// Between the two, for one call.
#[derive(Debug, Default)]
struct TooLate {
    /// Held for a line.
    answer: Mutex<Option<(StatusCode, Headers, Bytes)>>,
    told: Notify,
}

#[expect(elided_lifetimes_in_paths, reason = "the signature of the trait")]
#[async_trait::async_trait]
impl Policy for Deadline {
    async fn send(
        &self,
        ctx: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let Self(limit) = self;
        let late = Arc::new(TooLate::default());
        let ctx = ctx.clone().with_value(Arc::clone(&late));
        let call = tokio::time::timeout(*limit, next[0].send(&ctx, request, &next[1..]));
        let told = async {
            late.told.notified().await;
            let mut answer = late.answer.lock().unwrap_or_else(PoisonError::into_inner);
            answer.take()
        };
        tokio::select! {
            // The last attempt's own answer is as good.
            biased;
            result = call => match result {
                Ok(result) => result,
                Err(_) => Err(azure_core::Error::with_message(
                    ErrorKind::Io,
                    format!("no answer within {limit:?}, retries included"),
                )),
            },
            Some((status, headers, body)) = told => {
                Ok(AsyncRawResponse::from_bytes(status, headers, body))
            }
        }
    }
}

#[expect(elided_lifetimes_in_paths, reason = "the signature of the trait")]
#[async_trait::async_trait]
impl Policy for Answers {
    async fn send(
        &self,
        ctx: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let answer = next[0].send(ctx, request, &next[1..]).await?;
        let Self(limit) = self;
        let in_time = retry_after(&answer).is_none_or(|wait| wait < *limit);
        let Some(late) = ctx.value::<Arc<TooLate>>().filter(|_| !in_time) else {
            return Ok(answer);
        };
        let (status, headers, body) = answer.deconstruct();
        let body = body.collect().await?;
        *late.answer.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((status, headers.clone(), body.clone()));
        late.told.notify_one();
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}

/// How long the service wants to be left alone, where retries would heed it.
fn retry_after(answer: &AsyncRawResponse) -> Option<Duration> {
    let heeded = [StatusCode::TooManyRequests, StatusCode::ServiceUnavailable];
    if !heeded.contains(&answer.status()) {
        return None;
    }
    let seconds = answer.headers().get_optional_str(&RETRY_AFTER)?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}
