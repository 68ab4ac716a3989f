//! What a text that somebody kept tells of a refusal: its code, and the names
//! that the services quote in their texts. Everything else is left behind.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::codes;
use super::exchange::Assertion;

/// What a text tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Clues {
    pub(super) tenant: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) object_id: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) assertion: Assertion,
    /// The time at the service.
    pub(super) now: Option<OffsetDateTime>,
    pub(super) action: Option<String>,
    /// What the service calls the resource.
    pub(super) resource: Option<String>,
    /// The audience or issuer of an access token, and what was expected.
    pub(super) found: Option<String>,
    pub(super) expected: Option<String>,
}

/// Texts by which a code is known where the code itself is not told.
const TEXTS: [(&str, &str); 17] = [
    (
        "not authorized to perform action on resource",
        "ForbiddenByRbac",
    ),
    (
        "cannot be authorized by AAD token in data plane",
        "403/5300",
    ),
    (
        "does not have required RBAC permissions to perform action",
        "403/5302",
    ),
    ("Provided AAD token has been expired", "401/5006"),
    ("Provided AAD token has an invalid audience", "401/5008"),
    ("Provided AAD token was issued by the authority", "401/5007"),
    (
        "Local Authorization is disabled. Use an AAD token",
        "401/5202",
    ),
    ("Required Header authorization is missing", "401/5000"),
    (
        "not authorized to perform this operation using this permission",
        "AuthorizationPermissionMismatch",
    ),
    ("Lifetime validation failed", "InvalidAuthenticationInfo"),
    ("Audience validation failed", "InvalidAuthenticationInfo"),
    ("Issuer validation failed", "InvalidAuthenticationInfo"),
    (
        "claim(s) are required to perform this operation",
        "amqp:unauthorized-access",
    ),
    (
        "Expected value to be between 3600 and 86400",
        "AdmissionTokenExpiration",
    ),
    (
        "error looking up service account",
        "AdmissionServiceAccount",
    ),
    (
        "Operation get is not allowed on a disabled secret",
        "SecretDisabled",
    ),
    (
        "Insufficient privileges to complete the operation",
        "Authorization_RequestDenied",
    ),
];

/// Variables that the webhook sets: who speaks of one, misses it.
const INJECTED: [&str; 3] = [
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
];

/// The codes that a text tells, without repetition. Entra ID's are all told; of
/// a resource's the one that says most.
pub(super) fn codes(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for after in text.split("AADSTS").skip(1) {
        let digits: String = after
            .chars()
            .take_while(char::is_ascii_digit)
            .take(9)
            .collect();
        let code = format!("AADSTS{digits}");
        if digits.len() >= 5 && !found.contains(&code) {
            found.push(code);
        }
    }
    if !found.is_empty() {
        return found;
    }
    resource_code(text).into_iter().collect()
}

fn resource_code(text: &str) -> Option<String> {
    let word = |code: &str| contains_word(text, code);
    if let Some(sub) = substatus(text) {
        return Some(sub);
    }
    let specific = |known: &&codes::Code| {
        !known.code.starts_with("AADSTS") && known.code != "amqp:unauthorized-access"
    };
    if let Some(known) = codes::all().filter(specific).find(|known| word(known.code)) {
        return Some(known.code.to_owned());
    }
    if let Some((_, code)) = TEXTS.iter().find(|(part, _)| text.contains(part)) {
        let metadata = *code == "403/5302" && text.contains("/readMetadata]");
        return Some(if metadata { "403/5301" } else { code }.to_owned());
    }
    if word("amqp:unauthorized-access") {
        return Some("amqp:unauthorized-access".to_owned());
    }
    let injected = INJECTED.iter().any(|name| text.contains(name));
    injected.then(|| "NotInjected".to_owned())
}

/// `403/5302`, or a sub-status that stands for itself.
fn substatus(text: &str) -> Option<String> {
    let known = |code: &&codes::Code| code.code.contains('/');
    let direct = codes::all()
        .filter(known)
        .find(|known| contains_word(text, known.code));
    if let Some(known) = direct {
        return Some(known.code.to_owned());
    }
    let lower = text.to_ascii_lowercase();
    let named = ["substatus", "sub_status", "sub-status"];
    let after = named.iter().find_map(|name| lower.split(name).nth(1))?;
    let digits: String = after
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .take(5)
        .collect();
    let mut codes = [format!("403/{digits}"), format!("401/{digits}")].into_iter();
    codes.find(|code| codes::find(code).is_some())
}

/// Whether a code stands in a text and is no part of a longer word.
fn contains_word(text: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

/// Whether a text is a refusal of admission itself, and not its code alone.
pub(super) fn tells_an_admission(text: &str) -> bool {
    ["token expiration ", "error looking up service account"]
        .iter()
        .any(|words| text.contains(words))
}

impl Clues {
    /// Reads what the services quote.
    pub(super) fn of(text: &str) -> Self {
        let first = |marks: &[(&str, &str)]| {
            marks
                .iter()
                .find_map(|(before, after)| between(text, before, after))
        };
        Self {
            tenant: first(&[("Tenant '", "'"), ("tenant identifier '", "'")]),
            client_id: first(&[
                ("Application with identifier '", "'"),
                ("The client '", "'"),
                ("appid=", ";"),
            ]),
            object_id: first(&[("oid=", ";"), ("principal [", "]")]),
            scope: first(&[
                ("The provided value for scope ", " is not valid"),
                ("The resource principal named ", " was not found"),
            ]),
            assertion: Assertion {
                issuer: first(&[
                    ("presented assertion issuer '", "'"),
                    ("Assertion Issuer: '", "'"),
                    ("Issuer from the provided JWT '", "'"),
                    ("metadata of identity provider ", ". "),
                    ("Token issuer: ", " "),
                ]),
                subject: first(&[
                    ("presented assertion subject '", "'"),
                    ("Assertion Subject: '", "'"),
                ]),
                audience: first(&[
                    ("presented assertion audience '", "'"),
                    ("Assertion Audience: '", "'"),
                ]),
                from: time(text, "assertion valid from ").map(OffsetDateTime::unix_timestamp),
                until: time(text, "expiry time of assertion ").map(OffsetDateTime::unix_timestamp),
                kid: first(&[("certificate with identifier ", " used to sign")]),
            },
            now: time(text, "Current time: "),
            action: first(&[("Action: '", "'"), ("perform action [", "]")])
                .or_else(|| claim_of_a_link(text).map(str::to_owned)),
            resource: first(&[("Resource: '", "'"), ("on resource [", "]")]),
            found: first(&[
                ("found: ", "."),
                (", found ", "."),
                ("invalid audience [", "]"),
            ])
            .map(|found| found.trim_end_matches('.').to_owned()),
            expected: first(&[("Expected one of ", ","), ("Expected ", ", found")]),
        }
    }
}

/// The data action behind Service Bus' claim.
fn claim_of_a_link(text: &str) -> Option<&'static str> {
    let claim = between(text, "Unauthorized access. '", "'")?;
    if claim.contains("Send") {
        return Some("Microsoft.ServiceBus/namespaces/messages/send/action");
    }
    claim
        .contains("Listen")
        .then_some("Microsoft.ServiceBus/namespaces/messages/receive/action")
}

/// What stands between two marks. A URL may contain dots, so a mark that is a dot
/// has to be followed by a blank or nothing.
fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let start = text.find(before)? + before.len();
    let rest = &text[start..];
    let end = if after == "." {
        let ends = |at: &usize| {
            rest[at + 1..]
                .chars()
                .next()
                .is_none_or(|c| !c.is_ascii_alphanumeric())
        };
        rest.match_indices('.').map(|(at, _)| at).find(ends)
    } else {
        rest.find(after)
    };
    // A text that was cut off has no second mark.
    let value = &rest[..end.unwrap_or(rest.len())];
    (!value.is_empty() && value.len() <= 1000).then(|| value.to_owned())
}

fn time(text: &str, before: &str) -> Option<OffsetDateTime> {
    let start = text.find(before)? + before.len();
    let end = text[start..].find(|c: char| c == ',' || c.is_whitespace())?;
    let written = text[start..start + end].trim_end_matches('.');
    OffsetDateTime::parse(written, &Rfc3339).ok()
}
