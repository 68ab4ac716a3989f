//! Explains what somebody kept: an error, a line of a log, a record of the audit,
//! a token. It needs no running cloud; the access model says what is trusted.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Explanation;
use super::exchange::{Principal, Trust};
use super::reading::Reading;
use super::report::{Claims, TokenReport};
use super::text::Line;
use crate::model::{Model, ServiceAccount};
use crate::names;
use crate::roles::Roles;

/// What a text turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Finding {
    /// A refusal.
    Refusal(Explanation),
    /// A token.
    Token(TokenReport),
}

impl Finding {
    /// The text, line by line.
    pub fn lines(&self) -> Vec<Line> {
        match self {
            Self::Refusal(explanation) => explanation.lines(),
            Self::Token(report) => report.lines(),
        }
    }
}

/// What is trusted and granted, by which texts are explained.
#[derive(Clone, Debug)]
pub struct Explainer {
    pub(super) model: Model,
    pub(super) roles: Roles,
    pub(super) trusts: Vec<Trust>,
    pub(super) principals: Vec<Principal>,
    pub(super) resources: Vec<String>,
}

impl Explainer {
    /// Explains by an access model; issuer and ids are the local cloud's.
    pub fn new(model: Model, roles: Roles) -> Self {
        let issuer = names::cluster_issuer();
        let names = || model.identities.keys();
        let trust = |identity: &String| {
            let accounts = model.accounts_of(identity).iter();
            let trusts = accounts.map(|account| Trust::in_account(identity, account, &issuer));
            let others = model.identities[identity].federated_credentials.iter();
            let others = others.enumerate().map(|(number, trust)| Trust {
                identity: identity.clone(),
                name: format!("external-{}", number + 1),
                issuer: trust.issuer.clone(),
                subject: trust.subject.clone(),
                audience: trust.audience.clone(),
            });
            trusts.chain(others).collect::<Vec<_>>()
        };
        let principal = |name: &String| Principal {
            name: name.clone(),
            client_id: names::client_id(name).to_string(),
            object_id: names::object_id(name).to_string(),
        };
        Self {
            trusts: names().flat_map(trust).collect(),
            principals: names().map(principal).collect(),
            resources: crate::entra::known_resources(&model),
            model,
            roles,
        }
    }

    /// The issuer of another cluster than the local one.
    #[must_use]
    pub fn with_issuer(mut self, issuer: &str) -> Self {
        let local = names::cluster_issuer();
        for trust in self.trusts.iter_mut().filter(|trust| trust.issuer == local) {
            issuer.clone_into(&mut trust.issuer);
        }
        self
    }

    /// The client id that a service account's annotation gives its identity.
    #[must_use]
    pub fn with_client_id(mut self, account: &ServiceAccount, client_id: &str) -> Self {
        let subject = account.subject();
        let trust = self.trusts.iter().find(|trust| trust.subject == subject);
        let identity = trust.map(|trust| trust.identity.clone());
        // Only a client id of nobody else: an annotation may be the mistake.
        let taken = self.principals.iter().any(|one| one.client_id == client_id);
        let own = |one: &&mut Principal| Some(&one.name) == identity.as_ref();
        if let Some(principal) = self.principals.iter_mut().find(own)
            && !taken
            && client_id.parse::<Uuid>().is_ok()
        {
            client_id.clone_into(&mut principal.client_id);
        }
        self
    }

    /// Explains a text: every refusal and token in it, none twice.
    pub fn read(&self, text: &str, now: OffsetDateTime) -> Vec<Finding> {
        let text = &without_colours(text);
        let reading = Reading {
            explainer: self,
            now,
        };
        let mut findings = Vec::new();
        if let Some(claims) = Claims::whole(text) {
            return vec![Finding::Token(reading.token(&claims))];
        }
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            findings = reading.json(&value);
        } else if text
            .lines()
            .any(|line| line.trim_start().starts_with('{') && is_json(line))
        {
            for line in text.lines() {
                match serde_json::from_str::<Value>(line) {
                    Ok(value) => findings.extend(reading.json(&value)),
                    Err(_) => findings.extend(reading.text(line, None)),
                }
            }
        } else {
            findings = reading.text(text, None);
        }
        let mut seen: Vec<Finding> = Vec::new();
        for finding in findings {
            if !seen.contains(&finding) {
                seen.push(finding);
            }
        }
        seen
    }
}

fn is_json(line: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok()
}

/// A text without the sequences by which a terminal is told colours.
fn without_colours(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |plain, piece| {
        let rest = piece.find('m').map_or(piece, |end| &piece[end + 1..]);
        plain + rest
    })
}
