//! Times are whole numbers of seconds, and they are looked at (RFC 7523, 3).

use super::{Attack, attack};

const FUTURE: i64 = 4_000_000_000;

pub(super) fn attacks() -> Vec<Attack> {
    let no_time = |name, claim: &'static str, text: &'static str| {
        attack(name, move |token| token.claim_text(claim, text)).shut(50_027, "TokenMalformed")
    };
    vec![
        attack("no expiry", |token| token.without("exp")).shut(50_027, "TokenMalformed"),
        attack("an expired token", |token| {
            token.claim("exp", 1_700_000_000);
            token.claim("nbf", 1_699_999_000);
            token.claim("iat", 1_699_999_000);
        })
        .shut(700_024, "TokenExpired"),
        attack("an expiry of zero", |token| {
            token.claim("exp", 0);
            token.claim("nbf", 0);
            token.claim("iat", 0);
        })
        .shut(700_024, "TokenExpired"),
        no_time("an expiry with a fraction", "exp", "4000000000.5"),
        no_time("an expiry with an exponent", "exp", "4e9"),
        no_time("an expiry that is endless", "exp", "1e400"),
        no_time("an expiry that is a text", "exp", "\"4000000000\""),
        no_time("an expiry that is nothing", "exp", "null"),
        no_time("an expiry that is true", "exp", "true"),
        no_time("an expiry in a list", "exp", "[4000000000]"),
        no_time("an expiry past 64 bits", "exp", "18446744073709551616"),
        no_time("an expiry that overflows", "exp", "18446744073709551615"),
        attack("a token of the future", |token| {
            token.claim("nbf", FUTURE);
            token.claim("iat", FUTURE);
            token.claim("exp", FUTURE + 3600);
        })
        .shut(700_024, "TokenNotYetValid"),
        attack("a token that was issued in the future", |token| {
            token.claim("iat", FUTURE);
        })
        .shut(700_024, "TokenNotYetValid"),
        no_time("a beginning with a fraction", "nbf", "1700000000.5"),
        no_time("a beginning that is a text", "nbf", "\"1700000000\""),
        no_time("a beginning that is nothing", "nbf", "null"),
        attack("an expiry before the epoch", |token| token.claim("exp", -1))
            .shut_at_token_endpoint(50_027)
            .shut_at_resources("TokenMalformed")
            .shut_at_backend(),
        attack("a life of more than 25 hours", |token| {
            let issued = token.claims["iat"].as_i64().unwrap_or_default();
            token.claim("exp", issued + 25 * 60 * 60 + 1);
        })
        .shut_at_token_endpoint(LIVES_TOO_LONG),
    ]
}

/// `exp - iat` of an assertion is 25 hours at most.
const LIVES_TOO_LONG: u32 = 70_023;
