//! A good token, at a door that it is not for (RFC 8725, 3.11 and 3.12).

use local_cloud::names;

use super::{Attack, attack};

pub(super) fn attacks() -> Vec<Attack> {
    vec![
        attack("the token for Entra ID, taken to a resource", |token| {
            token.instead(&token.good.assertion);
        })
        .shut_at_resources("TokenUnknownKey")
        .shut_at_backend(),
        attack("the token for the backend, taken elsewhere", |token| {
            token.instead(&token.good.for_backend);
        })
        .shut_at_token_endpoint(700_212)
        .shut_at_resources("TokenUnknownKey"),
        attack("Entra ID's own token, taken back to it", |token| {
            token.instead(&token.good.for_vault);
        })
        .shut_at_token_endpoint(700_222)
        .shut_at_backend(),
        attack("a token for Azure's management", |token| {
            token.claim("aud", "https://management.azure.com");
        })
        .shut_at_resources("TokenAudience"),
        attack("a token for Microsoft Graph", |token| {
            token.claim("aud", "https://graph.microsoft.com");
        })
        .shut_at_resources("TokenAudience")
        .open_at_graph(),
        attack("Entra ID's claims under the cluster's signature", |token| {
            let tenant = names::tenant_id();
            token.claim("iss", names::token_issuer(tenant));
            token.claim("oid", names::object_id("frontend").to_string());
        })
        .shut_at_token_endpoint(700_222)
        .shut_at_backend(),
    ]
}
