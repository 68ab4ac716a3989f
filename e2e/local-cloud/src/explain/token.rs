//! An access token that a resource does not accept: what the token says, against
//! what the resource takes.

use time::OffsetDateTime;

use super::times::{length, moment};
use super::{Against, Difference, Explanation, Fix, cut};
use crate::gate::TokenRefusal;

/// What is presented, as far as it can be read; nothing of it is verified.
#[derive(Clone, Debug, Default)]
pub struct Presented {
    /// The principal's object id.
    pub object_id: Option<String>,
    /// `nbf`
    pub from: Option<i64>,
    /// `exp`
    pub until: Option<i64>,
}

/// What the resource takes.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// The service: `key vault`, `cosmos`, `blob`, `service bus`.
    pub by: &'a str,
    /// The audience; others may be taken too.
    pub audience: &'a str,
    /// The issuer.
    pub issuer: &'a str,
    /// The time.
    pub now: OffsetDateTime,
}

/// The code by which a service refuses a token.
pub fn code(by: &str, refusal: &TokenRefusal) -> &'static str {
    match by {
        "key vault" => key_vault(refusal),
        "cosmos" => cosmos(refusal),
        "blob" if *refusal == TokenRefusal::Missing => "NoAuthenticationInformation",
        "blob" => "InvalidAuthenticationInfo",
        "service bus" => service_bus(refusal),
        _ => "InvalidAuthenticationToken",
    }
}

fn key_vault(refusal: &TokenRefusal) -> &'static str {
    match refusal {
        TokenRefusal::Missing => "AKV10000",
        TokenRefusal::Audience { .. } => "AKV10022",
        TokenRefusal::Issuer { .. } => "AKV10032",
        TokenRefusal::UnknownKey => "AKV10046",
        TokenRefusal::Expired => "TokenExpired",
        _ => "AggregatedAuthenticationFailure",
    }
}

fn cosmos(refusal: &TokenRefusal) -> &'static str {
    match refusal {
        TokenRefusal::Missing => "401/5000",
        TokenRefusal::Malformed(_) => "401/5003",
        TokenRefusal::Algorithm(_) | TokenRefusal::Signature => "401/5004",
        TokenRefusal::NotYetValid => "401/5005",
        TokenRefusal::Expired => "401/5006",
        TokenRefusal::Issuer { .. } => "401/5007",
        TokenRefusal::Audience { .. } => "401/5008",
        TokenRefusal::UnknownPrincipal => "401/5011",
        TokenRefusal::UnknownKey => "401/5200",
    }
}

fn service_bus(refusal: &TokenRefusal) -> &'static str {
    match refusal {
        TokenRefusal::Audience { .. } => "InvalidAudience",
        TokenRefusal::Issuer { .. } => "InvalidIssuer",
        TokenRefusal::Expired => "ExpiredToken",
        TokenRefusal::Signature | TokenRefusal::UnknownKey | TokenRefusal::Algorithm(_) => {
            "InvalidSignature"
        }
        TokenRefusal::Missing | TokenRefusal::Malformed(_) => "MalformedToken",
        TokenRefusal::NotYetValid | TokenRefusal::UnknownPrincipal => "InvalidToken",
    }
}

/// The service whose tokens have this audience.
pub(super) fn service_of(audience: &str) -> Option<&'static str> {
    let host = audience.trim_end_matches('/').strip_prefix("https://")?;
    let is = |name: &str| host == name || host.strip_suffix(name).is_some_and(|s| s.ends_with('.'));
    if is("vault.azure.net") {
        Some("Key Vault")
    } else if is("cosmos.azure.com") || is("documents.azure.com") {
        Some("Cosmos DB")
    } else if is("storage.azure.com") || is("blob.core.windows.net") {
        Some("Blob Storage")
    } else if is("servicebus.azure.net") || is("servicebus.windows.net") {
        Some("Service Bus")
    } else if is("graph.microsoft.com") {
        Some("Microsoft Graph")
    } else if is("management.azure.com") {
        Some("Azure Resource Manager")
    } else {
        None
    }
}

/// Explains why a resource does not accept a token.
pub fn explain(refusal: &TokenRefusal, presented: &Presented, taken: &Taken<'_>) -> Explanation {
    let mut explanation = Explanation::of_code(code(taken.by, refusal));
    let Taken {
        by,
        audience,
        issuer,
        now,
    } = *taken;
    let audience = &cut(audience);
    let at = |seconds: Option<i64>| OffsetDateTime::from_unix_timestamp(seconds?).ok();
    match refusal {
        TokenRefusal::Audience { found } => {
            let of = service_of(found).map_or(String::new(), |name| format!(", it is for {name}"));
            explanation.cause_is_known(format!("The token is not for this resource ({by}){of}."));
            explanation.compare("audience", found, audience, Against::Expected);
            let what = format!("Ask Entra ID for the scope {audience}/.default");
            explanation.fixes.push(Fix::new(what));
        }
        TokenRefusal::Issuer { found } => {
            explanation.cause_is_known(
                "The token is of another issuer than the resource's tenant.".to_owned(),
            );
            explanation.compare("issuer", found, issuer, Against::Expected);
            let what = "Present an access token that Entra ID made for this tenant: not the service account's own token, and none of another tenant";
            explanation.fixes.push(Fix::new(what));
        }
        TokenRefusal::Expired => {
            let late = |until: OffsetDateTime| length((now - until).whole_seconds());
            let words = |until| format!("it expired {} before it was presented", late(until));
            let until = at(presented.until);
            let difference = until.map(|until| time("expiry", until, now, words(until)));
            explanation.differences.extend(difference);
        }
        TokenRefusal::NotYetValid => {
            let early = |from: OffsetDateTime| length((from - now).whole_seconds());
            let words = |from| format!("it was presented {} too early", early(from));
            let from = at(presented.from);
            let difference = from.map(|from| time("start", from, now, words(from)));
            explanation.differences.extend(difference);
        }
        TokenRefusal::UnknownPrincipal => explanation.differences.push(Difference::whole(
            "object id",
            presented.object_id.clone(),
            None,
            Against::Expected,
            "no principal of this tenant has this object id",
        )),
        TokenRefusal::Algorithm(name) => explanation.differences.push(Difference::whole(
            "algorithm",
            Some(name.clone()),
            Some("RS256".to_owned()),
            Against::Expected,
            "only RS256 is accepted",
        )),
        TokenRefusal::Malformed(why) => explanation.differences.push(Difference::whole(
            "form",
            None,
            None,
            Against::Expected,
            *why,
        )),
        TokenRefusal::Missing | TokenRefusal::UnknownKey | TokenRefusal::Signature => {}
    }
    if !explanation.differences.is_empty() {
        explanation.causes.clear();
        explanation.checks.clear();
    }
    explanation
}

fn time(field: &str, at: OffsetDateTime, now: OffsetDateTime, words: String) -> Difference {
    Difference::whole(
        field,
        Some(moment(at)),
        Some(format!("{} (the time then)", moment(now))),
        Against::Expected,
        words,
    )
}
