//! A token, looked at: what it says, who would take it, and for what. Its
//! signature is neither read nor kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::exchange::{Assertion, Known, told};
use super::text::{Line, Tone, comparison};
use super::times::length;
use super::token::service_of;
use super::{Against, Difference, cut, differences::visible};
use crate::model::{Grant, Resource};

/// Longer ones are not read.
const MAX_BYTES: usize = 64 * 1024;

/// A token's claims, unverified.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    header: Map<String, Value>,
    payload: Map<String, Value>,
}

impl Claims {
    /// Reads a token that begins at the beginning of this text.
    fn read(token: &str) -> Option<Self> {
        if token.len() > MAX_BYTES {
            return None;
        }
        let mut parts = token.split('.');
        let mut part = || {
            let json = URL_SAFE_NO_PAD
                .decode(parts.next()?.trim_end_matches('='))
                .ok()?;
            serde_json::from_slice::<Map<String, Value>>(&json).ok()
        };
        Some(Self {
            header: part()?,
            payload: part()?,
        })
    }

    /// The first token in a text.
    pub(super) fn find(text: &str) -> Option<Self> {
        text.match_indices("eyJ").find_map(|(at, _)| {
            let rest = &text[at..];
            let part = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
            let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
            Self::read(&rest[..end])
        })
    }

    /// The token that a text is as a whole, also if a terminal broke it into lines.
    pub(super) fn whole(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("Bearer ").unwrap_or(text);
        let token: String = text.split_whitespace().collect();
        let part = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
        if !token.starts_with("eyJ") || !token.chars().all(part) {
            return None;
        }
        Self::read(&token)
    }

    fn text(&self, name: &str) -> Option<String> {
        Some(self.payload.get(name)?.as_str()?.to_owned())
    }

    fn seconds(&self, name: &str) -> Option<i64> {
        self.payload.get(name)?.as_i64()
    }

    fn audience(&self) -> Option<String> {
        match self.payload.get("aud")? {
            Value::Array(several) => match &several[..] {
                [one] => Some(one.as_str()?.to_owned()),
                _ => None,
            },
            one => Some(one.as_str()?.to_owned()),
        }
    }

    /// What the token says as an assertion.
    pub(super) fn assertion(&self) -> Assertion {
        Assertion {
            issuer: self.text("iss"),
            subject: self.text("sub"),
            audience: self.audience(),
            from: self.seconds("nbf").or_else(|| self.seconds("iat")),
            until: self.seconds("exp"),
            kid: self
                .header
                .get("kid")
                .and_then(Value::as_str)
                .map(str::to_owned),
        }
    }
}

/// What is to be said of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenReport {
    /// What it is, and how long it is valid, in a sentence.
    pub summary: String,
    /// What it says, one by one.
    pub claims: Vec<Claim>,
    /// Who would take it as an assertion; the likeliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusts: Vec<Verdict>,
    /// What its principal is granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Granted>,
    /// What else is to be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A member of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// Its value; a time in words too.
    pub value: String,
}

/// Whether one federated credential trusts a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The identity.
    pub identity: String,
    /// The credential's name.
    pub credential: String,
    /// Whether issuer, subject and audience are all the same.
    pub trusts: bool,
    /// What differs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// What does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same: Vec<String>,
    /// The file that says so.
    pub file: String,
    /// And its line.
    pub line: Option<usize>,
}

/// A role that the token's principal has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The role.
    pub role: String,
    /// Where.
    pub scope: String,
    /// Whether the token is for that service at all.
    pub of_this_audience: bool,
    /// The file that says so.
    pub file: String,
    /// And its line.
    pub line: Option<usize>,
}

/// Looks at a token.
pub(super) fn report(claims: &Claims, known: &Known<'_>, grants: &[Grant]) -> TokenReport {
    let assertion = claims.assertion();
    let now = known.now;
    let issuer = assertion.issuer.clone().unwrap_or_default();
    let of_entra = issuer.starts_with("https://sts.windows.net/")
        || issuer.starts_with("https://login.microsoftonline.com/");
    let audience = assertion.audience.clone().unwrap_or_default();
    let subject = assertion.subject.clone().unwrap_or_default();
    let what = if of_entra {
        let service = service_of(&audience).map_or_else(|| cut(&audience), str::to_owned);
        format!("An access token of Entra ID for {service}")
    } else if subject.starts_with("system:serviceaccount:") {
        format!("A service account's token of {}", cut(&subject))
    } else {
        format!("A token of {}", cut(&issuer))
    };
    let mut report = TokenReport {
        summary: format!("{what}, {}.", validity(&assertion, now)),
        claims: shown(claims, now),
        trusts: Vec::new(),
        grants: Vec::new(),
        notes: Vec::new(),
    };
    if of_entra {
        report.principal(claims, &audience, known, grants);
    } else {
        report.federation(&assertion, known);
        let for_a_service = known
            .model
            .calls
            .iter()
            .find(|call| call.audience == audience);
        if let Some(call) = for_a_service {
            report.notes.push(format!(
                "It is for the call from {} to {}, which Kubernetes' trust covers; Entra ID has no part in it.",
                call.from, call.to
            ));
        }
        if let (Some(from), Some(until)) = (assertion.from, assertion.until)
            && until - from > 25 * 60 * 60
        {
            report.notes.push(format!(
                "It lives for {}; Entra ID takes 25 hours at most (AADSTS70023).",
                length(until - from)
            ));
        }
    }
    report
        .notes
        .push("Nothing of it was verified: its signature was neither read nor shown.".to_owned());
    report
}

fn validity(assertion: &Assertion, now: OffsetDateTime) -> String {
    let now = now.unix_timestamp();
    match (assertion.from, assertion.until) {
        (Some(from), _) if now < from => format!("valid only in {}", length(from - now)),
        (_, Some(until)) if now >= until => format!("expired {} ago", length(now - until)),
        (_, Some(until)) => format!("valid for another {}", length(until - now)),
        (_, None) => "without an expiry".to_owned(),
    }
}

fn shown(claims: &Claims, now: OffsetDateTime) -> Vec<Claim> {
    let members = claims.header.iter().chain(&claims.payload);
    members
        .map(|(name, value)| {
            let value = match value {
                Value::Number(number) if ["exp", "nbf", "iat"].contains(&name.as_str()) => number
                    .as_i64()
                    .map_or_else(|| number.to_string(), |at| told(at, now)),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            Claim {
                name: cut(name),
                value: cut(&value),
            }
        })
        .collect()
}

impl TokenReport {
    fn federation(&mut self, assertion: &Assertion, known: &Known<'_>) {
        for trust in known.trusts {
            let mut verdict = Verdict {
                identity: trust.identity.clone(),
                credential: trust.name.clone(),
                trusts: false,
                differences: Vec::new(),
                same: Vec::new(),
                file: known.model.places.file.clone(),
                line: super::exchange::line_of(known.model, trust),
            };
            for (field, presented, trusted) in [
                ("issuer", &assertion.issuer, &trust.issuer),
                ("subject", &assertion.subject, &trust.subject),
                ("audience", &assertion.audience, &trust.audience),
            ] {
                let presented = presented.as_deref().unwrap_or_default();
                match Difference::between(field, presented, trusted, Against::Trusted) {
                    Some(difference) => verdict.differences.push(difference),
                    None => verdict.same.push(field.to_owned()),
                }
            }
            verdict.trusts = verdict.differences.is_empty();
            self.trusts.push(verdict);
        }
        self.trusts.sort_by_key(|verdict| verdict.differences.len());
        if let Some(identity) = self.trusts.first().filter(|verdict| verdict.trusts) {
            let principal = known
                .principals
                .iter()
                .find(|one| one.name == identity.identity);
            if let Some(principal) = principal {
                self.notes.push(format!(
                    "Entra ID takes it together with client id {} (identity `{}`), as long as it is valid.",
                    principal.client_id, principal.name
                ));
            }
        } else {
            self.notes
                .push("No identity of the access model trusts it.".to_owned());
        }
    }

    fn principal(&mut self, claims: &Claims, audience: &str, known: &Known<'_>, grants: &[Grant]) {
        let (object_id, client_id) = (claims.text("oid"), claims.text("appid"));
        let same = |id: &Option<String>, known: &str| id.as_deref() == Some(known);
        let principal = known
            .principals
            .iter()
            .find(|one| same(&object_id, &one.object_id) || same(&client_id, &one.client_id));
        let Some(principal) = principal else {
            self.notes
                .push("Its principal is no identity of the access model.".to_owned());
            return;
        };
        let service = service_of(audience);
        let own = grants
            .iter()
            .filter(|grant| grant.identity == principal.name);
        for grant in own {
            let resource = grant.scope.segments().first();
            let resource = resource.and_then(|name| known.model.resources.get(name));
            let name = resource.map(|resource| match resource {
                Resource::KeyVault(_) => "Key Vault",
                Resource::Cosmos(_) => "Cosmos DB",
                Resource::Storage(_) => "Blob Storage",
                Resource::ServiceBus(_) => "Service Bus",
                Resource::Graph(_) => "Microsoft Graph",
            });
            self.grants.push(Granted {
                role: grant.role.clone(),
                scope: grant.scope.to_string(),
                of_this_audience: name == service,
                file: known.model.places.file.clone(),
                line: known.model.places.grant(grant),
            });
        }
        self.grants.sort_by_key(|grant| !grant.of_this_audience);
        self.notes
            .push(format!("Its principal is identity `{}`.", principal.name));
        if !self.grants.iter().any(|grant| grant.of_this_audience) {
            self.notes.push(format!(
                "`{}` has no role at {}: whatever it asks there is refused.",
                principal.name,
                service.unwrap_or("that service")
            ));
        }
    }

    /// The text, line by line.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::of(Tone::Heading, visible(&self.summary))];
        let width = self
            .claims
            .iter()
            .map(|claim| claim.name.chars().count())
            .max();
        let width = width.unwrap_or_default().min(24);
        for claim in &self.claims {
            let name = format!("  {:<width$}  ", visible(&claim.name));
            lines.push(Line::of(Tone::Plain, name).and(Tone::Presented, visible(&claim.value)));
        }
        for verdict in &self.trusts {
            let place = verdict
                .line
                .map_or(String::new(), |line| format!("{}:{line}", verdict.file));
            let word = if verdict.trusts {
                "trusts it"
            } else {
                "does not trust it"
            };
            let line = Line::of(
                Tone::Heading,
                format!("identity {} {word}  ", verdict.identity),
            );
            lines.push(line.and(Tone::Place, visible(&place)));
            lines.extend(comparison(&verdict.differences, &verdict.same));
        }
        if !self.grants.is_empty() {
            lines.push(Line::of(Tone::Heading, "granted"));
        }
        for grant in &self.grants {
            let place = grant
                .line
                .map_or(String::new(), |line| format!("  {}:{line}", grant.file));
            let other = if grant.of_this_audience {
                ""
            } else {
                "  (another service: another token)"
            };
            lines.push(
                Line::of(
                    Tone::Trusted,
                    format!("  {} at {}", grant.role, grant.scope),
                )
                .and(Tone::Place, visible(&place))
                .and(Tone::Plain, other),
            );
        }
        lines.extend(
            self.notes
                .iter()
                .map(|note| Line::of(Tone::Plain, visible(note))),
        );
        lines
    }
}
