//! Reads one text: finds out what it is, and gathers what its explanation needs.

use serde::Deserialize as _;
use serde_json::Value;
use time::OffsetDateTime;

use super::clues::{self, Clues};
use super::exchange::{self, Attempt, Known};
use super::explainer::{Explainer, Finding};
use super::report::{self, Claims, TokenReport};
use super::role::{self, Asked, Assigned};
use super::token::{self, Presented, Taken};
use super::{Explanation, admission};
use crate::audit::{Decision, Record};
use crate::gate::TokenRefusal;
use crate::model::{Resource, Scope, ServiceAccount};
use crate::names;
use crate::roles::Kind;

/// One text, by one explainer, at one time.
pub(super) struct Reading<'a> {
    pub(super) explainer: &'a Explainer,
    pub(super) now: OffsetDateTime,
}

/// What is known beside a text.
#[derive(Default)]
pub(super) struct Beside {
    code: Option<String>,
    identity: Option<String>,
    subject: Option<String>,
    scope: Option<String>,
    at: Option<OffsetDateTime>,
}

impl Reading<'_> {
    fn known<'b>(&'b self, tenant: &'b str, now: OffsetDateTime) -> Known<'b> {
        Known {
            model: &self.explainer.model,
            trusts: &self.explainer.trusts,
            principals: &self.explainer.principals,
            tenant,
            resources: &self.explainer.resources,
            now,
        }
    }

    pub(super) fn token(&self, claims: &Claims) -> TokenReport {
        let tenant = names::tenant_id().to_string();
        let known = self.known(&tenant, self.now);
        report::report(claims, &known, &self.explainer.model.grants)
    }

    pub(super) fn json(&self, value: &Value) -> Vec<Finding> {
        if let Value::Array(several) = value {
            return several.iter().flat_map(|one| self.json(one)).collect();
        }
        let made = value
            .get("explanation")
            .and_then(|made| Explanation::deserialize(made).ok());
        if let Some(explanation) = made {
            return vec![Finding::Refusal(explanation)];
        }
        if let Ok(record) = Record::deserialize(value) {
            return self.record(&record);
        }
        let mut texts = Vec::new();
        flatten(value, &mut texts);
        self.text(&texts.join("\n"), None)
    }

    /// A record of the audit that bears no explanation yet.
    fn record(&self, record: &Record) -> Vec<Finding> {
        if record.decision == Decision::Allowed {
            return Vec::new();
        }
        let at = OffsetDateTime::parse(&record.at, &time::format_description::well_known::Rfc3339);
        let at = at.unwrap_or(self.now);
        let code = record.code.clone().unwrap_or_default();
        let explanation = match (code.as_str(), &record.identity) {
            ("NoRoleAssignment", Some(identity)) => {
                let scope = Scope::new(record.scope.split('/'));
                self.role(&record.by, identity, &record.action, &scope)
            }
            (code, _) if code.starts_with("Token") => {
                let quoted = record.why.split('`').nth(1).unwrap_or_default();
                let Some(refusal) = refusal_of(code, quoted) else {
                    return Vec::new();
                };
                access_token(&record.by, &refusal, &record.scope, at)
            }
            _ => {
                let beside = Beside {
                    code: record.code.clone(),
                    identity: record.identity.clone(),
                    subject: record.subject.clone(),
                    scope: Some(record.action.clone()),
                    at: Some(at),
                };
                return self.text(&record.why, Some(beside));
            }
        };
        vec![Finding::Refusal(explanation)]
    }

    pub(super) fn text(&self, text: &str, beside: Option<Beside>) -> Vec<Finding> {
        if let Some(explanation) = self.logged(text) {
            return vec![Finding::Refusal(explanation)];
        }
        let token = Claims::find(text);
        let beside = beside.unwrap_or_default();
        let codes = beside
            .code
            .clone()
            .map_or_else(|| clues::codes(text), |code| vec![code]);
        if codes.is_empty() {
            return token
                .map(|claims| Finding::Token(self.token(&claims)))
                .into_iter()
                .collect();
        }
        let mut clues = Clues::of(text);
        if let Some(token) = &token {
            clues.assertion = token.assertion();
        }
        let explain = |code: &String| Finding::Refusal(self.explain(code, &clues, &beside, text));
        codes.iter().map(explain).collect()
    }

    /// A line of the cloud's own log about a role that is missing.
    fn logged(&self, text: &str) -> Option<Explanation> {
        let field = |name: &str| {
            let (_, rest) = text.split_once(&format!(" {name}=\""))?;
            rest.split_once('"').map(|(value, _)| value)
        };
        if field("code")? != "NoRoleAssignment" {
            return None;
        }
        let (_, rest) = field("explanation")?.split_once(" grants ")?;
        let (action, _) = rest.split_once(" at ")?;
        let scope = Scope::new(field("scope")?.split('/'));
        Some(self.role(field("by")?, field("identity")?, action, &scope))
    }

    fn explain(&self, code: &str, clues: &Clues, beside: &Beside, text: &str) -> Explanation {
        if code.starts_with("AADSTS") {
            return self.exchange(code, clues, beside);
        }
        if code.starts_with("Admission") && clues::tells_an_admission(text) {
            let named = text.split("error looking up service account ").nth(1);
            let named = named.and_then(|rest| rest.split([':', ' ']).next());
            let (namespace, name) = named
                .and_then(|path| path.split_once('/'))
                .unwrap_or_default();
            let account = ServiceAccount {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            let trusted = self.explainer.model.identities.keys();
            let trusted = trusted.flat_map(|name| self.explainer.model.accounts_of(name).to_vec());
            return admission::explain(text, &account, &trusted.collect::<Vec<_>>());
        }
        let by = service(code, clues);
        if let Some((identity, scope)) = self.asked(by, clues)
            && let Some(action) = &clues.action
        {
            return self.role(by, &identity, action, &scope);
        }
        if let Some(found) = &clues.found {
            let refusal = match code {
                "AKV10022" | "401/5008" => Some(TokenRefusal::Audience {
                    found: found.clone(),
                }),
                "AKV10032" => Some(TokenRefusal::Issuer {
                    found: found.clone(),
                }),
                _ => None,
            };
            let expected = clues
                .expected
                .clone()
                .unwrap_or_else(|| names::audience_of(by).to_owned());
            if let Some(refusal) = refusal {
                return access_token(by, &refusal, &expected, self.now);
            }
        }
        Explanation::of_code(code)
    }

    fn exchange(&self, code: &str, clues: &Clues, beside: &Beside) -> Explanation {
        let identity = clues.client_id.as_deref().and_then(|id| self.identity(id));
        let mut assertion = clues.assertion.clone();
        if assertion.subject.is_none() {
            assertion.subject.clone_from(&beside.subject);
        }
        let attempt = Attempt {
            tenant: clues.tenant.clone(),
            client_id: clues.client_id.clone(),
            identity: beside.identity.clone().or(identity),
            scope: clues.scope.clone().or_else(|| beside.scope.clone()),
            assertion,
        };
        let tenant = names::tenant_id().to_string();
        let now = clues.now.or(beside.at).unwrap_or(self.now);
        exchange::explain(code, &attempt, &self.known(&tenant, now))
    }

    fn role(&self, by: &str, identity: &str, action: &str, scope: &Scope) -> Explanation {
        let asked = Asked {
            by,
            identity,
            action,
            kind: Kind::of(action),
            scope,
        };
        let assigned = Assigned {
            model: &self.explainer.model,
            roles: &self.explainer.roles,
            grants: &self.explainer.model.grants,
        };
        role::explain(&asked, &assigned)
    }

    /// The identity of a client id or object id.
    fn identity(&self, id: &str) -> Option<String> {
        let is = |known: &str| known.eq_ignore_ascii_case(id);
        let mut principals = self.explainer.principals.iter();
        let found = principals.find(|one| is(&one.client_id) || is(&one.object_id));
        found.map(|one| one.name.clone())
    }

    /// Who asked, and where, in the access model's names.
    fn asked(&self, by: &str, clues: &Clues) -> Option<(String, Scope)> {
        let ids = [&clues.client_id, &clues.object_id];
        let identity = ids.into_iter().flatten().find_map(|id| self.identity(id))?;
        let resource = clues.resource.as_deref()?;
        let (physical, path): (&str, Vec<String>) = match by {
            "key vault" => {
                let (_, rest) = resource.split_once("/vaults/")?;
                let mut parts = rest.split('/');
                (parts.next()?, parts.map(str::to_owned).collect())
            }
            "service bus" => {
                let (host, entity) = resource.strip_prefix("sb://")?.split_once('/')?;
                let physical = host.split('.').next()?;
                (physical, vec!["queues".to_owned(), entity.to_owned()])
            }
            "cosmos" => {
                let parts: Vec<_> = resource
                    .split('/')
                    .filter(|part| !part.is_empty())
                    .collect();
                let path = match parts[..] {
                    ["dbs", database, "colls", container, ..] => {
                        vec!["databases", database, "containers", container]
                    }
                    ["dbs", database, ..] => vec!["databases", database],
                    _ => Vec::new(),
                };
                ("", path.into_iter().map(str::to_owned).collect())
            }
            _ => return None,
        };
        let name = self.resource(by, physical)?;
        Some((identity, Scope::new([vec![name], path].concat())))
    }

    /// A resource's logical name: by its physical one, or as the only one of its kind.
    fn resource(&self, by: &str, physical: &str) -> Option<String> {
        let of_kind = |resource: &Resource| {
            matches!(
                (by, resource),
                ("key vault", Resource::KeyVault(_))
                    | ("cosmos", Resource::Cosmos(_))
                    | ("blob", Resource::Storage(_))
                    | ("service bus", Resource::ServiceBus(_))
            )
        };
        let all = self.explainer.model.resources.iter();
        let names: Vec<_> = all
            .filter(|(_, one)| of_kind(one))
            .map(|(name, _)| name)
            .collect();
        let by_name = names.iter().find(|name| names::physical(name) == physical);
        by_name
            .or_else(|| names.first().filter(|_| names.len() == 1))
            .map(|&name| name.clone())
    }
}

/// Why a resource did not take a token.
fn access_token(
    by: &str,
    refusal: &TokenRefusal,
    expected: &str,
    now: OffsetDateTime,
) -> Explanation {
    let ours = names::token_issuer(names::tenant_id());
    let taken = Taken {
        by,
        audience: expected,
        issuer: if expected.contains("sts.windows.net") {
            expected
        } else {
            &ours
        },
        now,
    };
    token::explain(refusal, &Presented::default(), &taken)
}

/// Which service a code is of.
fn service(code: &str, clues: &Clues) -> &'static str {
    let action = clues
        .action
        .as_deref()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if code.starts_with("AKV") || code.starts_with("ForbiddenBy") || action.contains("keyvault") {
        "key vault"
    } else if code.contains('/') || action.contains("documentdb") {
        "cosmos"
    } else if code.starts_with("amqp") || action.contains("servicebus") {
        "service bus"
    } else {
        "blob"
    }
}

/// The gate's refusal behind a code of the audit.
fn refusal_of(code: &str, quoted: &str) -> Option<TokenRefusal> {
    let found = quoted.to_owned();
    Some(match code {
        "TokenMissing" => TokenRefusal::Missing,
        "TokenMalformed" => TokenRefusal::Malformed("it cannot be read"),
        "TokenAlgorithm" => TokenRefusal::Algorithm(found),
        "TokenUnknownKey" => TokenRefusal::UnknownKey,
        "TokenSignature" => TokenRefusal::Signature,
        "TokenIssuer" => TokenRefusal::Issuer { found },
        "TokenAudience" => TokenRefusal::Audience { found },
        "TokenExpired" => TokenRefusal::Expired,
        "TokenNotYetValid" => TokenRefusal::NotYetValid,
        "TokenPrincipal" => TokenRefusal::UnknownPrincipal,
        _ => return None,
    })
}

/// Every text of a JSON value; numbers with their names.
fn flatten(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(several) => several.iter().for_each(|one| flatten(one, texts)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::Number(number) => texts.push(format!("{name}: {number}")),
                    other => flatten(other, texts),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
