//! The append-only record of every decision: each token exchange at Entra ID
//! and each operation at a resource, with who, what, where, and why.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::explain::Explanation;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Let through.
    Allowed,
    /// Refused.
    Denied,
}

/// One decision. Nothing in it is a secret: no token, no value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its place in the log, from 1.
    pub sequence: u64,
    /// The cloud's time, RFC 3339.
    pub at: String,
    #[serde(flatten)]
    entry: Entry,
}

impl std::ops::Deref for Record {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.entry
    }
}

/// What a decision was about, as the one who decides states it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Who decided: `entra`, `key vault`, `cosmos`, `blob`, `service bus`.
    pub by: String,
    /// The vendor's name of the operation, such as `GetSecret`.
    pub operation: String,
    /// The identity, by its name in the access model, when it is known.
    pub identity: Option<String>,
    /// The Kubernetes subject that the identity acts for, when it is known.
    pub subject: Option<String>,
    /// The action that the operation needs; for an exchange, the resource asked for.
    pub action: String,
    /// The scope, as a logical path; for an exchange, the tenant.
    pub scope: String,
    /// What was decided.
    pub decision: Decision,
    /// The vendor's error code of a refusal.
    pub code: Option<String>,
    /// Why: the role and scope that granted it, or what was missing.
    pub why: String,
    /// What a refusal comes from, and how to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Box<Explanation>>,
}

/// The log; clones share it.
#[derive(Clone, Debug)]
pub struct Audit {
    clock: Clock,
    // Held for a push or a copy only, never across an await.
    records: Arc<Mutex<Vec<Record>>>,
}

impl Audit {
    /// An empty log that stamps its records with the given clock.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            records: Arc::default(),
        }
    }

    /// Appends one decision.
    pub fn record(&self, entry: Entry) {
        let at = rfc3339(self.clock.now());
        tracing::info!(
            by = entry.by,
            operation = entry.operation,
            identity = entry.identity,
            scope = entry.scope,
            decision = ?entry.decision,
            code = entry.code,
            why = entry.why,
            explanation = entry.explanation.as_ref().map(|explanation| &*explanation.summary),
            "audit"
        );
        let mut records = self.lock();
        let sequence = records.len() as u64 + 1;
        records.push(Record {
            sequence,
            at,
            entry,
        });
    }

    /// The records after a place in the log; 0 gives all.
    pub fn after(&self, sequence: u64) -> Vec<Record> {
        let from = usize::try_from(sequence).unwrap_or(usize::MAX);
        self.lock().get(from..).unwrap_or_default().to_vec()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Record>> {
        self.records
            .lock()
            .expect("no one panics while holding the log")
    }
}

/// A time as RFC 3339, with milliseconds.
pub fn rfc3339(at: time::OffsetDateTime) -> String {
    let whole_milliseconds = u32::from(at.millisecond()) * 1_000_000;
    at.replace_nanosecond(whole_milliseconds)
        .unwrap_or(at)
        .format(&time::format_description::well_known::Rfc3339)
        .expect("a UTC time formats as RFC 3339")
}
