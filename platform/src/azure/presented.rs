//! The credential of one client, with what the token says that the client
//! presented last: for the spans of its calls.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use time::OffsetDateTime;

use crate::identity::TokenView;
use crate::identity::steps::Claims;

/// A credential that remembers. A cheap handle.
#[derive(Clone)]
pub(super) struct Presented {
    inner: Arc<dyn TokenCredential>,
    /// The claims, and when their token expires. Held for a line.
    last: Arc<Mutex<(OffsetDateTime, Arc<Claims>)>>,
}

impl Presented {
    pub(super) fn new(inner: Arc<dyn TokenCredential>) -> Self {
        let nothing = (OffsetDateTime::UNIX_EPOCH, Arc::default());
        Self {
            inner,
            last: Arc::new(Mutex::new(nothing)),
        }
    }

    /// The same credential, for another client.
    pub(super) fn another(&self) -> Self {
        Self::new(Arc::clone(&self.inner))
    }

    /// As what a client takes.
    pub(super) fn credential(&self) -> Arc<dyn TokenCredential> {
        Arc::new(self.clone())
    }

    /// What the last token said. Nothing before the first, and of one that
    /// cannot be read.
    pub(super) fn claims(&self) -> Arc<Claims> {
        Arc::clone(&self.last().1)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, (OffsetDateTime, Arc<Claims>)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, token: &AccessToken) {
        // Most calls get the same token again, and reading it costs more than
        // asking for its end.
        if self.last().0 == token.expires_on {
            return;
        }
        let view = TokenView::decode(token.token.secret());
        let claims = view.as_ref().map(Claims::of_access_token);
        *self.last() = (token.expires_on, Arc::new(claims.unwrap_or_default()));
    }
}

#[async_trait::async_trait]
impl TokenCredential for Presented {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let token = self.inner.get_token(scopes, options).await?;
        self.remember(&token);
        Ok(token)
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::tests::Unasked;
    use crate::identity::token_view_tests::unsigned;
    use serde_json::json;

    #[test]
    fn the_claims_are_those_of_the_last_token() {
        let presented = Presented::new(Arc::new(Unasked));
        assert_eq!(*presented.claims(), Claims::default());

        let token = unsigned(
            &json!({ "iss": "https://sts", "sub": "object", "appid": "client",
            "aud": "https://vault.azure.net" }),
        );
        presented.remember(&AccessToken::new(token, OffsetDateTime::now_utc()));

        assert_eq!(
            *presented.claims(),
            Claims {
                issuer: "https://sts".to_owned(),
                subject: "object".to_owned(),
                audience: "https://vault.azure.net".to_owned(),
                client_id: "client".to_owned(),
            }
        );
    }
}
