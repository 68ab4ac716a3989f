//! How a call is made: as this pod, within a time, and again when its connection
//! breaks and it may be repeated.
//!
//! A replica of the backend that is killed breaks its connections; the next
//! attempt reaches another one. What reads may be repeated, and so may a change
//! that carries `If-Match` or an idempotency key: the second time finds it done.
//! An answer is an answer: it is never asked for again, whatever it says.

use std::time::Duration;

use bytes::Bytes;
use http::header;
use platform::backoff::Backoff;
use platform::identity::ProjectedToken;
use platform::request_id::{REQUEST_ID, RequestId};
use platform::telemetry::dependency::{self, Outcome};
use platform::telemetry::{self, error_chain};
use reqwest::{Request, Response};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::failure::{self, BackendFailure};

/// Attempts, with pauses in between that double.
const MOST_ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A call that is ready to be made.
#[derive(Debug)]
pub(super) struct Call {
    /// For errors: what cannot be done when it fails.
    pub(super) operation: &'static str,
    /// Its body, if it has one, is in memory: it can be sent again.
    pub(super) request: Request,
    /// Whether doing it twice is as good as doing it once.
    pub(super) may_repeat: bool,
    /// The time of all attempts together.
    pub(super) patience: Duration,
}

/// Makes calls.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    http: reqwest::Client,
    token: ProjectedToken,
}

impl Caller {
    pub(super) fn new(token: ProjectedToken) -> Self {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(2))
            // Before the backend closes what is idle: a request must not meet that.
            .pool_idle_timeout(Duration::from_secs(15))
            // The token is for the backend and for nobody on the way or elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("the options are constant, and TLS has its provider since main");
        Self { http, token }
    }

    /// Makes a call and reads its answer.
    pub(super) async fn answer<T: DeserializeOwned>(
        &self,
        call: Call,
    ) -> Result<T, BackendFailure> {
        let operation = call.operation;
        let body = self.make(call).await?;
        serde_json::from_slice(&body)
            .map_err(|source| BackendFailure::Misunderstood { operation, source })
    }

    /// Makes a call and gives the body of its answer.
    pub(super) async fn make(&self, call: Call) -> Result<Bytes, BackendFailure> {
        let slow = BackendFailure::Slow {
            operation: call.operation,
            patience: call.patience,
        };
        timeout(call.patience, self.until_answered(&call))
            .await
            .unwrap_or(Err(slow))
    }

    async fn until_answered(&self, call: &Call) -> Result<Bytes, BackendFailure> {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        for _ in 1..MOST_ATTEMPTS {
            match self.attempt(call).await {
                Err(failure) if failure.is_unasked() => again(call, &failure),
                Err(failure) if failure.is_broken_off() && call.may_repeat => again(call, &failure),
                answered => return answered,
            }
            sleep(backoff.pause()).await;
        }
        self.attempt(call).await
    }

    async fn attempt(&self, call: &Call) -> Result<Bytes, BackendFailure> {
        let operation = call.operation;
        // Read for each attempt: the kubelet rotates it.
        let authorization = self.token.authorization().await;
        let authorization = authorization.map_err(BackendFailure::Token)?;
        let mut request = call.request.try_clone().expect("its body is in memory");
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, authorization);
        if let Some(id) = RequestId::current() {
            headers.insert(REQUEST_ID, id.header_value());
        }
        let sending = async {
            telemetry::context::inject(request.headers_mut());
            self.http.execute(request).await
        };
        let answer = dependency::call("backend", operation, sending, outcome)
            .await
            .map_err(BackendFailure::lost(operation))?;
        if !answer.status().is_success() {
            return Err(failure::read(operation, answer).await);
        }
        let body = answer.bytes().await;
        body.map_err(BackendFailure::lost(operation))
    }
}

fn again(call: &Call, failure: &BackendFailure) {
    tracing::info!(
        operation = call.operation,
        cause = error_chain(failure),
        "asking again"
    );
}

fn outcome(sent: &reqwest::Result<Response>) -> Outcome {
    sent.as_ref().map_or(Outcome::Failed, |answer| {
        Outcome::of_status(answer.status().as_u16())
    })
}
