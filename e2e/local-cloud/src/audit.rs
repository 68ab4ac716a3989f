//! The append-only record of every decision: each token exchange at Entra ID
//! and each operation at a resource, with who, what, where, and why.
//!
//! Whatever is thrown at the cloud, the log stays within [`MOST_RECORDS`] and
//! [`MOST_BYTES`]: the oldest records go, and it says how many went.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

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
    /// The unique id (`uti`) of the access token that was issued, or that came with
    /// the operation. It is no secret: Entra ID's sign-in logs have it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What a refusal comes from, and how to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Box<Explanation>>,
}

/// How many records are kept: hours of the workload under load.
pub const MOST_RECORDS: usize = 50_000;

/// How much their texts may take, in bytes.
pub const MOST_BYTES: usize = 32 * 1024 * 1024;

/// How long one text of a record may be. What was presented stands in some of
/// them, and an attacker presents what he likes.
const LONGEST_TEXT: usize = 2048;

/// The log; clones share it.
#[derive(Clone, Debug)]
pub struct Audit {
    clock: Clock,
    // Held for a push or a copy only, never across an await.
    log: Arc<Mutex<Log>>,
    /// The place of the newest record.
    newest: Arc<watch::Sender<u64>>,
}

#[derive(Debug)]
struct Log {
    records: VecDeque<Record>,
    bytes: usize,
    dropped: u64,
    most_records: usize,
}

/// How much a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The records that are kept.
    pub records: usize,
    /// The bytes of their texts.
    pub bytes: usize,
    /// The older records that went to make place.
    pub dropped: u64,
}

impl Audit {
    /// An empty log that stamps its records with the given clock.
    pub fn new(clock: Clock) -> Self {
        Self::keeping(MOST_RECORDS, clock)
    }

    /// An empty log of so many records.
    pub(crate) fn keeping(most_records: usize, clock: Clock) -> Self {
        let log = Log {
            records: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            most_records,
        };
        Self {
            clock,
            log: Arc::new(Mutex::new(log)),
            newest: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Appends one decision.
    pub fn record(&self, mut entry: Entry) {
        let at = rfc3339(self.clock.now());
        entry.shorten();
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
        let newest = self.lock().push(at, entry);
        // Two that are recorded at once may come here in another order.
        self.newest.send_if_modified(|known| {
            let is_newer = newest > *known;
            *known = newest.max(*known);
            is_newer
        });
    }

    /// Waits until there is a record after a place in the log.
    pub async fn until_after(&self, sequence: u64) {
        let mut newest = self.newest.subscribe();
        // This handle keeps the sender alive, so the wait cannot fail.
        drop(newest.wait_for(|newest| *newest > sequence).await);
    }

    /// The place of the newest record.
    pub fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// The records after a place in the log that are still kept; 0 gives all.
    pub fn after(&self, sequence: u64) -> Vec<Record> {
        let log = self.lock();
        let from = usize::try_from(sequence.saturating_sub(log.dropped)).unwrap_or(usize::MAX);
        log.records.iter().skip(from).cloned().collect()
    }

    /// How much the log holds, and how much it has let go.
    pub fn extent(&self) -> Extent {
        let log = self.lock();
        Extent {
            records: log.records.len(),
            bytes: log.bytes,
            dropped: log.dropped,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log
            .lock()
            .expect("no one panics while holding the log")
    }
}

impl Log {
    /// Appends a record; its place.
    fn push(&mut self, at: String, entry: Entry) -> u64 {
        let sequence = self.dropped + self.records.len() as u64 + 1;
        self.bytes += entry.bytes();
        self.records.push_back(Record {
            sequence,
            at,
            entry,
        });
        while self.records.len() > self.most_records || self.bytes > MOST_BYTES {
            let Some(oldest) = self.records.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
            self.dropped += 1;
        }
        sequence
    }
}

impl Entry {
    fn texts(&self) -> impl Iterator<Item = &String> {
        let optional = [&self.identity, &self.subject, &self.code, &self.token];
        [
            &self.by,
            &self.operation,
            &self.action,
            &self.scope,
            &self.why,
        ]
        .into_iter()
        .chain(optional.into_iter().flatten())
    }

    fn bytes(&self) -> usize {
        self.texts().map(String::len).sum()
    }

    fn shorten(&mut self) {
        let optional = [
            &mut self.identity,
            &mut self.subject,
            &mut self.code,
            &mut self.token,
        ];
        let texts = [
            &mut self.by,
            &mut self.operation,
            &mut self.action,
            &mut self.scope,
            &mut self.why,
        ];
        for text in texts.into_iter().chain(optional.into_iter().flatten()) {
            if text.len() > LONGEST_TEXT {
                text.truncate(text.floor_char_boundary(LONGEST_TEXT));
                text.push('…');
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(why: &str) -> Entry {
        Entry {
            by: "entra".to_owned(),
            operation: "TokenExchange".to_owned(),
            identity: None,
            subject: None,
            action: String::new(),
            scope: String::new(),
            decision: Decision::Denied,
            code: None,
            why: why.to_owned(),
            token: None,
            explanation: None,
        }
    }

    fn whys(audit: &Audit, after: u64) -> Vec<(u64, String)> {
        let of = |record: Record| (record.sequence, record.why.clone());
        audit.after(after).into_iter().map(of).collect()
    }

    #[test]
    fn the_newest_records_are_kept_and_the_others_are_counted() {
        let audit = Audit::keeping(3, Clock::system());
        for why in ["one", "two", "three", "four", "five"] {
            audit.record(entry(why));
        }

        let kept = [(3, "three"), (4, "four"), (5, "five")].map(|(n, why)| (n, why.to_owned()));
        assert_eq!(whys(&audit, 0), kept);
        assert_eq!(audit.extent().dropped, 2);
    }

    #[test]
    fn a_reader_goes_on_from_where_it_was() {
        let audit = Audit::keeping(3, Clock::system());
        for why in ["one", "two", "three", "four"] {
            audit.record(entry(why));
        }

        assert_eq!(whys(&audit, 3), [(4, "four".to_owned())]);
        assert_eq!(whys(&audit, 4), []);
        assert_eq!(whys(&audit, u64::MAX), []);
        // What it missed is not there, which the sequence shows.
        assert_eq!(whys(&audit, 1)[0].0, 2);
        audit.record(entry("five"));
        assert_eq!(whys(&audit, 1)[0].0, 3);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let audit = Audit::new(Clock::system());
        audit.record(entry(&"ä".repeat(LONGEST_TEXT)));

        let (_, why) = whys(&audit, 0).remove(0);
        assert_eq!(why.len(), LONGEST_TEXT + "…".len());
        assert!(why.ends_with("ä…"));
    }

    #[test]
    fn the_log_is_bounded_in_bytes_too() {
        let audit = Audit::new(Clock::system());
        let long = "a".repeat(LONGEST_TEXT);
        let fitting = MOST_BYTES / LONGEST_TEXT;
        for _ in 0..=fitting {
            audit.record(entry(&long));
        }

        let extent = audit.extent();
        assert!(extent.bytes <= MOST_BYTES, "{extent:?}");
        assert!(extent.dropped > 0, "{extent:?}");
        assert_eq!(extent.records as u64 + extent.dropped, fitting as u64 + 1);
    }
}
