//! The bounds that every HTTP client of Azure has here: three attempts, and a
//! time for each attempt and for all of them. The defaults of the official
//! crates (nine attempts in 60 to 80 seconds) keep a caller waiting until it has
//! given up long since.

use std::sync::Arc;
use std::time::Duration;

use azure_core::http::policies::Policy;
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport};

mod patience;

use patience::{Answers, Deadline};

/// Retries after the first attempt, with 200 milliseconds, doubling and with
/// jitter, in between. Only what may be repeated is: 408, 429, 500, 502, 503,
/// 504 and broken connections.
pub(crate) const RETRIES: u32 = 2;

/// The time to connect, with TLS.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The times of a kind of request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The time of one attempt until its answer begins, and between two parts of
    /// the answer.
    pub(crate) answer: Duration,
    /// The time of all attempts together, until the answer begins.
    pub(crate) in_total: Duration,
}

/// The exchange of a token.
pub(crate) const TOKEN: Bounds = Bounds {
    answer: Duration::from_secs(3),
    in_total: Duration::from_secs(5),
};

/// A request that carries little.
pub(crate) const REQUEST: Bounds = Bounds {
    answer: Duration::from_secs(4),
    in_total: Duration::from_secs(5),
};

/// A request that carries up to 4 MiB, over a link as slow as 2 Mbit/s.
pub(crate) const TRANSFER: Bounds = Bounds {
    answer: Duration::from_secs(20),
    in_total: Duration::from_secs(30),
};

/// The options of a client with these bounds. The given policies see each call
/// once, whatever its retries.
pub(crate) fn options(bounds: &Bounds, policies: Vec<Arc<dyn Policy>>) -> ClientOptions {
    let mut per_call_policies: Vec<Arc<dyn Policy>> = vec![Arc::new(Deadline(bounds.in_total))];
    per_call_policies.extend(policies);
    ClientOptions {
        per_call_policies,
        per_try_policies: vec![Arc::new(Answers(bounds.in_total))],
        retry: RetryOptions::exponential(ExponentialRetryOptions {
            initial_delay: azure_core::time::Duration::milliseconds(200),
            max_retries: RETRIES,
            max_total_elapsed: bounds
                .in_total
                .try_into()
                .expect("the bounds are a few seconds"),
            max_delay: azure_core::time::Duration::seconds(2),
        }),
        transport: Some(Transport::new(Arc::new(http_client(bounds)))),
        ..ClientOptions::default()
    }
}

/// An HTTP client that follows no redirects: no API here answers with one, and
/// what follows one may take a token elsewhere. `HTTPS_PROXY`, `NO_PROXY` and
/// `SSL_CERT_FILE` are honoured by the client itself.
pub(crate) fn http_client(bounds: &Bounds) -> reqwest::Client {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(bounds.answer)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("the options are constant, and TLS has its provider since main")
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::error::ErrorKind;
    use azure_core::http::headers::Headers;
    use azure_core::http::{
        AsyncRawResponse, Context, HttpClient, Method, Pipeline, Request, StatusCode, Url,
    };
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Answers the same each time and counts.
    #[derive(Debug)]
    struct Unavailable {
        status: StatusCode,
        retry_after: Option<&'static str>,
        attempts: AtomicU32,
    }

    fn answering(status: StatusCode, retry_after: Option<&'static str>) -> Arc<Unavailable> {
        Arc::new(Unavailable {
            status,
            retry_after,
            attempts: AtomicU32::default(),
        })
    }

    #[async_trait::async_trait]
    impl HttpClient for Unavailable {
        async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
            self.attempts.fetch_add(1, Ordering::Relaxed);
            let mut headers = Headers::new();
            if let Some(seconds) = self.retry_after {
                headers.insert("retry-after", seconds);
            }
            let words = r#"{ "error": { "code": "Busy", "message": "come again later" } }"#;
            Ok(AsyncRawResponse::from_bytes(self.status, headers, words))
        }
    }

    async fn send(service: &Arc<impl HttpClient + 'static>) -> azure_core::Result<()> {
        let options = ClientOptions {
            transport: Some(Transport::new(Arc::clone(service) as Arc<dyn HttpClient>)),
            ..options(&REQUEST, Vec::new())
        };
        let pipeline = Pipeline::new(None, None, options, Vec::new(), Vec::new(), None);
        let url = Url::parse("https://localvault.vault.azure.net/").expect("a URL");
        pipeline
            .send(&Context::new(), &mut Request::new(url, Method::Get), None)
            .await
            .map(|_| ())
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_down_is_tried_three_times() {
        let service = answering(StatusCode::ServiceUnavailable, None);

        let error = send(&service).await.expect_err("503");

        assert_eq!(error.http_status(), Some(StatusCode::ServiceUnavailable));
        assert_eq!(service.attempts.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn who_shall_come_again_too_late_is_told_at_once() {
        let service = answering(StatusCode::ServiceUnavailable, Some("60"));
        let start = tokio::time::Instant::now();

        let error = send(&service).await.expect_err("503");

        assert_eq!(error.http_status(), Some(StatusCode::ServiceUnavailable));
        let ErrorKind::HttpResponse { error_code, .. } = error.kind() else {
            panic!("not an answer: {error}");
        };
        assert_eq!(error_code.as_deref(), Some("Busy"));
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(service.attempts.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_retry_after_is_heeded() {
        let service = answering(StatusCode::ServiceUnavailable, Some("2"));
        let start = tokio::time::Instant::now();

        let error = send(&service).await.expect_err("503");

        assert_eq!(error.http_status(), Some(StatusCode::ServiceUnavailable));
        assert_eq!(start.elapsed(), Duration::from_secs(4));
    }

    /// The retries heed it of 429 and 503 only.
    #[tokio::test(start_paused = true)]
    async fn a_retry_after_that_is_not_heeded_ends_no_call() {
        let service = answering(StatusCode::InternalServerError, Some("60"));

        let error = send(&service).await.expect_err("500");

        assert_eq!(error.http_status(), Some(StatusCode::InternalServerError));
        assert_eq!(service.attempts.load(Ordering::Relaxed), 3);
    }

    /// Never answers.
    #[derive(Debug)]
    struct Silent;

    #[async_trait::async_trait]
    impl HttpClient for Silent {
        async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_no_answer_waits_for_its_time_and_no_longer() {
        let start = tokio::time::Instant::now();

        let error = send(&Arc::new(Silent)).await.expect_err("no answer");

        assert_eq!(error.to_string(), "no answer within 5s, retries included");
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }
}
