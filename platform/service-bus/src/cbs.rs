//! Claims-based security: an access token is put to the node `$cbs` for each entity before a link
//! attaches to it, and again well before it expires, for as long as the link lives.
//!
//! Vendor's page: *AMQP 1.0 protocol guide*, "Claims-based authorization".

use std::{sync::Arc, time::Duration};

use azure_core::credentials::AccessToken;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp_types::primitives::{SimpleValue, Timestamp, Value};
use time::OffsetDateTime;
use tokio::{sync::Mutex, task::JoinHandle};

use crate::{
    ServiceBusErrorKind,
    client::Shared,
    connection::Connection,
    request_link::{self, RequestLink, Response},
};

/// A token is renewed no more often than this, however soon it expires.
const SHORTEST_REFRESH: Duration = Duration::from_secs(2);

/// Pause after a renewal that failed.
const RETRY_REFRESH: Duration = Duration::from_secs(10);

/// The connection's link to `$cbs`, opened by the first token.
#[derive(Default)]
pub(crate) struct Cbs {
    link: Mutex<Option<(RequestLink, SessionHandle<()>)>>,
}

impl Cbs {
    async fn put_token(
        &self,
        connection: &Connection,
        audience: &str,
        token: &AccessToken,
    ) -> Result<(), ServiceBusErrorKind> {
        let mut slot = self.link.lock().await;
        if slot.is_none() {
            *slot = Some(request_link::open(connection, "$cbs").await?);
        }
        let (requests, _session) = slot.as_mut().expect("it was opened above");

        let properties = request_link::properties([
            ("operation", SimpleValue::from("put-token")),
            ("type", SimpleValue::from("jwt")),
            ("name", SimpleValue::from(audience)),
            ("expiration", SimpleValue::from(timestamp(token.expires_on))),
        ]);
        let body = Value::from(token.token.secret());
        match requests.request(properties, body).await {
            Ok(response) => verdict(response),
            Err(kind) => {
                *slot = None;
                Err(kind)
            }
        }
    }
}

/// A token presented for one entity, which is kept fresh until this is dropped.
pub(crate) struct Claim {
    refresh: JoinHandle<()>,
}

impl Claim {
    pub(crate) async fn put(
        shared: &Arc<Shared>,
        connection: &Arc<Connection>,
        audience: String,
        token: AccessToken,
    ) -> Result<Self, ServiceBusErrorKind> {
        connection
            .cbs
            .put_token(connection, &audience, &token)
            .await?;
        let refresh = tokio::spawn(keep_fresh(
            Arc::clone(shared),
            Arc::clone(connection),
            audience,
            token.expires_on,
        ));
        Ok(Self { refresh })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.refresh.abort();
    }
}

async fn keep_fresh(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    audience: String,
    mut expires_on: OffsetDateTime,
) {
    let mut pause = refresh_after(expires_on - OffsetDateTime::now_utc());
    loop {
        tokio::time::sleep(pause).await;
        if !connection.is_open().await {
            return;
        }
        let renewal = async {
            let token = shared.token().await?;
            connection
                .cbs
                .put_token(&connection, &audience, &token)
                .await?;
            Ok::<_, ServiceBusErrorKind>(token.expires_on)
        };
        pause = match shared.within_try_timeout(renewal).await {
            Ok(renewed) => {
                expires_on = renewed;
                tracing::debug!(%audience, %expires_on, "renewed the token of a link");
                refresh_after(expires_on - OffsetDateTime::now_utc())
            }
            Err(error) => {
                let left = expires_on - OffsetDateTime::now_utc();
                tracing::debug!(%audience, %error, %left, "could not renew the token of a link");
                // From here on the broker detaches the link, and the next operation authenticates
                // anew or reports why it cannot.
                if !left.is_positive() {
                    return;
                }
                RETRY_REFRESH.min(refresh_after(left))
            }
        };
    }
}

/// After three quarters of what is left: a quarter of an hour early for a token of an hour.
/// A credential that answers from its cache is asked again at ever shorter intervals until it
/// has a new token.
fn refresh_after(left: time::Duration) -> Duration {
    let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
    (left * 3 / 4).max(SHORTEST_REFRESH)
}

fn verdict(response: Response) -> Result<(), ServiceBusErrorKind> {
    let Response {
        status,
        description,
        ..
    } = response;
    match status {
        200 | 202 => Ok(()),
        404 => Err(ServiceBusErrorKind::MessagingEntityNotFound { description }),
        500.. => Err(ServiceBusErrorKind::ServerBusy { description }),
        _ => Err(ServiceBusErrorKind::TokenRefused {
            status,
            description,
        }),
    }
}

fn timestamp(at: OffsetDateTime) -> Timestamp {
    let milliseconds = at.unix_timestamp() * 1000 + i64::from(at.millisecond());
    Timestamp::from_milliseconds(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: i32) -> Result<(), ServiceBusErrorKind> {
        verdict(Response {
            status,
            description: "why".to_owned(),
            error_condition: None,
            body: Value::Null,
        })
    }

    #[test]
    fn only_200_and_202_accept_a_token() {
        answered(200).unwrap();
        answered(202).unwrap();

        for refused in [201, 204, 400, 401, 403] {
            let kind = answered(refused).unwrap_err();
            assert_eq!(
                kind.to_string(),
                format!("the broker refused the access token with status {refused}: why")
            );
            assert!(!kind.is_transient());
        }
        assert!(answered(503).unwrap_err().is_transient());
    }

    #[test]
    fn a_token_is_renewed_well_before_it_expires_and_never_in_a_hot_loop() {
        assert_eq!(
            refresh_after(time::Duration::hours(1)),
            Duration::from_mins(45)
        );
        assert_eq!(
            refresh_after(time::Duration::seconds(8)),
            Duration::from_secs(6)
        );
        assert_eq!(refresh_after(time::Duration::ZERO), SHORTEST_REFRESH);
        assert_eq!(refresh_after(time::Duration::minutes(-5)), SHORTEST_REFRESH);
    }

    #[test]
    fn an_expiry_is_sent_in_milliseconds_since_1970() {
        let at = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap()
            + time::Duration::milliseconds(250);

        assert_eq!(timestamp(at).milliseconds(), 1_700_000_000_250);
    }
}
