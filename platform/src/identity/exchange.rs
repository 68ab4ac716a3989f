//! The exchanges of a service-account token for access tokens, as they really
//! happened: the credential answers most calls from its cache, so the request
//! itself is measured, inside the credential's HTTP pipeline.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use azure_core::credentials::AccessToken;
use azure_core::error::ErrorKind;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Body, Context, Request};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::steps::Seen;
use super::{NoToken, TokenView};
use crate::telemetry::{error_chain, metrics, redact};

/// How long a caller waits for a token at most: an exchange with its retries,
/// and the exchanges of others that it queues behind.
const PATIENCE: Duration = Duration::from_secs(6);

/// One exchange at Entra ID, or the attempt at one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// What the token is for, for example `https://vault.azure.net/.default`.
    pub scope: String,
    /// When it was sent.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// How long it took, with retries.
    pub duration_ms: u64,
    /// The service-account token that was presented, without its signature.
    pub assertion: Option<TokenView>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: ExchangeOutcome,
}

/// What came of an exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "outcome",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ExchangeOutcome {
    /// Entra ID issued an access token.
    Issued {
        /// When the token expires.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
        /// The token without its signature; `None` when it is opaque.
        token: Option<TokenView>,
    },
    /// There is no token.
    Refused {
        /// Entra's code, for example `AADSTS700213`; `None` when Entra ID was
        /// not reached.
        code: Option<String>,
        /// What Entra ID said, or why it was not reached.
        error: String,
    },
}

impl ExchangeOutcome {
    /// The access token, if it can be read, or why there is none.
    fn token(&self) -> Result<Option<&TokenView>, &str> {
        match self {
            Self::Issued { token, .. } => Ok(token.as_ref()),
            Self::Refused { code, error } => Err(code.as_deref().unwrap_or(error)),
        }
    }

    /// The word in metrics.
    fn word(&self) -> &'static str {
        match self {
            Self::Issued { .. } => "issued",
            Self::Refused { code: Some(_), .. } => "refused",
            Self::Refused { code: None, .. } => "failed",
        }
    }
}

/// The last exchange for each scope. A cheap handle.
#[derive(Debug, Clone)]
pub(super) struct ExchangeLog {
    client_id: Arc<str>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Sent and answered, by scope; what came of it is not known here yet.
    sent: HashMap<String, Sent>,
    last: Vec<Exchange>,
}

#[derive(Debug)]
struct Sent {
    at: SystemTime,
    duration: Duration,
    assertion: Option<TokenView>,
}

impl ExchangeLog {
    /// For the identity with this client id.
    pub(super) fn new(client_id: String) -> Self {
        Self {
            client_id: client_id.into(),
            state: Arc::default(),
        }
    }

    /// What goes into the credential's pipeline.
    pub(super) fn policy(&self) -> Arc<dyn Policy> {
        Arc::new(Stopwatch { log: self.clone() })
    }

    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        self.with(|state| state.last.clone())
    }

    /// Waits for a token, and writes the exchange down if there was one. A
    /// failure is always written down: not even to reach Entra ID is an attempt.
    pub(super) async fn observe(
        &self,
        scopes: &[&str],
        token: impl Future<Output = azure_core::Result<AccessToken>>,
    ) -> azure_core::Result<AccessToken> {
        let scope = scopes.join(" ");
        let asked = SystemTime::now();
        let start = Instant::now();
        let result = match tokio::time::timeout(PATIENCE, token).await {
            Ok(result) => result,
            Err(_) => Err(azure_core::Error::with_message(
                ErrorKind::Credential,
                format!("no access token for {scope} within {PATIENCE:?}"),
            )),
        };
        let sent = self.with(|state| state.sent.remove(&scope));
        let sent = match (sent, &result) {
            (Some(sent), _) => sent,
            (None, Err(_)) => Sent {
                at: asked,
                duration: start.elapsed(),
                assertion: None,
            },
            (None, Ok(_)) => return result,
        };
        self.record(scope, asked, sent, &result);
        result
    }

    fn record(
        &self,
        scope: String,
        asked: SystemTime,
        sent: Sent,
        result: &azure_core::Result<AccessToken>,
    ) {
        let duration_ms = u64::try_from(sent.duration.as_millis()).unwrap_or(u64::MAX);
        let outcome = match result {
            Ok(token) => {
                tracing::info!(
                    scope = %scope,
                    duration_ms,
                    expires_at = %token.expires_on,
                    "access token issued for {scope}"
                );
                ExchangeOutcome::Issued {
                    expires_at: token.expires_on,
                    token: TokenView::decode(token.token.secret()),
                }
            }
            Err(error) => {
                let chain = redact(&error_chain(error)).into_owned();
                tracing::warn!(
                    scope = %scope,
                    duration_ms,
                    error = %chain,
                    "token exchange refused for {scope}"
                );
                match NoToken::behind(error) {
                    Some(NoToken { code, message, .. }) if code.is_some() => {
                        ExchangeOutcome::Refused {
                            code,
                            error: message,
                        }
                    }
                    _ => ExchangeOutcome::Refused {
                        code: None,
                        error: chain,
                    },
                }
            }
        };
        let seen = Seen {
            scope: &scope,
            asked,
            sent: sent.at,
            answered_in: sent.duration,
            over: SystemTime::now(),
            assertion: sent.assertion.as_ref(),
            client_id: &self.client_id,
            outcome: outcome.token(),
        };
        seen.tell();
        let resource = scope.trim_end_matches("/.default");
        metrics::token_exchange(resource, outcome.word(), sent.duration);

        let exchange = Exchange {
            scope,
            at: sent.at.into(),
            duration_ms,
            assertion: sent.assertion,
            outcome,
        };
        self.with(|state| {
            state.last.retain(|other| other.scope != exchange.scope);
            state.last.push(exchange);
        });
    }

    /// The lock is held for a few lines and never while waiting.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Measures what goes through the pipeline: the exchange with its retries.
#[derive(Debug)]
struct Stopwatch {
    log: ExchangeLog,
}

#[expect(elided_lifetimes_in_paths, reason = "the signature of the trait")]
#[async_trait::async_trait]
impl Policy for Stopwatch {
    async fn send(
        &self,
        ctx: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let (scope, assertion) = form_of(request);
        let at = SystemTime::now();
        let start = Instant::now();

        let result = next[0].send(ctx, request, &next[1..]).await;

        let sent = Sent {
            at,
            duration: start.elapsed(),
            assertion,
        };
        self.log.with(|state| state.sent.insert(scope, sent));
        result
    }
}

fn form_of(request: &Request) -> (String, Option<TokenView>) {
    let Body::Bytes(body) = request.body() else {
        return (String::new(), None);
    };
    let mut scope = String::new();
    let mut assertion = None;
    for (name, value) in url::form_urlencoded::parse(body) {
        match name.as_ref() {
            "scope" => scope = value.into_owned(),
            "client_assertion" => assertion = TokenView::decode(&value),
            _ => {}
        }
    }
    (scope, assertion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::no_token::tests::{WORDS, refused};
    use azure_core::http::{Method, Url};

    const SCOPE: &str = "https://vault.azure.net/.default";

    fn token() -> AccessToken {
        AccessToken::new("opaque", OffsetDateTime::UNIX_EPOCH)
    }

    fn sent(log: &ExchangeLog) {
        log.with(|state| {
            state.sent.insert(
                SCOPE.to_owned(),
                Sent {
                    at: SystemTime::UNIX_EPOCH,
                    duration: Duration::from_millis(31),
                    assertion: None,
                },
            );
        });
    }

    #[tokio::test]
    async fn a_token_from_the_cache_is_no_exchange() {
        let log = ExchangeLog::new("client".to_owned());

        log.observe(&[SCOPE], async { Ok(token()) })
            .await
            .expect("a token");

        assert_eq!(log.exchanges(), []);
    }

    #[tokio::test]
    async fn an_exchange_is_written_down_with_the_requests_own_duration() {
        let log = ExchangeLog::new("client".to_owned());

        log.observe(&[SCOPE], async {
            sent(&log);
            Ok(token())
        })
        .await
        .expect("a token");

        let exchanges = log.exchanges();
        assert_eq!(exchanges.len(), 1);
        assert_eq!(exchanges[0].scope, SCOPE);
        assert_eq!(exchanges[0].duration_ms, 31);
        assert!(matches!(
            exchanges[0].outcome,
            ExchangeOutcome::Issued { token: None, .. }
        ));
    }

    #[tokio::test]
    async fn a_refusal_keeps_entras_words_and_code() {
        let log = ExchangeLog::new("client".to_owned());

        log.observe(&[SCOPE], async { Err(refused()) })
            .await
            .expect_err("a refusal");

        let ExchangeOutcome::Refused { code, error } = &log.exchanges()[0].outcome else {
            panic!("expected a refusal: {:?}", log.exchanges());
        };
        assert_eq!(code.as_deref(), Some("AADSTS700213"));
        assert_eq!(error, WORDS);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_token_without_end() {
        let log = ExchangeLog::new("client".to_owned());

        let error = log
            .observe(&[SCOPE], std::future::pending())
            .await
            .expect_err("no token");

        assert_eq!(
            error.to_string(),
            "no access token for https://vault.azure.net/.default within 6s"
        );
    }

    #[test]
    fn the_scope_and_the_assertion_are_read_from_the_request() {
        let url =
            Url::parse("https://login.microsoftonline.com/t/oauth2/v2.0/token").expect("a URL");
        let mut request = Request::new(url, Method::Post);
        request.set_body(
            "client_assertion=e30.e30.c2ln&scope=https%3A%2F%2Fvault.azure.net%2F.default"
                .to_owned(),
        );

        let (scope, assertion) = form_of(&request);

        assert_eq!(scope, SCOPE);
        assert!(assertion.is_some());
    }
}
