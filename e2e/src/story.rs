//! The audit as the story of a failure: what was decided, and why the last
//! refusals were ones.

use local_cloud::audit::{Decision, Record};

/// How many refusals are explained.
const EXPLAINED: usize = 3;

/// The records, a line for each, and behind them the explanations of the last
/// refusals.
pub fn told<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    let records: Vec<&Record> = records.into_iter().collect();
    let line = |record: &&Record| {
        let identity = record.identity.as_deref().unwrap_or("-");
        let (by, operation, scope) = (&record.by, &record.operation, &record.scope);
        format!(
            "  {} {identity}: {by} {operation} at {scope}: {:?}, {}",
            record.at, record.decision, record.why
        )
    };
    let mut told: Vec<String> = records.iter().map(line).collect();
    let denials = records
        .iter()
        .rev()
        .filter(|record| record.decision == Decision::Denied);
    let mut explained: Vec<String> = Vec::new();
    for explanation in denials.filter_map(|record| record.explanation.as_deref()) {
        let text = explanation.to_string();
        if explained.len() < EXPLAINED && !explained.contains(&text) {
            explained.push(text);
        }
    }
    if !explained.is_empty() {
        told.push("the last refusals, explained:".to_owned());
    }
    told.extend(explained.into_iter().rev());
    told.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(sequence: u64, scope: &str, explanation: Option<Value>) -> Record {
        let decision = if explanation.is_some() {
            "denied"
        } else {
            "allowed"
        };
        let mut record = json!({
            "sequence": sequence, "at": "2026-11-28T12:00:00Z", "by": "blob", "operation": "GetBlob",
            "identity": "worker", "subject": null, "action": "a", "scope": scope,
            "decision": decision, "code": null, "why": "so",
        });
        if let Some(explanation) = explanation {
            record["explanation"] = explanation;
        }
        serde_json::from_value(record).expect("a record")
    }

    fn because(summary: &str) -> Value {
        json!({
            "code": "AuthorizationPermissionMismatch", "step": 5, "summary": summary,
            "fixes": [{ "what": "Assign it", "file": "access.json", "line": 7 }],
        })
    }

    #[test]
    fn a_story_ends_with_the_last_refusals_each_explained_once() {
        let records = [
            record(1, "first", Some(because("Long ago."))),
            record(2, "second", Some(because("Before."))),
            record(3, "third", Some(because("No role."))),
            record(4, "fourth", Some(because("No role."))),
            record(5, "fifth", None),
            record(6, "sixth", Some(because("At last."))),
        ];

        let told = told(&records);

        let lines: Vec<&str> = told.lines().collect();
        assert!(
            lines[4].ends_with("worker: blob GetBlob at fifth: Allowed, so"),
            "{told}"
        );
        assert_eq!(lines[6], "the last refusals, explained:");
        let summaries: Vec<&str> = lines[7..]
            .iter()
            .copied()
            .filter(|line| line.ends_with('.'))
            .collect();
        assert_eq!(
            summaries,
            ["  Before.", "  No role.", "  At last."],
            "{told}"
        );
        assert!(told.contains("  - Assign it  access.json:7"), "{told}");
    }
}
